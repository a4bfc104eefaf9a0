using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace FlannelFlow.Traffic;

/// <summary>
/// HTTP/1.1: <c>GET /</c> answers with the host's name at once, <c>GET /SECONDS</c> with a body that takes so long. Stopped, it finishes what it is
/// at, closes idle connections, and ends; whoever connects meanwhile is written down and turned away.
/// </summary>
internal sealed class Server(int port, string? lateFile)
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(100);
    private readonly HashSet<Task> _connections = [];

    public async Task RunAsync(CancellationToken stop)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Bind(new IPEndPoint(IPAddress.Any, port));
        listener.Listen(512);
        using var end = new CancellationTokenSource();
        var accepting = AcceptAsync(listener, stop, end.Token);
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);

        // As long as anything is being answered, and a moment for those who were told of this server just before.
        await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System, CancellationToken.None);
        Task[] left;
        lock (_connections) left = [.. _connections];
        await Task.WhenAll(left);
        await end.CancelAsync();
        await accepting;
    }

    private async Task AcceptAsync(Socket listener, CancellationToken stop, CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            Socket client;
            try
            {
                client = await listener.AcceptAsync(end);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException)
            {
                continue;
            }

            if (stop.IsCancellationRequested)
            {
                Late(client);
                client.Dispose();
                continue;
            }

            var connection = ServeAsync(client, stop);
            lock (_connections) _connections.Add(connection);
            _ = ForgetAsync(connection);
        }
    }

    private void Late(Socket client)
    {
        if (lateFile is not null)
            File.AppendAllText(lateFile, string.Create(CultureInfo.InvariantCulture, $"{TimeProvider.System.GetUtcNow():O} {Environment.MachineName} {client.RemoteEndPoint}\n"));
    }

    private async Task ForgetAsync(Task connection)
    {
        await connection;
        lock (_connections) _connections.Remove(connection);
    }

    private static async Task ServeAsync(Socket client, CancellationToken stop)
    {
        await Task.Yield();
        using (client)
        {
            try
            {
                var buffer = new byte[4096];
                while (true)
                {
                    // Idle, it ends with the server; a request that has come is answered.
                    var read = await client.ReceiveAsync(buffer, stop);
                    if (read == 0) return;
                    var target = Encoding.ASCII.GetString(buffer, 0, read).Split(' ')[1];
                    await AnswerAsync(client, int.TryParse(target[1..], CultureInfo.InvariantCulture, out var seconds) ? seconds : 0, stop);
                    if (!stop.IsCancellationRequested) continue;
                    client.Shutdown(SocketShutdown.Send);
                    return;
                }
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or IndexOutOfRangeException)
            {
                // The client has gone, or the server ends while nothing is asked.
            }
        }
    }

    private static async Task AnswerAsync(Socket client, int seconds, CancellationToken stop)
    {
        var body = Encoding.ASCII.GetBytes(Environment.MachineName);
        var ticks = (int)(TimeSpan.FromSeconds(seconds) / Tick);
        var close = stop.IsCancellationRequested ? "Connection: close\r\n" : "";
        await client.SendAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\n{close}Content-Length: {body.Length + ticks}\r\n\r\n"), CancellationToken.None);
        for (var i = 0; i < ticks; i++)
        {
            await client.SendAsync("."u8.ToArray(), CancellationToken.None);
            await Task.Delay(Tick, TimeProvider.System, CancellationToken.None);
        }

        await client.SendAsync(body, CancellationToken.None);
    }
}
