using System.Net;
using System.Net.Sockets;
using ARSoft.Tools.Net.Dns;
using FlannelFlow.Dns.Names;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Dns.Upstreams;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace FlannelFlow.Dns.Tests.Serving;

/// <summary>A server on 127.0.0.1, ports of the kernel's choice, and clients of it.</summary>
internal sealed class Loopback : IAsyncDisposable, ISandboxSockets
{
    private readonly SandboxServer _server;
    private readonly IPEndPoint _udp, _tcp;

    public Loopback(NameSnapshot names, params IPEndPoint[] upstreams)
    {
        var model = new SandboxModel(["n"], [.. upstreams.Select(server => new UpstreamModel(server, UpstreamSide.Sandbox))], NdotsSet: false);
        var udp = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        udp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var tcp = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        tcp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        tcp.Listen();
        _udp = (IPEndPoint)udp.LocalEndPoint!;
        _tcp = (IPEndPoint)tcp.LocalEndPoint!;
        Forwarder = new Forwarder(this, Time);
        _server = new SandboxServer(
            new ServerSockets(udp, tcp), Wire.Responder(names, model, MatchMode.FirstNetwork), Forwarder, Time, () => new Random(1), NullLogger.Instance);
    }

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Stands still unless a test moves it: a slow machine lets no upstream be given up.</summary>
    public FakeTimeProvider Time { get; } = new();

    public SandboxServer Server => _server;

    public Forwarder Forwarder { get; }

    public IPEndPoint Udp => _udp;

    Socket ISandboxSockets.Open(UpstreamSide side, AddressFamily family, SocketType type) =>
        new(family, type, type == SocketType.Dgram ? ProtocolType.Udp : ProtocolType.Tcp);

    public Socket Client()
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        client.Connect(_udp);
        return client;
    }

    public async Task<DnsMessage> AskUdpAsync(byte[] query)
    {
        using var client = Client();
        return DnsMessage.Parse(await AskAsync(client, query));
    }

    public static async Task<byte[]> AskAsync(Socket client, byte[] query)
    {
        await client.SendAsync(query, SocketFlags.None, Ct);
        var buffer = new byte[65_535];
        return buffer[..await client.ReceiveAsync(buffer, SocketFlags.None, Ct)];
    }

    public async Task<Socket> ConnectAsync()
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(_tcp, Ct);
        return client;
    }

    public static async Task<DnsMessage> AskTcpAsync(Socket client, byte[] query)
    {
        await client.SendAllAsync(Framed(query), Ct);
        var length = new byte[2];
        Assert.True(await client.TryReceiveAllAsync(length, Ct));
        var answer = new byte[length[0] << 8 | length[1]];
        Assert.True(await client.TryReceiveAllAsync(answer, Ct));
        return DnsMessage.Parse(answer);
    }

    public static byte[] Framed(byte[] query) => [(byte)(query.Length >> 8), (byte)query.Length, .. query];

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}

/// <summary>A server that answers as a test says, on UDP and TCP of one port.</summary>
internal sealed class FakeUpstream : IAsyncDisposable
{
    private readonly UdpClient _udp;
    private readonly TcpListener _tcp;
    private readonly Func<byte[], byte[]?> _answer;
    private readonly Task _serving;
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _asked;

    /// <param name="answer">Null: silence.</param>
    public FakeUpstream(Func<byte[], byte[]?> answer)
    {
        _answer = answer;
        (_udp, _tcp) = OpenPair();
        _serving = Task.WhenAll(ServeUdpAsync(), ServeTcpAsync());
    }

    public IPEndPoint Server => (IPEndPoint)_udp.Client.LocalEndPoint!;

    public int Asked => Volatile.Read(ref _asked);

    /// <summary>Completes when the first query has come.</summary>
    public Task FirstAsked => _first.Task;

    /// <summary>The query turned into an answer with a code, and with one A record where the code is NOERROR.</summary>
    public static byte[] Answer(byte[] query, int code, byte last = 1)
    {
        byte[] answer = [.. query[..2], 0x81, (byte)(0x80 | code), 0, 1, 0, (byte)(code == 0 ? 1 : 0), 0, 0, 0, 0];
        var end = 12;
        while (query[end] != 0) end += query[end] + 1;
        answer = [.. answer, .. query[12..(end + 5)]];
        return code == 0 ? [.. answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, last] : answer;
    }

    public async ValueTask DisposeAsync()
    {
        _udp.Dispose();
        _tcp.Dispose();
        await _serving;
    }

    /// <summary>The kernel's choice of a UDP port may be somebody's TCP port.</summary>
    private static (UdpClient Udp, TcpListener Tcp) OpenPair()
    {
        while (true)
        {
            var udp = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
            var tcp = new TcpListener((IPEndPoint)udp.Client.LocalEndPoint!);
            try
            {
                tcp.Start();
                return (udp, tcp);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                udp.Dispose();
            }
        }
    }

    private void Count()
    {
        Interlocked.Increment(ref _asked);
        _first.TrySetResult();
    }

    private async Task ServeUdpAsync()
    {
        try
        {
            while (true)
            {
                var query = await _udp.ReceiveAsync(CancellationToken.None);
                Count();
                if (_answer(query.Buffer) is { } answer) await _udp.SendAsync(answer, query.RemoteEndPoint, CancellationToken.None);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeTcpAsync()
    {
        var clients = new List<Socket>();
        try
        {
            while (true)
            {
                var client = await _tcp.AcceptSocketAsync(CancellationToken.None);
                var length = new byte[2];
                clients.Add(client);
                if (!await client.TryReceiveAllAsync(length, CancellationToken.None)) continue;
                var query = new byte[length[0] << 8 | length[1]];
                if (!await client.TryReceiveAllAsync(query, CancellationToken.None)) continue;
                Count();
                if (_answer(query) is { } answer) await client.SendAllAsync(Loopback.Framed(answer), CancellationToken.None);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            clients.ForEach(client => client.Dispose());
        }
    }
}
