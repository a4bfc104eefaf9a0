using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using FlannelFlow.Dns.Messages;
using FlannelFlow.Dns.Upstreams;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Dns.Serving;

/// <summary>Bound in the sandbox, the TCP one listening. The server owns them.</summary>
public sealed record ServerSockets(Socket Udp, Socket Tcp) : IDisposable
{
    public void Dispose()
    {
        Udp.Dispose();
        Tcp.Dispose();
    }
}

/// <summary>The DNS server of one sandbox, on UDP and TCP.</summary>
/// <remarks>
/// <list type="bullet">
/// <item>One thread reads the UDP socket: an answer to a query that comes alone needs one wake-up, not those of a poller and of a pool. Queries that came
/// meanwhile are taken, and answered, together with one call each. It answers what it knows at once, and hands what must be forwarded to a task of its own, so
/// that a slow upstream delays no local name. The local answer allocates nothing.</item>
/// <item>A datagram of one byte or none is sent back as it came: who sent it sees that the loop lives, and that all that came before is answered.</item>
/// <item>Each TCP connection is a task; queries on it are answered in their order.</item>
/// <item>Everything that was begun is awaited by <see cref="DisposeAsync"/>. The sockets close first, so nothing waits for a client.</item>
/// </list>
/// </remarks>
public sealed class SandboxServer : IAsyncDisposable
{
    /// <summary>At a time; more are closed at once.</summary>
    internal const int MostConnections = 256;

    /// <summary>A client that says nothing for so long is hung up on (RFC 7766 6.2.3 asks for seconds).</summary>
    private static readonly TimeSpan IdleConnection = TimeSpan.FromSeconds(10);

    /// <summary>What a UDP answer may take at most. Beyond it a client is better served by TCP.</summary>
    private const int MostByUdp = DatagramBatch.Longest;
    private const int MostByTcp = 65_535;

    /// <summary>Bytes; the loop needs a few kilobytes, and there is one for each sandbox.</summary>
    private const int UdpStack = 256 * 1024;

    private readonly ServerSockets _sockets;
    private readonly Responder _responder;
    private readonly Forwarder _forwarder;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<Random> _chance;
    private readonly Lock _gate = new();
    private readonly HashSet<Task> _running = [];
    private readonly TaskCompletionSource _udp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _tcp;
    private int _connections;
    private bool _disposed;
    private long _answered, _forwarded;

    /// <param name="chance">Makes a source of chance for one loop; it need not be thread safe.</param>
    public SandboxServer(ServerSockets sockets, Responder responder, Forwarder forwarder, TimeProvider time, Func<Random> chance, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(sockets);
        _sockets = sockets;
        _responder = responder;
        _forwarder = forwarder;
        _time = time;
        _chance = chance;
        _log = log;
        new Thread(ServeUdp, UdpStack) { IsBackground = true, Name = "DNS" }.Start();
        _tcp = ServeTcpAsync();
    }

    public Responder Responder => _responder;

    /// <summary>Queries answered from our own names since the start.</summary>
    public long Answered => Volatile.Read(ref _answered);

    /// <summary>Queries for which upstreams were asked.</summary>
    public long Forwarded => Volatile.Read(ref _forwarded);

