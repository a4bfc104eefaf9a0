using System.Net.Sockets;
using System.Text;
using FlannelFlow.Bridge.Http;

namespace FlannelFlow.Bridge.Tests;

/// <summary>A bridge in this process, on sockets in a folder of its own.</summary>
internal sealed class RunningBridge : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("fft-bridge-");
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _run;

    private RunningBridge(Func<BridgeOptions, BridgeOptions> configure, TaskCompletionSource listening)
    {
        Options = configure(new BridgeOptions { ListenSocket = Path.Join(_folder.FullName, "bridge.sock"), DaemonSocket = Path.Join(_folder.FullName, "daemon.sock") });
        Log = new MemoryStream();
        _run = new BridgeServer(Options, "test", TimeProvider.System, new BridgeLog(Stream.Synchronized(Log))).RunAsync(listening.SetResult, _stop.Token);
    }

    public BridgeOptions Options { get; }

    public MemoryStream Log { get; }

    public string LogText => Encoding.UTF8.GetString(Log.ToArray());

    public static async Task<RunningBridge> StartAsync(Func<BridgeOptions, BridgeOptions>? configure = null)
    {
        var listening = new TaskCompletionSource();
        var bridge = new RunningBridge(configure ?? (options => options), listening);
        await listening.Task.WaitAsync(TestBound.Token());
        return bridge;
    }

    public FakeDaemon StartDaemon() => new(Options.DaemonSocket);

    public async Task<RawClient> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Options.ListenSocket));
        return new RawClient(socket);
    }

    /// <summary>SIGTERM, as Program passes it on.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _run.WaitAsync(TestBound.Token());
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _folder.Delete(recursive: true);
    }
}

/// <summary>dockerd's side of a connection, octet by octet.</summary>
internal sealed class RawClient(Socket socket) : IDisposable
{
    private readonly HttpReader _reader = new(new NetworkStream(socket), 64 * 1024 * 1024);

    public async Task SendAsync(string raw) => await socket.SendAsync(Encoding.Latin1.GetBytes(raw), SocketFlags.None);

    /// <summary>A call as Engine 20.10 sends it: empty Host, no Content-Type.</summary>
    public Task PostAsync(string method, string body) => SendAsync(
        $"POST /{method} HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: {body.Length}\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n\r\n{body}");

    public async Task<HttpResponse> ReadAsync() => await _reader.ReadResponseAsync(TestBound.Token());

    /// <summary>Everything up to the end of the connection, as sent.</summary>
    public async Task<string> ReadToEndAsync()
    {
        var all = new MemoryStream();
        await new NetworkStream(socket).CopyToAsync(all, TestBound.Token());
        return Encoding.Latin1.GetString(all.ToArray());
    }

    /// <summary>Exactly <paramref name="count"/> octets, as sent.</summary>
    public async Task<string> ReadRawAsync(int count)
    {
        var octets = new byte[count];
        await new NetworkStream(socket).ReadExactlyAsync(octets, TestBound.Token());
        return Encoding.Latin1.GetString(octets);
    }

    public void Dispose() => socket.Dispose();
}

internal static class ResponseText
{
    public static string Text(this HttpResponse response) => Encoding.UTF8.GetString(response.Body.Span);
}
