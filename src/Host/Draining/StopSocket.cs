using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace FlannelFlow.Host.Draining;

/// <summary>Where the runtime wrapper (flannelflow-runc) tells that a container is about to get its stop signal, and waits for the answer.</summary>
/// <remarks>One line, <c>stopping CONTAINER SIGNAL\n</c>, and one octet back; what is no such line is answered at once.</remarks>
public sealed class StopSocket(DrainTrigger trigger, FlannelFlowOptions options, TimeProvider time, ILogger<StopSocket> logger) : BackgroundService
{
    private const int LongestLine = 256;
    private static readonly TimeSpan ReadTimeout = TimeSpan.FromSeconds(2);
    private readonly HashSet<Task> _connections = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        // Left by a daemon that was killed; the journal's lock says that none runs.
        File.Delete(options.StopSocket);
        listener.Bind(new UnixDomainSocketEndPoint(options.StopSocket));
        File.SetUnixFileMode(options.StopSocket, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        listener.Listen(512);
        try
        {
            while (true)
            {
                var connection = await AcceptAsync(listener, stoppingToken);
                var serving = ServeAsync(connection, stoppingToken);
                lock (_connections) _connections.Add(serving);
                _ = ForgetAsync(serving);
            }
        }
        finally
        {
            // From here on nobody waits for an answer: the wrapper goes on at once where there is no socket.
            File.Delete(options.StopSocket);
            Task[] left;
            lock (_connections) left = [.. _connections];
            await Task.WhenAll(left);
        }
    }

    private async Task<Socket> AcceptAsync(Socket listener, CancellationToken ct)
    {
        while (true)
        {
            try
            {
                return await listener.AcceptAsync(ct);
            }
            catch (SocketException e)
            {
                logger.LogWarning("accepting on {Socket}: {Reason}", options.StopSocket, e.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(100), time, ct);
            }
        }
    }

    private async Task ForgetAsync(Task serving)
    {
        await serving;
        lock (_connections) _connections.Remove(serving);
    }

    /// <summary>Never throws: closing the connection is an answer, too.</summary>
    private async Task ServeAsync(Socket connection, CancellationToken stop)
    {
        await Task.Yield();
        using (connection)
        {
            try
            {
                if (await ReadLineAsync(connection, stop) is { } line && Parse(line) is { } container)
                    await trigger.StoppingAsync(container, stop);
                await connection.SendAsync("k"u8.ToArray(), stop);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // The wrapper has gone on, or the daemon stops.
            }
        }
    }

    private async Task<string?> ReadLineAsync(Socket connection, CancellationToken stop)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(stop);
        using var timer = time.CreateTimer(_ => bound.Cancel(), state: null, ReadTimeout, Timeout.InfiniteTimeSpan);
        var buffer = new byte[LongestLine];
        var length = 0;
        while (length < buffer.Length)
        {
            var read = await connection.ReceiveAsync(buffer.AsMemory(length), bound.Token);
            if (read == 0)
                return null;
            length += read;
            if (buffer.AsSpan(0, length).IndexOf((byte)'\n') is >= 0 and var end)
                return Encoding.UTF8.GetString(buffer, 0, end);
        }
        return null;
    }

    /// <summary>The container of <c>stopping CONTAINER SIGNAL</c>; null for anything else.</summary>
    internal static string? Parse(string line) =>
        line.Split(' ') is ["stopping", { Length: > 0 } container, var signal]
        && container.All(char.IsAsciiLetterOrDigit)
        && int.TryParse(signal, NumberStyles.None, CultureInfo.InvariantCulture, out _)
            ? container
            : null;
}
