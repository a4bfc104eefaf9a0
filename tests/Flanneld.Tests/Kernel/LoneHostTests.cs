using System.Net.Sockets;
using System.Text;
using FlannelFlow.Flanneld.Tests.Support;

namespace FlannelFlow.Flanneld.Tests.Kernel;

/// <summary>One host and an etcd without a config: starting, refusing, ending.</summary>
[Trait("Needs", "kernel"), Trait("Needs", "etcd")]
public sealed class LoneHostTests : IAsyncLifetime
{
    private const string Config = Support.Leases.Config;
    private Lab _lab = null!;

    private LabHost Host => _lab.Hosts[0];

    public async ValueTask InitializeAsync() => _lab = await Lab.StartAsync(1, config: null);

    public ValueTask DisposeAsync() => _lab.DisposeAsync();

    [Fact]
    public async Task Start_WithoutConfig_Waits_ThenReadyAfterTheSubnetFile()
    {
        var socketName = Host.SubnetFile + ".notify";
        Directory.CreateDirectory(Path.GetDirectoryName(socketName)!);
        using var notifications = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        notifications.Bind(new UnixDomainSocketEndPoint(socketName));
        var agent = Host.StartWith(new Dictionary<string, string> { ["NOTIFY_SOCKET"] = socketName }, "-healthz-ip=127.0.0.1", "-healthz-port=9099");
        await agent.HasLoggedAsync($"waiting for the network's config, asking every 1 s: {Lab.Prefix}/config does not exist");
        Assert.False(File.Exists(Host.SubnetFile));
        Assert.Contains("503", await HealthAsync(), StringComparison.Ordinal);

        await _lab.Etcd.PutAsync(Lab.Prefix + "/config", Config);
        var states = new List<string>();
        using var patience = new CancellationTokenSource(Wait.Patience);
        var buffer = new byte[4096];
        while (!states.Exists(s => s.Contains("READY=1", StringComparison.Ordinal)))
            states.Add(Encoding.UTF8.GetString(buffer, 0, await notifications.ReceiveAsync(buffer, patience.Token)));
        Assert.Contains($"STATUS=waiting for {Lab.Prefix}/config", states);
        var subnet = Host.Subnet;
        Assert.Equal($"FLANNEL_NETWORK=10.1.0.0/20\nFLANNEL_SUBNET={Support.Leases.Subnet(subnet.ToString()).FirstUsable}/25\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n",
            await File.ReadAllTextAsync(Host.SubnetFile));
        Assert.Contains("200", await HealthAsync(), StringComparison.Ordinal);

        // The lease says what the device is, in flannel's own form, and hangs on an etcd lease.
        var lease = (await _lab.Etcd.ReadAsync(Lab.Prefix + "/subnets/"))[Host.LeaseKey];
        var mac = (await Host.Kernel.GetLinkAsync("flannel.6514", default)).Mac;
        Assert.Equal($$$"""{"PublicIP":"172.31.0.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":6514,"VtepMAC":"{{{mac}}}"}}""", lease);
        Assert.NotEqual(0, await _lab.Etcd.LeaseAsync(Host.LeaseKey));
        Assert.Equal($"flannel.6514 {mac} mtu 1450 up\naddr {subnet.Network}/32", await Host.DataPlaneAsync());
        Assert.Equal("0", (await Host.RunAsync("cat /proc/sys/net/ipv6/conf/flannel.6514/accept_ra")).Trim());

        // A second one with the same subnet file must not start; the first is not disturbed.
        var second = Host.Start();
        Assert.Equal(4, await second.ExitAsync());
        Assert.Contains($"another flanneld runs with the subnet file {Host.SubnetFile}", second.Log, StringComparison.Ordinal);
        Assert.True(agent.IsRunning);

        // SIGTERM: 0, and everything stays.
        var plane = await Host.DataPlaneAsync();
        agent.Terminate();
        Assert.Equal(0, await agent.ExitAsync());
        Assert.Equal(plane, await Host.DataPlaneAsync());
        Assert.Equal(lease, (await _lab.Etcd.ReadAsync(Lab.Prefix + "/subnets/"))[Host.LeaseKey]);
    }

