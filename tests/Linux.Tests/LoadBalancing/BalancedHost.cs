using System.Net;
using System.Net.Sockets;
using System.Text;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Linux.Namespaces;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Tests.LoadBalancing;

/// <summary>
/// Two hosts of a network 10.1.0.0/16, each a namespace with a bridge, and containers on them, each a namespace too. The first host is the
/// one that balances; the other sends what is for VIPs to it. Between them is VXLAN, as flannel makes it. On the first: "client", and the backends "one" and "two"; on the second:
/// "stranger", and the backend "three". Every backend serves TCP and UDP on <see cref="Port"/>: it says its name and whom it sees.
/// </summary>
public sealed class BalancedHost : IAsyncLifetime
{
    public const int Port = 8080;
    public static readonly NetworkFrame Frame = new("ffvips", IPv4Prefix.Parse("10.1.1.0/24"));
    private static readonly CommandRunner Outside = new(TimeProvider.System) { Timeout = TimeSpan.FromSeconds(60) };

    private readonly string _prefix = "fflb" + Guid.NewGuid().ToString("N")[..6] + "-";
    private readonly Dictionary<string, NetworkNamespace> _namespaces = [];
    private readonly List<IDisposable> _opened = [];
    private readonly List<Server> _servers = [];

    public NetworkNamespace Host => _namespaces["host"];
    public RouteNetlink Netlink { get; private set; } = null!;
    public CommandRunner Commands => CommandsIn("host");

    /// <summary>In a container, or "host", or "other".</summary>
    public CommandRunner CommandsIn(string place) => new(TimeProvider.System) { NetworkNamespace = _namespaces[place], Timeout = TimeSpan.FromSeconds(60) };

    public static IPAddress Address(string container) => IPAddress.Parse(container switch
    {
        "client" => "10.1.1.10",
        "one" => "10.1.1.11",
        "two" => "10.1.1.12",
        "stranger" => "10.1.2.10",
        "three" => "10.1.2.11",
        _ => throw new ArgumentException(container, nameof(container)),
    });

    public async ValueTask InitializeAsync()
    {
        string[] names = ["host", "other", "client", "one", "two", "stranger", "three"];
        try
        {
            await Outside.RunCheckedAsync("ip", ["-batch", "-"], string.Concat(names.Select(name => $"netns add {_prefix}{name}\n")), CancellationToken.None);
            foreach (var name in names) _namespaces[name] = NetworkNamespace.Open($"/run/netns/{_prefix}{name}");
            Netlink = await HostAsync("host", "other", "10.1.1.1", "192.0.2.1", ["client", "one", "two"]);
            var other = await HostAsync("other", null, "10.1.2.1", "192.0.2.2", ["stranger", "three"]);
            await RouteAsync(Netlink, "10.1.2.0/24", "192.0.2.2");
            await RouteAsync(other, "10.1.1.0/24", "192.0.2.1");
            await RouteAsync(other, "10.1.0.0/24", "192.0.2.1");   // the VIPs
            foreach (var name in (string[])["one", "two", "three"]) _servers.Add(new Server(name, _namespaces[name]));
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    private async Task<RouteNetlink> HostAsync(string name, string? other, string gateway, string underlay, IEnumerable<string> containers)
    {
        var netlink = await OpenAsync(name);
        if (other is not null)
            await netlink.AddLinkAsync(new VethConfig("eth0", "eth0") { PeerNamespace = _namespaces[other], Up = true }, CancellationToken.None);
        // 192.0.2.1 and .2 are the tunnel's ends, 198.51.100.1 and .2 the wire's.
        var (here, there) = underlay == "192.0.2.1" ? ("198.51.100.1", "198.51.100.2") : ("198.51.100.2", "198.51.100.1");
        await UpAsync(netlink, "eth0", here);
        await CommandsIn(name).RunCheckedAsync(
            "ip", ["link", "add", "fabric", "type", "vxlan", "id", "7", "local", here, "remote", there, "dstport", "8472", "dev", "eth0", "nolearning"], null, CancellationToken.None);
        await UpAsync(netlink, "fabric", underlay);
        var bridge = (await netlink.AddLinkAsync(new BridgeConfig("br0") { Up = true }, CancellationToken.None)).Index;
        await UpAsync(netlink, "br0", gateway);
        _namespaces[name].Run(() => Sysctl.Ensure("net/ipv4/ip_forward", "1"));
        // A busy machine may take longer between two datagrams than a flow is remembered (30 s).
        _namespaces[name].Run(() => Sysctl.Find("net/netfilter/nf_conntrack_udp_timeout") is not null && Sysctl.Ensure("net/netfilter/nf_conntrack_udp_timeout", "600"));
        foreach (var container in containers)
        {
            var port = await netlink.AddLinkAsync(new VethConfig(container, "eth0") { Master = bridge, PeerNamespace = _namespaces[container], Up = true }, CancellationToken.None);
            await netlink.SetHairpinAsync(port.Index, on: true, CancellationToken.None);
            var inside = await OpenAsync(container);
            await UpAsync(inside, "eth0", Address(container).ToString());
            await RouteAsync(inside, "0.0.0.0/0", gateway);
        }

        return netlink;
    }

    private async Task<RouteNetlink> OpenAsync(string name)
    {
        var netlink = RouteNetlink.OpenIn(_namespaces[name]);
        _opened.Add(netlink);
        await netlink.ChangeLinkAsync((await netlink.GetLinkAsync("lo", CancellationToken.None)).Index, new LinkChange { Up = true }, CancellationToken.None);
        return netlink;
    }

    private static async Task UpAsync(RouteNetlink netlink, string device, string address)
    {
        var link = await netlink.GetLinkAsync(device, CancellationToken.None);
        await netlink.EnsureAddressAsync(new InterfaceAddress(link.Index, IPAddress.Parse(address), 24), CancellationToken.None);
        if (!link.IsUp) await netlink.ChangeLinkAsync(link.Index, new LinkChange { Up = true }, CancellationToken.None);
    }

    private static Task RouteAsync(RouteNetlink netlink, string destination, string gateway) =>
        netlink.EnsureRouteAsync(new Route(IPv4Prefix.Parse(destination)) { Gateway = IPAddress.Parse(gateway) }, CancellationToken.None);

    /// <summary>What the balancing host's kernel holds, for the messages of failures.</summary>
    public async Task<string> DumpAsync() => (await Commands.RunAsync("sh", ["-c", """
        ip addr; ip route; cat /proc/net/ip_vs /proc/net/ip_vs_conn /proc/net/nf_conntrack; iptables-save; nft list ruleset
        """], null, CancellationToken.None)).Output;

    /// <summary>Made in the container's (or host's) namespace, and used from here.</summary>
    public Socket Open(string container, SocketType type) => Open(_namespaces[container], type);

    private static Socket Open(NetworkNamespace place, SocketType type) =>
        place.Run(() => new Socket(AddressFamily.InterNetwork, type, type == SocketType.Stream ? ProtocolType.Tcp : ProtocolType.Udp));

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers) await server.DisposeAsync();
        foreach (var netlink in _opened) netlink.Dispose();
        foreach (var place in _namespaces.Values) place.Dispose();
        foreach (var line in (await Outside.RunCheckedAsync("ip", ["netns", "list"], null, CancellationToken.None)).Split('\n'))
        {
            if (line.StartsWith(_prefix, StringComparison.Ordinal)) await Outside.RunAsync("ip", ["netns", "del", line.Split(' ')[0]], null, CancellationToken.None);
        }
    }