    /// <summary>Completes when what was being forwarded is answered, or the patience is over; what comes meanwhile is served too.</summary>
    public async Task DrainAsync(TimeSpan patience)
    {
        Task[] running;
        lock (_gate) running = [.. _running];
        try
        {
            await Task.WhenAll(running).WaitAsync(patience, _time);
        }
        catch (TimeoutException)
        {
            // TCP connections are among them, which last as long as their clients like.
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true)) return;
        await _stop.CancelAsync();
        // That wakes whoever waits on them.
        _sockets.Dispose();
        await Task.WhenAll(_udp.Task, _tcp);
        Task[] running;
        lock (_gate) running = [.. _running];
        await Task.WhenAll(running);
        _forwarder.Dispose();
        _stop.Dispose();
    }

    private void ServeUdp()
    {
        try
        {
            ReadUdp();
            _udp.SetResult();
        }
#pragma warning disable CA1031 // handed to whoever awaits the loop's end: an exception that left a thread would end the process
        catch (Exception e)
#pragma warning restore CA1031
        {
            _udp.SetException(e);
        }
    }

    private void ReadUdp()
    {
        var batch = new DatagramBatch(_sockets.Udp);
        var chance = _chance();
        var own = ((IPEndPoint)_sockets.Udp.LocalEndPoint!).Serialize().Buffer.Span;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var count = batch.Receive();
                for (var i = 0; i < count; i++)
                {
                    // From itself: forged, and an answer would go round for ever.
                    if (!batch.Sender(i)[..8].SequenceEqual(own[..8])) Serve(batch, i, chance);
                }

                batch.Send();
            }
            catch (SocketException e)
            {
                // A client that closed its socket before its answer came (ECONNREFUSED), or a full queue: nobody is to be told.
                _log.LogTrace("DNS over UDP: {Reason}", e.SocketErrorCode);
            }
            catch (ObjectDisposedException) when (_stop.IsCancellationRequested)
            {
                return;
            }
        }
    }

    private void Serve(DatagramBatch batch, int index, Random chance)
    {
        var query = batch.Datagram(index);
        if (query.Length <= 1)
        {
            query.CopyTo(batch.Room);
            batch.Answer(index, query.Length);
            return;
        }

        switch (_responder.Respond(query, isUdp: true, batch.Room, DatagramBatch.Longest, chance, out var written))
        {
            case Response.Answered:
                _answered++;
                batch.Answer(index, written);
                break;
            case Response.Forward:
                _forwarded++;
                Begin(ForwardUdpAsync(query.ToArray(), AddressOf(batch.Sender(index))));
                break;
            case Response.Silence:
                break;
        }
    }

    private async Task ForwardUdpAsync(byte[] query, SocketAddress client)
    {
        await Task.Yield();
        var buffer = ArrayPool<byte>.Shared.Rent(MostByUdp);
        try
        {
            var forwarded = await _forwarder.ForwardAsync(
                query, _responder.Sandbox.Upstreams, isUdp: true, buffer.AsMemory(0, MostByUdp), _stop.Token);
            var length = Finish(query, forwarded, buffer, isUdp: true);
            if (length > 0) _sockets.Udp.SendTo(buffer.AsSpan(0, length), SocketFlags.None, client);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            _log.LogTrace("forwarding a query: {Reason}", e.Message);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Makes of what the upstreams said what the client is told.</summary>
    /// <returns>The length of the answer in the buffer; 0: none.</returns>
    private static int Finish(ReadOnlySpan<byte> message, Forwarded forwarded, Span<byte> buffer, bool isUdp)
    {
        Span<char> text = stackalloc char[Wire.LongestName];
        if (Query.TryRead(message, text, out var query) != QueryProblem.None) return 0;
        return forwarded.Outcome switch
        {
            ForwardOutcome.Answered when isUdp && forwarded.Length > Responder.UdpSize(query) => Answer.Truncated(query, buffer),
            ForwardOutcome.Answered => forwarded.Length,
            ForwardOutcome.Failed => Answer.Failure(query, ResponseCode.ServerFailure, buffer),
            ForwardOutcome.Refused => Answer.Failure(query, ResponseCode.Refused, buffer),
        };
    }

    private async Task ServeTcpAsync()
    {
        await Task.Yield();
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var connection = await _sockets.Tcp.AcceptAsync();
                if (Interlocked.Increment(ref _connections) > MostConnections)
                {
                    Interlocked.Decrement(ref _connections);
                    connection.Dispose();
                    continue;
                }

                Begin(ServeConnectionAsync(connection));
            }
            catch (SocketException e) when (!_stop.IsCancellationRequested)
            {
                // Out of files, or a client that went while it waited. Accepting again at once could spin.
                _log.LogDebug("DNS over TCP: {Reason}", e.SocketErrorCode);
                await Task.Delay(TimeSpan.FromMilliseconds(10), _time);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException && _stop.IsCancellationRequested)
            {
                return;
            }
        }
    }

    private async Task ServeConnectionAsync(Socket connection)
    {
        await Task.Yield();
        var query = ArrayPool<byte>.Shared.Rent(2 + MostByTcp);
        var answer = ArrayPool<byte>.Shared.Rent(2 + MostByTcp);
        try
        {
            using (connection)
            {
                connection.NoDelay = true;
                var chance = _chance();
                while (await AnswerOneAsync(connection, query, answer, chance))
                {
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            _log.LogTrace("DNS over TCP: {Reason}", e.Message);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(query);
            ArrayPool<byte>.Shared.Return(answer);
            Interlocked.Decrement(ref _connections);
        }
    }

    /// <returns>False: the client ended, or sent what is no query.</returns>
    private async ValueTask<bool> AnswerOneAsync(Socket connection, byte[] query, byte[] answer, Random chance)
    {
        using var silence = new CancellationTokenSource(IdleConnection, _time);
        using var idle = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, silence.Token);
        if (!await connection.TryReceiveAllAsync(query.AsMemory(0, 2), idle.Token)) return false;
        int length = BinaryPrimitives.ReadUInt16BigEndian(query);
        if (!await connection.TryReceiveAllAsync(query.AsMemory(0, length), idle.Token)) return false;

        switch (_responder.Respond(query.AsSpan(0, length), isUdp: false, answer.AsSpan(2), MostByTcp, chance, out var written))
        {
            case Response.Answered:
                Interlocked.Increment(ref _answered);
                break;
            case Response.Forward:
                Interlocked.Increment(ref _forwarded);
                var forwarded = await _forwarder.ForwardAsync(
                    query.AsMemory(0, length), _responder.Sandbox.Upstreams, isUdp: false, answer.AsMemory(2, MostByTcp), _stop.Token);
                written = Finish(query.AsSpan(0, length), forwarded, answer.AsSpan(2), isUdp: false);
                break;
            case Response.Silence:
                return false;
        }

        BinaryPrimitives.WriteUInt16BigEndian(answer, (ushort)written);
        await connection.SendAllAsync(answer.AsMemory(0, 2 + written), idle.Token);
        return true;
    }

    private static SocketAddress AddressOf(ReadOnlySpan<byte> sender)
    {
        var address = new SocketAddress(AddressFamily.InterNetwork, sender.Length);
        sender.CopyTo(address.Buffer.Span);
        return address;
    }

    private void Begin(Task task)
    {
        lock (_gate) _running.Add(task);
        _ = task.ContinueWith(
            ended =>
            {
                lock (_gate) _running.Remove(ended);
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }
}
