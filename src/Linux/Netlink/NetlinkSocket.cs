using System.Net.Sockets;
using System.Runtime.InteropServices;
using FlannelFlow.Linux.Interop;
using FlannelFlow.Linux.Namespaces;

namespace FlannelFlow.Linux.Netlink;

/// <summary>Makes a value of one reply, or null if the reply is not of interest. May throw <see cref="NetlinkException"/>.</summary>
internal delegate T? ReplyParser<out T>(ushort type, ReadOnlySpan<byte> payload) where T : class;

/// <summary>A netlink socket for requests and replies.</summary>
/// <remarks>
/// One exchange at a time, guarded by <see cref="_turn"/>. A request once sent is answered at once (the kernel does the work inside
/// send), so its replies are always read to the end: cancellation is honoured before sending only, and no half-read dump is left to
/// answer EBUSY to the next. Replies with another sequence number or port are dropped.
/// </remarks>
internal sealed class NetlinkSocket : IDisposable
{
    /// <summary>The kernel's dumps come in datagrams of at most 32 KiB; one message of an interface with many VFs can be longer.</summary>
    private const int BufferSize = 64 * 1024;

    /// <summary>With an ack for the last message only, 64 requests per send ran 60 times as fast as one by one (dataplane-facts.md, 6).</summary>
    private const int BatchSize = 64;

    /// <summary>Repeats of a dump that changed underneath; then it is taken as it is, as moby does (moby#48407).</summary>
    private const int DumpTries = 5;

    private readonly Socket _socket;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly byte[] _buffer = new byte[BufferSize];
    private readonly uint _port;
    private uint _sequence;
    private bool _stale;

    private NetlinkSocket(Socket socket, uint port)
    {
        _socket = socket;
        _port = port;
    }

    /// <param name="networkNamespace">Null: the calling thread's.</param>
    public static NetlinkSocket Open(int protocol, NetworkNamespace? networkNamespace)
    {
        var (socket, port) = OpenSocket(protocol, groups: 0, receiveBuffer: 1 << 20, networkNamespace);
        return new NetlinkSocket(socket, port);
    }