    [Fact]
    public async Task Start_BadCommandLine_SaysAllAndExits2()
    {
        var agent = Host.Start("-nonsense", "-ip-masq", "-subnet-lease-renew-margin=0");
        Assert.Equal(2, await agent.ExitAsync());
        Assert.Contains("unknown flag -nonsense", agent.Log, StringComparison.Ordinal);
        Assert.Contains("masquerading is the FlannelFlow daemon's", agent.Log, StringComparison.Ordinal);
        Assert.Contains("-subnet-lease-renew-margin=0: is not a number from 1 to 1439", agent.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WrongInterface_OrVniInUse_OrRefusedConfig_SaysSoAndExits1()
    {
        await Host.RunAsync("ip link add vx9 type vxlan id 6514 dstport 8472 dev eth0");
        var wrong = Host.Start("-iface=eth7");
        Assert.Equal(1, await wrong.ExitAsync());
        Assert.Contains("no interface named eth7; present: lo, eth0", wrong.Log, StringComparison.Ordinal);

        await _lab.Etcd.PutAsync(Lab.Prefix + "/config", Config);
        var busy = Host.Start("-iface-can-reach=172.31.0.254");
        Assert.Equal(1, await busy.ExitAsync());
        Assert.Contains("VNI 6514 is in use by device vx9 (UDP port 8472)", busy.Log, StringComparison.Ordinal);
        Assert.Empty(await _lab.Etcd.ReadAsync(Lab.Prefix + "/subnets/"));

        await _lab.Etcd.PutAsync(Lab.Prefix + "/config", Config.Replace("vxlan", "host-gw", StringComparison.Ordinal));
        var refused = Host.Start("-iface-regex=^eth");
        Assert.Equal(1, await refused.ExitAsync());
        Assert.Contains("backend type 'host-gw' is not supported: this agent speaks vxlan only", refused.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Device_Compatible_IsKeptWithItsMac_Incompatible_IsReplaced_WithTheMacOfTheLease()
    {
        await _lab.Etcd.PutAsync(Lab.Prefix + "/config", Config);
        await Host.RunAsync("ip link add flannel.6514 address 02:00:00:00:00:77 mtu 1400 type vxlan id 6514 dstport 8472 dev eth0 local 172.31.0.1 nolearning"
            + " && ip addr add 10.1.9.9/32 dev flannel.6514");
        var agent = Host.Start();
        await agent.IsReadyAsync();
        Assert.Equal($"flannel.6514 02:00:00:00:00:77 mtu 1450 up\naddr {Host.Subnet.Network}/32", await Host.DataPlaneAsync());
        await agent.KillAsync();

        await Host.RunAsync("ip link del flannel.6514 && ip link add flannel.6514 type vxlan id 6515 dstport 8472 dev eth0 local 172.31.0.1");
        var subnet = Host.Subnet;
        agent = Host.Start();
        await agent.IsReadyAsync();
        Assert.Equal($"flannel.6514 02:00:00:00:00:77 mtu 1450 up\naddr {subnet.Network}/32", await Host.DataPlaneAsync());
    }

    [Fact]
    public async Task PublishedBinary_Works()
    {
        var binary = FindPublished();
        await _lab.Etcd.PutAsync(Lab.Prefix + "/config", Config);
        await _lab.Etcd.PutAsync(Lab.Prefix + "/subnets/10.1.4.0-25", Support.Leases.Value("172.31.0.9", "02:00:00:00:00:09"));
        var agent = Host.StartBinary(binary);
        await agent.IsReadyAsync();
        await Host.HasAsync("route 10.1.4.0/25 via 10.1.4.0 onlink");
        await _lab.Etcd.DeleteAsync(Lab.Prefix + "/subnets/10.1.4.0-25");
        await Host.HasNotAsync("10.1.4.0");
        agent.Terminate();
        Assert.Equal(0, await agent.ExitAsync());
    }

    private static string FindPublished()
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
            if (Path.Combine(directory.FullName, "artifacts", "flannelflow", "flanneld") is var path && File.Exists(path)) return path;
        throw new InvalidOperationException("flanneld is not published: run build/publish.sh (./test does)");
    }

    private Task<string> HealthAsync() => Host.RunAsync("printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 5 127.0.0.1 9099");
}
