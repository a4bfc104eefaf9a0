using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using FlannelFlow.Linux.Namespaces;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Flanneld.Tests.Support;

/// <summary>
/// Hosts in namespaces, joined by a bridge in a namespace of its own, where an etcd stands too: 172.31.0.254, hosts 172.31.0.1 and on.
/// Ends with all that was begun in it; what a killed test run left is removed by the next one.
/// </summary>
public sealed class Lab : IAsyncDisposable
{
    public const string Prefix = "/ff/n1";
    private static int _labs;

    private readonly string _name = string.Create(CultureInfo.InvariantCulture, $"fft-fd{Environment.ProcessId}-{Interlocked.Increment(ref _labs)}-");
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("fft-flanneld-");
    private readonly List<LabHost> _hosts = [];

    private Lab() => Etcd = new EtcdProcess(_name + "br", "172.31.0.254", _directory.FullName);

    public EtcdProcess Etcd { get; }

    public IReadOnlyList<LabHost> Hosts => _hosts;

    public static async Task<Lab> StartAsync(int hosts, string? config)
    {
        await RemoveLeftoversAsync();
        var lab = new Lab();
        try
        {
            await lab.BuildAsync(hosts);
            await lab.Etcd.StartAsync();
            if (config is not null) await lab.Etcd.PutAsync(Prefix + "/config", config);
            return lab;
        }
        catch
        {
            await lab.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts) await host.DisposeAsync();
        await Etcd.DisposeAsync();
        foreach (var host in _hosts) await Command.IpAsync($"netns del {host.NamespaceName}");
        await Command.IpAsync($"netns del {_name}br");
        _directory.Delete(recursive: true);
    }

    /// <summary>Pulls a host's cable, or plugs it in.</summary>
    public async Task CableAsync(int host, bool plugged) =>
        await Command.RunAsync(_name + "br", "ip", "link", "set", $"v{host + 1}", plugged ? "up" : "down");

    private async Task BuildAsync(int hosts)
    {
        await MustAsync($"netns add {_name}br");
        await Command.RunAsync(_name + "br", "sh", "-c",
            "ip link add br0 type bridge && ip addr add 172.31.0.254/24 dev br0 && ip link set br0 up && ip link set lo up");
        for (var i = 1; i <= hosts; i++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"{_name}{i}");
            await MustAsync($"netns add {name}");
            await Command.RunAsync(_name + "br", "sh", "-c", $"ip link add v{i} type veth peer name eth0 netns {name} && ip link set v{i} master br0 up");
            await Command.RunAsync(name, "sh", "-c", $"ip link set lo up && ip addr add 172.31.0.{i}/24 dev eth0 && ip link set eth0 up");
            _hosts.Add(new LabHost(name, $"172.31.0.{i}", Path.Combine(_directory.FullName, $"h{i}"), Etcd));
        }
    }

    private static async Task MustAsync(string arguments)
    {
        if (!await Command.IpAsync(arguments)) throw new InvalidOperationException($"ip {arguments} failed");
    }

    private static async Task RemoveLeftoversAsync()
    {
        if (!Directory.Exists("/run/netns")) return;
        foreach (var name in Directory.GetFiles("/run/netns", "fft-fd*").Select(Path.GetFileName).OfType<string>())
        {
            var pid = name["fft-fd".Length..].Split('-')[0];
            if (!Directory.Exists("/proc/" + pid)) await Command.IpAsync($"netns del {name}");
        }
    }
}

/// <summary>One host of the lab, seen from inside its namespace.</summary>
public sealed class LabHost : IAsyncDisposable
{
    private readonly EtcdProcess _etcd;
    private readonly NetworkNamespace _namespace;
    private readonly List<AgentProcess> _agents = [];

    public LabHost(string namespaceName, string address, string directory, EtcdProcess etcd)
    {
        (NamespaceName, Address, _etcd) = (namespaceName, address, etcd);
        SubnetFile = Path.Combine(directory, "subnet.env");
        _namespace = NetworkNamespace.Open("/run/netns/" + namespaceName);
        Kernel = RouteNetlink.OpenIn(_namespace);
    }

    public string NamespaceName { get; }
    public string Address { get; }
    public string SubnetFile { get; }
    public RouteNetlink Kernel { get; }

    /// <summary>The agent started last.</summary>
    public AgentProcess Agent => _agents[^1];

    public NetworkNamespace Namespace => _namespace;

    public bool HasRunningAgent => _agents.Count > 0 && Agent.IsRunning;

    public AgentProcess Start(params string[] more) => StartWith(new Dictionary<string, string>(), more);

    public AgentProcess StartWith(IReadOnlyDictionary<string, string> environment, params string[] more)
    {
        _agents.Add(AgentProcess.Start(NamespaceName, environment, [.. Arguments, .. more]));
        return Agent;
    }

    public AgentProcess StartBinary(string binary)
    {
        _agents.Add(AgentProcess.StartBinary(NamespaceName, binary, [.. Arguments]));
        return Agent;
    }

    private string[] Arguments => ["-etcd-endpoints=" + _etcd.Endpoint, "-etcd-prefix=" + Lab.Prefix, "-subnet-file=" + SubnetFile, "-iptables-forward-rules=false", "-v=1"];

