using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using FlannelFlow.Bridge.Http;

namespace FlannelFlow.Bridge.Tests;

/// <summary>What a fake daemon received, and the means to answer it: nothing is answered by itself.</summary>
internal sealed record ReceivedCall(HttpRequest Request, Socket Connection)
{
    public string Id => Request.Headers.Single(header => header.Name == DaemonLink.RequestIdHeader).Value;

    public string Body => Encoding.Latin1.GetString(Request.Body.Span);

    public async Task SendAsync(string raw) => await Connection.SendAsync(Encoding.Latin1.GetBytes(raw), SocketFlags.None);

    public Task AnswerAsync(string body, int status = 200) =>
        SendAsync($"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nContent-Length: {Encoding.Latin1.GetByteCount(body)}\r\n\r\n{body}");

    /// <summary>As a killed daemon does: the connection ends, whatever was sent of the answer.</summary>
    public void Break() => Connection.Dispose();
}

/// <summary>A daemon on a unix socket whose calls the test takes one by one.</summary>
internal sealed class FakeDaemon : IAsyncDisposable
{
    private readonly Channel<ReceivedCall> _calls = Channel.CreateUnbounded<ReceivedCall>();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Socket> _connections = [];
    private readonly string _path;
    private readonly Task _accepting;

    public FakeDaemon(string path)
    {
        _path = path;
        File.Delete(path);
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen(64);
        _accepting = AcceptAsync();
    }

    public int Connections { get { lock (_connections) return _connections.Count; } }

    public async Task<ReceivedCall> NextAsync() => await _calls.Reader.ReadAsync(TestBound.Token());

    public bool IsIdle => _calls.Reader.Count == 0;

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var connection = await _listener.AcceptAsync(_stop.Token);
                lock (_connections)
                    _connections.Add(connection);
                _ = ReadAsync(connection);
            }
        }
        catch (Exception fault) when (fault is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ReadAsync(Socket connection)
    {
        var reader = new HttpReader(new NetworkStream(connection), 64 * 1024 * 1024);
        try
        {
            while (await reader.BeginsAsync(_stop.Token))
                _calls.Writer.TryWrite(new ReceivedCall(await reader.ReadRequestAsync(_stop.Token), connection));
        }
        catch (Exception fault) when (fault is OperationCanceledException or IOException or ObjectDisposedException)
        {
        }
    }

    /// <summary>Gone as after kill -9: connections break, nobody listens, the socket's file stays.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        // .NET unlinks the file of a bound unix socket on dispose; a killed daemon's stays, and refuses connections.
        var kept = _path + ".kept";
        if (File.Exists(_path))
            File.Move(_path, kept);
        _listener.Dispose();
        if (File.Exists(kept))
            File.Move(kept, _path, overwrite: true);
        await _accepting;
        lock (_connections)
            _connections.ForEach(connection => connection.Dispose());
    }
}

/// <summary>No test waits longer than this on anything: it then fails instead of hanging.</summary>
internal static class TestBound
{
    public static CancellationToken Token() => new CancellationTokenSource(TimeSpan.FromSeconds(20)).Token;
}