    /// <summary>A bound socket; <paramref name="groups"/> is the mask of multicast groups 1 to 32. The fd is made inside the namespace, all else outside.</summary>
    public static (Socket Socket, uint Port) OpenSocket(int protocol, uint groups, int receiveBuffer, NetworkNamespace? networkNamespace)
    {
        var (fd, port) = networkNamespace is null ? OpenFd(protocol, groups, receiveBuffer) : networkNamespace.Run(() => OpenFd(protocol, groups, receiveBuffer));
        var handle = new SafeSocketHandle(fd, ownsHandle: true);
        try
        {
            return (new Socket(handle), port);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    private static unsafe (int Fd, uint Port) OpenFd(int protocol, uint groups, int receiveBuffer)
    {
        var fd = Libc.Socket(Libc.AF_NETLINK, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, protocol);
        if (fd < 0) throw Libc.Failed("opening a netlink socket");
        var address = new Libc.SockaddrNetlink { Family = Libc.AF_NETLINK, Groups = groups };
        var length = (uint)sizeof(Libc.SockaddrNetlink);
        if (Libc.Bind(fd, &address, length) < 0 || Libc.GetSockName(fd, &address, &length) < 0)
        {
            var failure = Libc.Failed("binding a netlink socket");
            Libc.Close(fd);
            throw failure;
        }
        // None of these is vital: old kernels lack the options, and a bigger buffer needs CAP_NET_ADMIN of the first user namespace.
        var one = 1;
        Libc.SetSockOpt(fd, NetlinkProtocol.SolNetlink, NetlinkProtocol.OptionExtAck, &one, sizeof(int));
        Libc.SetSockOpt(fd, NetlinkProtocol.SolNetlink, NetlinkProtocol.OptionCapAck, &one, sizeof(int));
        Libc.SetSockOpt(fd, NetlinkProtocol.SolNetlink, NetlinkProtocol.OptionStrictCheck, &one, sizeof(int));
        Libc.SetSockOpt(fd, Libc.SOL_SOCKET, Libc.SO_RCVBUFFORCE, &receiveBuffer, sizeof(int));
        return (fd, address.PortId);
    }

    /// <summary>Sends one request with NLM_F_ACK and returns its replies, in order.</summary>
    /// <param name="act">For messages: "adding link flannel.6514".</param>
    public async Task<List<T>> RequestAsync<T>(string act, NetlinkRequest request, ReplyParser<T> parse, CancellationToken ct) where T : class
    {
        await _turn.WaitAsync(ct);
        try
        {
            var exchange = new Exchange<T>(act, await SendAsync(act, request), parse);
            await ReceiveUntilEndAsync(act, exchange);
            return exchange.Error is null ? exchange.Replies : throw exchange.Error;
        }
        finally
        {
            _turn.Release();
        }
    }

    public Task RequestAsync(string act, NetlinkRequest request, CancellationToken ct) =>
        RequestAsync<object>(act, request, static (_, _) => null, ct);

    /// <summary>Sends one dump request (NLM_F_DUMP) and returns all parts; repeats it if the table changed meanwhile.</summary>
    public async Task<List<T>> DumpAsync<T>(string act, NetlinkRequest request, ReplyParser<T> parse, CancellationToken ct) where T : class
    {
        await _turn.WaitAsync(ct);
        try
        {
            for (var tries = 1; ; tries++)
            {
                var exchange = new Exchange<T>(act, await SendAsync(act, request), parse);
                await ReceiveUntilEndAsync(act, exchange);
                if (exchange.Error is not null) throw exchange.Error;
                if (!exchange.Interrupted || tries == DumpTries) return exchange.Replies;
                ct.ThrowIfCancellationRequested();
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Sends changes in batches; the flag NLM_F_ACK is set here, on the last of each batch (errors are always answered).</summary>
    /// <returns>An exception or null per change, in order.</returns>
    public async Task<NetlinkException?[]> BatchAsync(IReadOnlyList<(string Act, Action<NetlinkRequest, ushort> Write)> changes, CancellationToken ct)
    {
        var results = new NetlinkException?[changes.Count];
        for (var first = 0; first < changes.Count; first += BatchSize)
        {
            var count = Math.Min(BatchSize, changes.Count - first);
            var request = new NetlinkRequest();
            for (var i = 0; i < count; i++)
                changes[first + i].Write(request, i == count - 1 ? NetlinkProtocol.Ack : (ushort)0);
            await _turn.WaitAsync(ct);
            try
            {
                var act = changes[first].Act;
                var sequence = await SendAsync(act, request);
                await ReceiveUntilEndAsync(act, new BatchExchange(sequence, count, changes, first, results));
            }
            finally
            {
                _turn.Release();
            }
        }
        return results;
    }

    public void Dispose() => _socket.Dispose();

    private async Task<uint> SendAsync(string act, NetlinkRequest request)
    {
        if (_stale) DropQueued(_socket, _buffer);   // of an exchange that broke off
        _stale = false;
        var first = _sequence + 1;
        _sequence += (uint)request.Count;
        request.Stamp(first);
        try
        {
            await _socket.SendAsync(request.Bytes, SocketFlags.None, CancellationToken.None);
        }
        catch (SocketException e)
        {
            throw new NetlinkException(act, e.NativeErrorCode, "sending the request");
        }
        return first;
    }

    private async Task ReceiveUntilEndAsync(string act, ReplySink sink)
    {
        _stale = true;
        for (var ended = false; !ended;)
        {
            int received;
            try
            {
                received = await _socket.ReceiveAsync(_buffer, SocketFlags.Truncated, CancellationToken.None);
            }
            catch (SocketException e)
            {
                throw new NetlinkException(act, e.NativeErrorCode, "receiving the answer");
            }
            if (received > _buffer.Length) throw new NetlinkException(act, Errno.EMSGSIZE, $"the answer has {received} bytes");
            ended = Feed(_buffer.AsSpan(0, received), sink);
        }
        _stale = false;
    }

    private bool Feed(ReadOnlySpan<byte> datagram, ReplySink sink)
    {
        var ended = false;
        var reader = new NetlinkReader(datagram);
        while (reader.TryRead(out var message))
        {
            // Replies carry our port; a stranger with CAP_NET_ADMIN could send to it, but not know the sequence number.
            if (message.PortId == _port) ended |= sink.Accept(message);
        }
        return ended;
    }

    /// <summary>Reads and forgets all that is queued. Reading also carries on, and ends, a dump that was under way.</summary>
    internal static void DropQueued(Socket socket, byte[] buffer)
    {
        while (socket.Poll(0, SelectMode.SelectRead))
        {
            try
            {
                socket.Receive(buffer);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.NoBufferSpaceAvailable)
            {
                // Says that something was lost, which is what the caller knows already.
            }
        }
    }

    /// <summary>Takes the replies to the messages of one send.</summary>
    internal abstract class ReplySink
    {
        /// <returns>True if the exchange is over.</returns>
        public abstract bool Accept(NetlinkMessage message);

        /// <summary>The error in an NLMSG_ERROR or NLMSG_DONE, or null for success.</summary>
        public static NetlinkException? ReadError(string act, NetlinkMessage message)
        {
            var payload = message.Payload;
            if (payload.Length < 4)
                return message.Type == NetlinkProtocol.TypeDone ? null : throw NetlinkReader.Malformed("an error message without a number");
            var error = MemoryMarshal.Read<int>(payload);
            if (error == 0) return null;
            if (error > 0 || error < -4095) throw NetlinkReader.Malformed($"error number {error}");   // MAX_ERRNO
            string? words = null;
            if ((message.Flags & NetlinkProtocol.AckTlvs) != 0)
            {
                var skip = 4;
                if (message.Type == NetlinkProtocol.TypeError)
                {
                    if (payload.Length < 4 + NetlinkRequest.HeaderSize) throw NetlinkReader.Malformed("an error message without the request's header");
                    var echoed = (message.Flags & NetlinkProtocol.Capped) != 0 ? NetlinkRequest.HeaderSize : MemoryMarshal.Read<uint>(payload[4..]);
                    if (echoed > payload.Length) throw NetlinkReader.Malformed("an error message shorter than the request it echoes");
                    skip += (int)echoed;
                }
                var attributes = NetlinkAttributes.After(skip, payload);
                while (attributes.TryRead(out var attribute))
                {
                    if (attribute.Type == NetlinkProtocol.ErrorMessageAttribute) words = attribute.Text;
                }
            }
            return new NetlinkException(act, -error, words);
        }
    }

    internal sealed class Exchange<T>(string act, uint sequence, ReplyParser<T> parse) : ReplySink where T : class
    {
        public List<T> Replies { get; } = [];
        public NetlinkException? Error { get; private set; }
        /// <summary>NLM_F_DUMP_INTR: the table changed while it was dumped.</summary>
        public bool Interrupted { get; private set; }

        public override bool Accept(NetlinkMessage message)
        {
            if (message.Sequence != sequence) return false;
            Interrupted |= (message.Flags & NetlinkProtocol.DumpInterrupted) != 0;
            switch (message.Type)
            {
                case NetlinkProtocol.TypeError or NetlinkProtocol.TypeDone:
                    Error = ReadError(act, message);
                    return true;
                case >= NetlinkProtocol.FirstFamilyType:
                    if (parse(message.Type, message.Payload) is { } reply) Replies.Add(reply);
                    return false;
                default:
                    return false;   // NLMSG_NOOP, NLMSG_OVERRUN
            }
        }
    }

    private sealed class BatchExchange(
        uint sequence, int count, IReadOnlyList<(string Act, Action<NetlinkRequest, ushort> Write)> changes, int first, NetlinkException?[] results) : ReplySink
    {
        public override bool Accept(NetlinkMessage message)
        {
            var index = unchecked(message.Sequence - sequence);
            if (index >= count || message.Type != NetlinkProtocol.TypeError) return false;
            results[first + index] = ReadError(changes[first + (int)index].Act, message);
            return index == count - 1;
        }
    }
}