    /// <summary>The leased subnet by the subnet file: 10.1.2.0/25.</summary>
    public IPv4Prefix Subnet => IPv4Prefix.Parse(File.ReadLines(SubnetFile).First(l => l.StartsWith("FLANNEL_SUBNET=", StringComparison.Ordinal))["FLANNEL_SUBNET=".Length..]);

    public string LeaseKey => $"{Lab.Prefix}/subnets/{Subnet.Network}-{Subnet.Length}";

    public Task<string> RunAsync(string command) => Command.RunAsync(NamespaceName, "sh", "-c", command);

    /// <summary>All of the vxlan device, as text that tests compare.</summary>
    public async Task<string> DataPlaneAsync(string device = "flannel.6514")
    {
        if (await Kernel.FindLinkAsync(device, CancellationToken.None) is not { } link) return $"no {device}";
        var lines = new List<string> { $"{device} {link.Mac} mtu {link.Mtu} {(link.IsUp ? "up" : "down")}" };
        lines.AddRange((await Kernel.ListAddressesAsync(link.Index, default)).Select(a => $"addr {a.Address}/{a.PrefixLength}"));
        lines.AddRange((await Kernel.ListNeighboursAsync(link.Index, default)).Where(n => n.State == NeighbourState.Permanent)
            .Select(n => $"arp {n.Address} {n.Mac}").Order(StringComparer.Ordinal));
        lines.AddRange((await Kernel.ListForwardingEntriesAsync(link.Index, default)).Select(f => $"fdb {f.Mac} {f.Remote}").Order(StringComparer.Ordinal));
        lines.AddRange((await Kernel.ListRoutesAsync(new RouteFilter { InterfaceIndex = link.Index }, default))
            .Select(r => $"route {r.Destination} via {r.Gateway}{(r.OnLink ? " onlink" : "")}").Order(StringComparer.Ordinal));
        return string.Join('\n', lines);
    }

    public Task HasAsync(string text) => HoldsAsync($"'{text}'", plane => plane.Contains(text, StringComparison.Ordinal));

    public Task HasNotAsync(string text, int seconds = 12) => HoldsAsync($"no '{text}'", plane => !plane.Contains(text, StringComparison.Ordinal), seconds);

    /// <summary>Well below the 30 s of the timer: what is repaired within it was repaired by an event.</summary>
    public async Task HoldsAsync(string what, Func<string, bool> holds, int seconds = 12)
    {
        var plane = "";
        await Wait.UntilAsync($"{NamespaceName}: {what}", async () => holds(plane = await DataPlaneAsync()), TimeSpan.FromSeconds(seconds),
            () => plane + "\n" + Agent.Log);
    }

    public Socket NewSocket(SocketType type) => _namespace.Run(() => new Socket(AddressFamily.InterNetwork, type, ProtocolType.Unspecified));

    public async ValueTask DisposeAsync()
    {
        foreach (var agent in _agents) await agent.DisposeAsync();
        Kernel.Dispose();
        _namespace.Dispose();
    }
}

/// <summary>A TCP connection between two hosts through the flannel network: every message is answered.</summary>
public sealed class Flow : IAsyncDisposable
{
    private readonly Socket _listener, _client, _server;

    private Flow(Socket listener, Socket client, Socket server) => (_listener, _client, _server) = (listener, client, server);

    public static async Task<Flow> OpenAsync(LabHost from, LabHost to)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        var listener = to.NewSocket(SocketType.Stream);
        // The vxlan device's own address, the first of the subnet, is what every other host must reach.
        listener.Bind(new IPEndPoint(to.Subnet.Network, 0));
        listener.Listen();
        var client = from.NewSocket(SocketType.Stream);
        var accepting = listener.AcceptAsync(patience.Token);
        await client.ConnectAsync(listener.LocalEndPoint!, patience.Token);
        return new Flow(listener, client, await accepting);
    }

    /// <summary>Sends so many bytes there and back.</summary>
    /// <returns>How long it took.</returns>
    public async Task<TimeSpan> ExchangeAsync(int bytes)
    {
        var since = Stopwatch.StartNew();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await Task.WhenAll(MoveAsync(_client, _server, bytes, patience.Token), MoveAsync(_server, _client, bytes, patience.Token));
        return since.Elapsed;
    }

    private static async Task MoveAsync(Socket from, Socket to, int bytes, CancellationToken ct)
    {
        var sending = Task.Run(async () =>
        {
            var chunk = new byte[Math.Min(bytes, 65536)];
            for (var sent = 0; sent < bytes;) sent += await from.SendAsync(chunk.AsMemory(0, Math.Min(chunk.Length, bytes - sent)), ct);
        }, ct);
        var buffer = new byte[65536];
        for (var received = 0; received < bytes;)
        {
            var count = await to.ReceiveAsync(buffer, ct);
            received += count > 0 ? count : throw new InvalidOperationException("the connection ended");
        }
        await sending;
    }

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        _server.Dispose();
        _listener.Dispose();
        return ValueTask.CompletedTask;
    }
}