    /// <summary>Says "NAME ADDRESS-OF-CLIENT" to who connects, and again at each byte it gets; the same to each datagram.</summary>
    private sealed class Server : IAsyncDisposable
    {
        private readonly string _name;
        private readonly Socket _listener, _datagrams;
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _loops;

        public Server(string name, NetworkNamespace place)
        {
            _name = name;
            _listener = Open(place, SocketType.Stream);
            _listener.Bind(new IPEndPoint(IPAddress.Any, Port));
            _listener.Listen(128);
            _datagrams = Open(place, SocketType.Dgram);
            _datagrams.Bind(new IPEndPoint(IPAddress.Any, Port));
            _loops = Task.WhenAll(AcceptAsync(), AnswerAsync());
        }

        private byte[] Words(EndPoint? client) => Encoding.ASCII.GetBytes($"{_name} {((IPEndPoint)client!).Address}");

        private async Task AcceptAsync()
        {
            var open = new List<Task>();
            try
            {
                while (true) open.Add(ServeAsync(await _listener.AcceptAsync(_stop.Token)));
            }
            catch (OperationCanceledException)
            {
                await Task.WhenAll(open);
            }
        }

        private async Task ServeAsync(Socket connection)
        {
            using (connection)
            {
                try
                {
                    var words = Words(connection.RemoteEndPoint);
                    var buffer = new byte[1];
                    do await connection.SendAsync(words, _stop.Token);
                    while (await connection.ReceiveAsync(buffer, _stop.Token) > 0);
                }
                catch (Exception e) when (e is SocketException or OperationCanceledException)
                {
                    // The client, or the balancer, ended it.
                }
            }
        }

        private async Task AnswerAsync()
        {
            var buffer = new byte[64];
            while (true)
            {
                try
                {
                    var got = await _datagrams.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0), _stop.Token);
                    await _datagrams.SendToAsync(Words(got.RemoteEndPoint), got.RemoteEndPoint, _stop.Token);
                }
                catch (OperationCanceledException)
                {
                    return;
                }
                catch (SocketException)
                {
                    // "Port unreachable" of a client that has gone.
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _loops;
            _listener.Dispose();
            _datagrams.Dispose();
            _stop.Dispose();
        }
    }
}
