using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace FlannelFlow.Dns.Serving;

/// <summary>Datagrams received and answered several at a time, on a blocking IPv4 socket: recvmmsg(2) and sendmmsg(2), for which .NET has no face.</summary>
/// <remarks>
/// Under load most of a query's cost is the way into the kernel and out again, and a client's wake-up for each answer. One thread uses it; memory
/// that is never needed, since datagrams come alone, is never touched.
/// </remarks>
internal sealed unsafe partial class DatagramBatch
{
    /// <summary>Datagrams at a time.</summary>
    public const int Size = 16;

    /// <summary>Bytes of a datagram; what is longer is cut.</summary>
    public const int Longest = 4096;

    private const int AddressLength = 16;
    private const int MsgWaitForOne = 0x10000;

    /// <summary>Whole, as one block, and pinned: received bytes, those to be sent, addresses, and what tells the kernel of them.</summary>
    private readonly byte[] _block = GC.AllocateUninitializedArray<byte>((Size * ((2 * Longest) + AddressLength)) + (2 * Size * (sizeof(Vector) + sizeof(Message))), pinned: true);
    private readonly Socket _socket;
    private readonly Message* _received, _sent;
    private int _toSend;

    public DatagramBatch(Socket socket)
    {
        _socket = socket;
        var at = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(_block, 0);
        byte* queries = at, answers = queries + (Size * Longest), addresses = answers + (Size * Longest);
        var vectors = (Vector*)(addresses + (Size * AddressLength));
        _received = (Message*)(vectors + (2 * Size));
        _sent = _received + Size;
        for (var i = 0; i < Size; i++)
        {
            vectors[i] = new Vector { Base = queries + (i * Longest), Length = Longest };
            vectors[Size + i] = new Vector { Base = answers + (i * Longest), Length = Longest };
            _received[i] = new Message { Name = addresses + (i * AddressLength), Vectors = vectors + i, VectorCount = 1 };
            _sent[i] = new Message { NameLength = AddressLength, Vectors = vectors + Size + i, VectorCount = 1 };
        }
    }

    /// <summary>Waits for one datagram, and takes all that are there then. Returns how many.</summary>
    /// <exception cref="SocketException">What the kernel says, also of a datagram that was sent before.</exception>
    public int Receive()
    {
        for (var i = 0; i < Size; i++) _received[i].NameLength = AddressLength;
        var count = ReceiveMessages(_socket.SafeHandle, _received, Size, MsgWaitForOne, 0);
        return count >= 0 ? count : throw new SocketException(Marshal.GetLastPInvokeError());
    }

    public ReadOnlySpan<byte> Datagram(int index) => new(_received[index].Vectors->Base, (int)_received[index].Length);

    /// <summary>Its sender: a sockaddr_in.</summary>
    public ReadOnlySpan<byte> Sender(int index) => new(_received[index].Name, AddressLength);

    /// <summary>Where the next answer is to be written, to be followed by <see cref="Answer"/>.</summary>
    public Span<byte> Room => new(_sent[_toSend].Vectors->Base, Longest);

    /// <summary>What was written into <see cref="Room"/> goes to the sender of a datagram, with the next <see cref="Send"/>.</summary>
    public void Answer(int index, int length)
    {
        var message = _sent + _toSend++;
        message->Name = _received[index].Name;
        message->Vectors->Length = (nuint)length;
    }

    /// <summary>Sends all answers, in their order. One that the kernel refuses is left out: nobody is to be told.</summary>
    public void Send()
    {
        for (var done = 0; done < _toSend;)
        {
            var sent = SendMessages(_socket.SafeHandle, _sent + done, (uint)(_toSend - done), 0);
            done += sent > 0 ? sent : 1;
        }

        _toSend = 0;
    }

    [LibraryImport("libc", EntryPoint = "recvmmsg", SetLastError = true)]
    private static partial int ReceiveMessages(SafeSocketHandle socket, Message* messages, uint count, int flags, nint timeout);

    [LibraryImport("libc", EntryPoint = "sendmmsg", SetLastError = true)]
    private static partial int SendMessages(SafeSocketHandle socket, Message* messages, uint count, int flags);

    /// <summary>struct iovec.</summary>
    private struct Vector
    {
        public byte* Base;
        public nuint Length;
    }

    /// <summary>struct mmsghdr of sys/socket.h (64 bit): a msghdr, and the length of what was received or sent. There is never control data.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 64)]
    private struct Message
    {
        [FieldOffset(0)]
        public byte* Name;

        [FieldOffset(8)]
        public uint NameLength;

        [FieldOffset(16)]
        public Vector* Vectors;

        [FieldOffset(24)]
        public nuint VectorCount;

        [FieldOffset(56)]
        public readonly uint Length;
    }
}
