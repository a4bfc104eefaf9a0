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
    public const int Size = 32;

    /// <summary>Bytes of a datagram; what is longer is cut.</summary>
    public const int Longest = 4096;

    private const int AddressLength = 16;
    private const int MsgWaitForOne = 0x10000;

    /// <summary>linux/udp.h, and the most bytes that the segments of one call may have (an IPv4 packet's, less its headers).</summary>
    private const int SolUdp = 17, UdpSegment = 103, MostSegmented = 65_507;

    /// <summary>Whole, as one block, and pinned: received bytes, those to be sent, addresses, and what tells the kernel of them.</summary>
    private readonly byte[] _block = GC.AllocateUninitializedArray<byte>(
        Size * ((2 * Longest) + AddressLength + (2 * (sizeof(Vector) + sizeof(Message))) + sizeof(SegmentSize)), pinned: true);
    private readonly Socket _socket;
    private readonly byte* _answers;
    private readonly Message* _received, _sent;
    private readonly Vector* _vectors;
    private readonly SegmentSize* _segments;
    private readonly (long Peer, int From, int Length)[] _toSend = new (long, int, int)[Size];
    private int _count;
    private bool _segmented;

    public DatagramBatch(Socket socket)
    {
        _socket = socket;
        _segmented = KnowsSegments(socket);
        var at = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(_block, 0);
        byte* queries = at, addresses = queries + (2 * Size * Longest);
        var vectors = (Vector*)(addresses + (Size * AddressLength));
        _answers = queries + (Size * Longest);
        _vectors = vectors + Size;
        _received = (Message*)(_vectors + Size);
        _sent = _received + Size;
        _segments = (SegmentSize*)(_sent + Size);
        for (var i = 0; i < Size; i++)
        {
            vectors[i] = new Vector { Base = queries + (i * Longest), Length = Longest };
            _received[i] = new Message { Name = addresses + (i * AddressLength), Vectors = vectors + i, VectorCount = 1 };
            _segments[i] = new SegmentSize { Length = (nuint)(sizeof(nuint) + (2 * sizeof(int)) + sizeof(ushort)), Level = SolUdp, Type = UdpSegment };
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
    public Span<byte> Room => new(_answers + (_count * Longest), Longest);

    /// <summary>What was written into <see cref="Room"/> goes to the sender of a datagram, with the next <see cref="Send"/>.</summary>
    public void Answer(int index, int length) => _toSend[_count++] = (MemoryMarshal.Read<long>(Sender(index)), index, length);

    /// <summary>Sends all answers. One that the kernel refuses is left out: nobody is to be told.</summary>
    /// <remarks>
    /// Those of one length to one client go together: segments (udp(7), UDP_SEGMENT) that the kernel takes apart only in front of the client's socket. An
    /// answer may overtake longer and shorter ones; nothing overtakes an answer to what came before it by a datagram of one byte or none.
    /// </remarks>
    public void Send()
    {
        var messages = Compose();
        for (var done = 0; done < messages;)
        {
            var sent = SendMessages(_socket.SafeHandle, _sent + done, (uint)(messages - done), 0);
            done += Math.Max(sent, 0);
            if (sent > 0) continue;
            if (_sent[done].VectorCount > 1) SendSingly(_sent + done);
            done++;
        }

        _count = 0;
    }

    /// <summary>Makes messages of the answers. Returns how many.</summary>
    private int Compose()
    {
        Span<bool> taken = stackalloc bool[Size];
        var vector = _vectors;
        var messages = 0;
        for (var i = 0; i < _count; i++)
        {
            if (taken[i]) continue;
            var (peer, from, length) = _toSend[i];
            var message = _sent + messages;
            *message = new Message { Name = _received[from].Name, NameLength = AddressLength, Vectors = vector };
            *vector++ = Written(i);
            // A byte or none is a sign of life, which the redirect knows by its length.
            var more = _segmented && length > 1 ? (MostSegmented / length) - 1 : 0;
            for (var j = i + 1; j < _count && more > 0; j++)
            {
                if (taken[j] || _toSend[j].Peer != peer || _toSend[j].Length != length) continue;
                taken[j] = true;
                *vector++ = Written(j);
                more--;
            }

            message->VectorCount = (nuint)(vector - message->Vectors);
            if (message->VectorCount > 1)
            {
                _segments[messages].Size = (ushort)length;
                message->Control = _segments + messages;
                message->ControlLength = (nuint)sizeof(SegmentSize);
            }

            messages++;
        }

        return messages;
    }

    private Vector Written(int answer) => new() { Base = _answers + (answer * Longest), Length = (nuint)_toSend[answer].Length };

    /// <summary>What the kernel refused to send in segments. If it takes them so, segments are not tried again.</summary>
    private void SendSingly(Message* segments)
    {
        for (nuint i = 0; i < segments->VectorCount; i++)
        {
            var one = new Message { Name = segments->Name, NameLength = AddressLength, Vectors = segments->Vectors + i, VectorCount = 1 };
            if (SendMessages(_socket.SafeHandle, &one, 1, 0) > 0) _segmented = false;
        }
    }

    /// <summary>Older kernels (before 4.18) send what is to be segmented as one datagram, without an error.</summary>
    private static bool KnowsSegments(Socket socket)
    {
        try
        {
            Span<byte> size = stackalloc byte[sizeof(int)];
            return socket.GetRawSocketOption(SolUdp, UdpSegment, size) > 0;
        }
        catch (SocketException)
        {
            return false;
        }
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

    /// <summary>The control message UDP_SEGMENT, with its padding: how long each segment is (udp(7)).</summary>
    [StructLayout(LayoutKind.Sequential, Size = 24)]
    private struct SegmentSize
    {
        public nuint Length;
        public int Level;
        public int Type;
        public ushort Size;
    }

    /// <summary>struct mmsghdr of sys/socket.h (64 bit): a msghdr, and the length of what was received or sent.</summary>
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

        [FieldOffset(32)]
        public SegmentSize* Control;

        [FieldOffset(40)]
        public nuint ControlLength;

        [FieldOffset(56)]
        public readonly uint Length;
    }
}
