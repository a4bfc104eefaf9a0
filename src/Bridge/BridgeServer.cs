using System.Net.Sockets;
using FlannelFlow.Bridge.Http;

namespace FlannelFlow.Bridge;

/// <summary>Listens where dockerd calls and passes each call to the daemon.</summary>
/// <remarks>
/// Each connection of dockerd has its own loop and its own <see cref="DaemonLink"/>: no state is shared between calls but the number that
/// makes their ids, `idPrefix`-n, unique among all bridges of this host. dockerd repeats a call whose connection breaks with an EMPTY body
/// (moby#35459), so a call that was begun is always answered, also at SIGTERM, unless dockerd itself has gone.
/// </remarks>
internal sealed class BridgeServer(BridgeOptions options, string idPrefix, TimeProvider time, BridgeLog log)
{
    private readonly HashSet<Task> _connections = [];
    private long _calls;

    /// <summary>Serves until <paramref name="stop"/>; then closes idle connections, and returns when calls in flight are answered.</summary>
    public async Task RunAsync(Action listening, CancellationToken stop)
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        File.Delete(options.ListenSocket); // of a bridge that was killed; dockerd runs one at a time
        listener.Bind(new UnixDomainSocketEndPoint(options.ListenSocket));
        listener.Listen(512);
        log.Info("listening", ("socket", options.ListenSocket), ("daemon", options.DaemonSocket), ("hold", $"{options.Hold.TotalSeconds} s"), ("answer", $"{options.Answer.TotalSeconds} s"));
        listening();

        using var abandon = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var client = await listener.AcceptAsync(stop);
                var connection = ServeAsync(client, stop, abandon.Token);
                lock (_connections)
                    _connections.Add(connection);
                _ = ForgetAsync(connection);
            }
            catch (OperationCanceledException)
            {
                break;
            }
            catch (SocketException fault)
            {
                // Out of descriptors, or a client that left before accept: neither may end the listening.
                log.Error($"accepting a connection on {options.ListenSocket}: {fault.Message}");
                await Task.Delay(TimeSpan.FromMilliseconds(100), time, CancellationToken.None);
            }
        }

        File.Delete(options.ListenSocket);
        abandon.CancelAfter(options.Stop);
        Task[] left;
        lock (_connections)
            left = [.. _connections];
        await Task.WhenAll(left);
        log.Info("stopped");
    }

    private async Task ForgetAsync(Task connection)
    {
        await connection;
        lock (_connections)
            _connections.Remove(connection);
    }

    /// <summary>One connection, until either side ends it. Never throws: what goes wrong with a connection ends that connection.</summary>
    private async Task ServeAsync(Socket client, CancellationToken stop, CancellationToken abandon)
    {
        // 1. Leave the accept loop: reading what is there already would otherwise run on it.
        await Task.Yield();
        using var stream = new NetworkStream(client, ownsSocket: true);
        using var daemon = new DaemonLink(options, time, log);
        var reader = new HttpReader(stream, options.BodyLimit);
        try
        {
            // 2. An idle connection ends with the stop; a request that has begun is read and answered.
            while (!stop.IsCancellationRequested && await reader.BeginsAsync(stop))
            {
                HttpRequest request;
                try
                {
                    request = await reader.ReadRequestAsync(abandon);
                }
                catch (HttpFormatException fault)
                {
                    log.Warning($"refused a request: {fault.Message}", ("status", $"{fault.Status}"));
                    await stream.WriteAsync(HttpWriter.Response(Answers.Refusal(fault.Status, fault.Message), close: true), abandon);
                    await DrainAsync(client, abandon);
                    return;
                }
                var response = Answers.Standing(request.Target) ?? await RelayAsync(request, client, daemon, abandon);
                if (response is null)
                    return;
                var close = request.EndsConnection || stop.IsCancellationRequested;
                await stream.WriteAsync(HttpWriter.Response(response, close), CancellationToken.None);
                if (close)
                    return;
            }
        }
        catch (OperationCanceledException)
        {
            // The stop found the connection idle or in the middle of being read.
        }
        catch (Exception fault) when (fault is IOException or SocketException)
        {
            // dockerd ended the connection.
        }
    }

    /// <summary>The answer to a call; null when dockerd has left meanwhile.</summary>
    private async Task<HttpResponse?> RelayAsync(HttpRequest request, Socket client, DaemonLink daemon, CancellationToken abandon)
    {
        var requestId = $"{idPrefix}-{Interlocked.Increment(ref _calls)}";
        using var call = CancellationTokenSource.CreateLinkedTokenSource(abandon);
        using var answered = new CancellationTokenSource();
        var watch = WatchAsync(client, call, answered.Token);
        try
        {
            return await daemon.CallAsync(request, requestId, call.Token);
        }
        catch (OperationCanceledException) when (!abandon.IsCancellationRequested)
        {
            log.Warning("dockerd gave up on a call", ("call", request.Target.TrimStart('/')), ("request", requestId));
            return null;
        }
        catch (OperationCanceledException)
        {
            return Answers.Refusal(500, $"the flannelflow plugin was stopped before the daemon answered {request.Target.TrimStart('/')}");
        }
        finally
        {
            await answered.CancelAsync();
            await watch;
        }
    }

    /// <summary>Cancels <paramref name="call"/> when the client's end of the connection closes.</summary>
    private static async Task WatchAsync(Socket client, CancellationTokenSource call, CancellationToken answered)
    {
        try
        {
            // A peek takes nothing from a client that sends its next request early; then the watching ends, and the answer will meet the break.
            if (await client.ReceiveAsync(new byte[1], SocketFlags.Peek, answered) > 0)
                return;
        }
        catch (OperationCanceledException)
        {
            return;
        }
        catch (SocketException)
        {
            // As good as closed.
        }
        await call.CancelAsync();
    }

    /// <summary>
    /// Reads what a refused client still sends, for a short while: closing a unix socket with unread octets resets the connection
    /// (net/unix/af_unix.c unix_release_sock), and the client may then never read the refusal.
    /// </summary>
    private async Task DrainAsync(Socket client, CancellationToken abandon)
    {
        client.Shutdown(SocketShutdown.Send);
        using var bound = new CancellationTokenSource(TimeSpan.FromSeconds(2), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(bound.Token, abandon);
        var waste = new byte[16 * 1024];
        while (await client.ReceiveAsync(waste, SocketFlags.None, either.Token) > 0)
        {
        }
    }
}
