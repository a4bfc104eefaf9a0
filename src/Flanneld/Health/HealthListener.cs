using System.Net;
using System.Net.Sockets;
using System.Text;
using FlannelFlow.Flanneld.CommandLine;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Flanneld.Health;

/// <summary>
/// GET /healthz: 200 as long as the process runs. GET /readyz: 200 after readiness, before that 503. A few lines over a socket: an HTTP
/// server would be half of this program's size.
/// </summary>
internal sealed class HealthListener : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private readonly TcpListener _listener;
    private readonly Func<bool> _isReady;
    private readonly TimeProvider _time;
    private readonly ILogger _log;

    private HealthListener(TcpListener listener, Func<bool> isReady, TimeProvider time, ILogger log)
    {
        (_listener, _isReady, _time, _log) = (listener, isReady, time, log);
    }

    /// <exception cref="FlanneldException">The address cannot be listened at.</exception>
    public static HealthListener Open(IPEndPoint at, Func<bool> isReady, TimeProvider time, ILogger log)
    {
        var listener = new TcpListener(at);
        try
        {
            listener.Start();
        }
        catch (SocketException e)
        {
            listener.Dispose();
            throw new FlanneldException(ExitCodes.Failed, $"listening for health checks at {at}: {e.Message}");
        }
        return new HealthListener(listener, isReady, time, log);
    }

    public async Task RunAsync(CancellationToken ct)
    {
        while (true)
        {
            using var client = await _listener.AcceptSocketAsync(ct);
            using var patience = new CancellationTokenSource(Patience, _time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(ct, patience.Token);
            try
            {
                var buffer = new byte[1024];
                var length = await client.ReceiveAsync(buffer, both.Token);
                var answer = Answer(Encoding.ASCII.GetString(buffer, 0, length), _isReady());
                await client.SendAsync(Encoding.ASCII.GetBytes(answer), both.Token);
                client.Shutdown(SocketShutdown.Both);
            }
            catch (Exception e) when (e is SocketException || (e is OperationCanceledException && !ct.IsCancellationRequested))
            {
                _log.LogDebug("answering a health check: {Reason}", e.Message);
            }
        }
    }

    public static string Answer(string request, bool isReady)
    {
        var target = request.Split(' ', 3) is ["GET" or "HEAD", var path, _] ? path.Split('?')[0] : null;
        var (status, body) = target switch
        {
            null => ("400 Bad Request", "bad request"),
            "/healthz" => ("200 OK", "ok"),
            "/readyz" when isReady => ("200 OK", "ok"),
            "/readyz" => ("503 Service Unavailable", "not ready"),
            _ => ("404 Not Found", "not found"),
        };
        return $"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}";
    }

    public void Dispose() => _listener.Dispose();
}
