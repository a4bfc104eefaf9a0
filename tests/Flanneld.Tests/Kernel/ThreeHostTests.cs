using System.Diagnostics;
using FlannelFlow.Flanneld.Tests.Support;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Flanneld.Tests.Kernel;

public sealed class ThreeHosts : IAsyncLifetime
{
    public Lab Lab { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Lab = await Lab.StartAsync(3, Support.Leases.Config);
        await ReadyAsync();
    }

    /// <summary>All three agents run and know each other and nobody else; one that a test ended is started again.</summary>
    public async Task ReadyAsync()
    {
        foreach (var host in Lab.Hosts)
            if (!host.HasRunningAgent) host.Start();
        foreach (var host in Lab.Hosts) await host.Agent.IsReadyAsync();
        foreach (var host in Lab.Hosts)
        {
            var routes = Lab.Hosts.Where(other => other != host).Select(other => $"route {other.Subnet} via {other.Subnet.Network} onlink").ToHashSet();
            await host.HoldsAsync("just the two other hosts", plane => LinesOf(plane, "route").SetEquals(routes) && LinesOf(plane, "fdb").Count == 2 && LinesOf(plane, "arp").Count == 2);
        }

        static HashSet<string> LinesOf(string plane, string kind) => [.. plane.Split('\n').Where(line => line.StartsWith(kind + " ", StringComparison.Ordinal))];
    }

    public ValueTask DisposeAsync() => Lab.DisposeAsync();
}

/// <summary>Three agents that lease, connect, die, come back and repair.</summary>
[Trait("Needs", "kernel"), Trait("Needs", "etcd")]
public sealed class ThreeHostTests(ThreeHosts three) : IClassFixture<ThreeHosts>, IAsyncLifetime
{
    private const string GhostMac = "02:00:00:00:00:99";

    private Lab Lab => three.Lab;

    private LabHost One => Lab.Hosts[0];

    private LabHost Two => Lab.Hosts[1];

    // Subnets of hosts that do not exist: below SubnetMin, where the agents lease none.
    private static string Foreign(int number) => $"10.1.{number / 2}.{number % 2 * 128}";

    private static string Key(int number) => $"{Lab.Prefix}/subnets/{Foreign(number)}-25";

    public async ValueTask InitializeAsync() => await three.ReadyAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Hosts_ReachEachOther_ByPingAndTcp()
    {
        Assert.Equal(3, Lab.Hosts.Select(h => h.Subnet).Distinct().Count());
        foreach (var from in Lab.Hosts)
            foreach (var to in Lab.Hosts.Where(h => h != from))
            {
                Assert.Contains(" 0% packet loss", await from.RunAsync($"busybox ping -c 1 -W 2 {to.Subnet.Network}"), StringComparison.Ordinal);
                // 1422 + 28 = 1450: fits the device exactly, and the underlay with it.
                Assert.Contains(" 0% packet loss", await from.RunAsync($"busybox ping -c 1 -W 2 -s 1422 {to.Subnet.Network}"), StringComparison.Ordinal);
                await using var flow = await Flow.OpenAsync(from, to);
                await flow.ExchangeAsync(2_000_000);
            }
    }

    [Fact]
    public async Task Killed9_TrafficGoesOn_ARestartKeepsSubnetMacAndRoutes_AndIsNoEventForOthers()
    {
        var (subnet, plane, revision) = (One.Subnet, await One.DataPlaneAsync(), await Lab.Etcd.ModRevisionAsync(One.LeaseKey));
        await using var flow = await Flow.OpenAsync(One, Two);
        using var events = RouteEventSocket.OpenIn(One.Namespace, RouteEventGroups.All);
        using var end = new CancellationTokenSource();
        var lost = CollectLossesAsync(events, end.Token);

        await One.Agent.KillAsync();
        for (var i = 0; i < 20; i++) await flow.ExchangeAsync(1000);
        Assert.Equal(plane, await One.DataPlaneAsync());
        One.Start();
        while (!One.Agent.Log.Contains(" info ready: ", StringComparison.Ordinal) && One.Agent.IsRunning)
            Assert.InRange(await flow.ExchangeAsync(1000), TimeSpan.Zero, TimeSpan.FromSeconds(1));
        await One.Agent.IsReadyAsync();

        Assert.Equal(subnet, One.Subnet);
        Assert.Equal(plane, await One.DataPlaneAsync());
        Assert.Equal(revision, await Lab.Etcd.ModRevisionAsync(One.LeaseKey));
        await end.CancelAsync();
        Assert.Empty(await lost);
    }

    [Fact]
    public async Task LeaseVanishedWhileDown_IsReachedUntilItsHostHadTimeToLeaseAgain()
    {
        await Lab.Etcd.PutAsync(Key(0), Support.Leases.Value("172.31.0.9", GhostMac));
        await One.HasAsync($"fdb {GhostMac} 172.31.0.9");
        await One.HasAsync($"route {Foreign(0)}/25 via {Foreign(0)} onlink");
        await One.Agent.KillAsync();
        await Lab.Etcd.DeleteAsync(Key(0));
        await Two.HasNotAsync(GhostMac);
        Assert.Contains($"arp {Foreign(0)} {GhostMac}", await One.DataPlaneAsync(), StringComparison.Ordinal);
        One.Start();
        await One.Agent.IsReadyAsync();
        var plane = await One.DataPlaneAsync();
        Assert.Contains($"arp {Foreign(0)} {GhostMac}", plane, StringComparison.Ordinal);
        Assert.Contains($"fdb {GhostMac} 172.31.0.9", plane, StringComparison.Ordinal);
        Assert.Contains($"route {Foreign(0)}/25", plane, StringComparison.Ordinal);
        await One.HasNotAsync(GhostMac, seconds: 60);
        await One.HasNotAsync($"route {Foreign(0)}/25");
    }

    [Fact]
    public async Task ChangedAttributes_AreApplied_AndTheOldForwardingEntryGoes()
    {
        await Lab.Etcd.PutAsync(Key(1), Support.Leases.Value("172.31.0.9", GhostMac));
        await One.HasAsync($"fdb {GhostMac} 172.31.0.9");
        await Lab.Etcd.PutAsync(Key(1), Support.Leases.Value("172.31.0.10", "02:00:00:00:00:98"));
        await One.HasAsync("fdb 02:00:00:00:00:98 172.31.0.10");
        await One.HasAsync($"arp {Foreign(1)} 02:00:00:00:00:98");
        await One.HasNotAsync(GhostMac);
        await Lab.Etcd.PutAsync(Key(1), Support.Leases.Value("172.31.0.11", "02:00:00:00:00:98"));
        await One.HasAsync("fdb 02:00:00:00:00:98 172.31.0.11");
        await One.HasNotAsync("172.31.0.10");
        await Lab.Etcd.DeleteAsync(Key(1));
        await One.HasNotAsync(Foreign(1));
    }

    [Theory]
    [InlineData("for m in $(bridge fdb show dev flannel.6514 | cut -d' ' -f1); do bridge fdb del $m dev flannel.6514; done")]
    [InlineData("for r in $(ip route show dev flannel.6514 | cut -d' ' -f1); do ip route del $r; done")]
    [InlineData("ip route flush dev flannel.6514; ip neigh flush nud permanent dev flannel.6514")]
    [InlineData("ip addr flush dev flannel.6514")]
    [InlineData("ip link set flannel.6514 mtu 1300")]
    [InlineData("ip link set flannel.6514 down")]
    [InlineData("ip link set flannel.6514 address 02:00:00:00:00:55")]
    [InlineData("ip link del flannel.6514")]
    [InlineData("bridge fdb append 02:00:00:00:00:54 dst 172.31.0.77 dev flannel.6514; ip route add 10.1.1.0/24 via 10.1.1.0 dev flannel.6514 onlink; ip neigh add 10.1.1.0 lladdr 02:00:00:00:00:54 dev flannel.6514")]
    public async Task ChangedByHand_IsRepaired_WithoutWaitingForTheTimer(string command)
    {
        var plane = await One.DataPlaneAsync();
        await One.RunAsync(command);
        await One.HoldsAsync("what was before", now => now == plane);
        await using var flow = await Flow.OpenAsync(Two, One);
        await flow.ExchangeAsync(1000);
    }

    [Fact]
    public async Task BadLeases_StopNoOther_AndAreTriedAgainAlone()
    {
        // The gateway of this lease's route is an address of this very device: the kernel refuses the route (EINVAL, fib_check_nh).
        await One.RunAsync($"ip route add local {Foreign(2)}/32 dev flannel.6514 table local");
        try
        {
            await Lab.Etcd.PutAsync(Key(2), Support.Leases.Value("172.31.0.12", "02:00:00:00:00:12"));
            await Lab.Etcd.PutAsync(Lab.Prefix + "/subnets/10.1.0.0-26", "{");
            await Lab.Etcd.PutAsync(Lab.Prefix + "/subnets/10.1.0.64-26", Support.Leases.Value("172.31.0.13", "02:00:00:00:00:13", backend: "udp"));
            await Lab.Etcd.PutAsync(Lab.Prefix + "/subnets/10.1.0.0-21", Support.Leases.Value("172.31.0.14", "02:00:00:00:00:14"));
            await One.Agent.HasLoggedAsync($"reaching {Foreign(2)}/25 via 02:00:00:00:00:12 at 172.31.0.12, again in 1 s: ");
            var since = Stopwatch.StartNew();
            await Lab.Etcd.PutAsync(Key(3), Support.Leases.Value("172.31.0.15", "02:00:00:00:00:15"));
            await One.HasAsync($"route {Foreign(3)}/25 via {Foreign(3)} onlink");
            Assert.InRange(since.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(5));
            await One.Agent.HasLoggedAsync("ignoring lease /ff/n1/subnets/10.1.0.0-26: ");
            await One.Agent.HasLoggedAsync("ignoring lease /ff/n1/subnets/10.1.0.64-26: its backend is 'udp', not vxlan");
            await One.Agent.HasLoggedAsync("ignoring lease /ff/n1/subnets/10.1.0.0-21: overlaps");
            await One.RunAsync($"ip route del local {Foreign(2)}/32 dev flannel.6514 table local");
            await One.HasAsync($"route {Foreign(2)}/25 via {Foreign(2)} onlink");
        }
        finally
        {
            await One.RunAsync($"ip route del local {Foreign(2)}/32 dev flannel.6514 table local 2>/dev/null || true");
            foreach (var key in new[] { Key(2), Key(3), Lab.Prefix + "/subnets/10.1.0.0-26", Lab.Prefix + "/subnets/10.1.0.64-26", Lab.Prefix + "/subnets/10.1.0.0-21" })
                await Lab.Etcd.DeleteAsync(key);
        }
        await One.HasNotAsync(Foreign(2));
    }

    [Fact]
    public async Task EtcdGone10Seconds_NothingChanges_ThenItGoesOn_AlsoAcrossACompactionNotSeen()
    {
        await Lab.Etcd.PutAsync(Key(0), Support.Leases.Value("172.31.0.9", GhostMac));
        await One.HasAsync(GhostMac);
        await Two.HasAsync(GhostMac);
        var planes = await Task.WhenAll(Lab.Hosts.Select(h => h.DataPlaneAsync()));
        await using var flow = await Flow.OpenAsync(Two, Lab.Hosts[2]);
        await Lab.Etcd.KillAsync();
        for (var since = Stopwatch.StartNew(); since.Elapsed < TimeSpan.FromSeconds(10);)
        {
            Assert.InRange(await flow.ExchangeAsync(100_000), TimeSpan.Zero, TimeSpan.FromSeconds(1));
            await Task.Delay(50);
        }
        Assert.Equal(planes, await Task.WhenAll(Lab.Hosts.Select(h => h.DataPlaneAsync())));
        Assert.All(Lab.Hosts, h => Assert.True(h.Agent.IsRunning));

        // Host one stays cut off, while a lease goes, another comes, and the history of both is thrown away.
        await Lab.CableAsync(0, plugged: false);
        await Lab.Etcd.StartAsync();
        await Lab.Etcd.DeleteAsync(Key(0));
        await Lab.Etcd.PutAsync(Key(1), Support.Leases.Value("172.31.0.10", "02:00:00:00:00:98"));
        await Lab.Etcd.CompactAsync();
        await Two.HasAsync("fdb 02:00:00:00:00:98 172.31.0.10");
        await Two.HasNotAsync(GhostMac);
        Assert.Contains(GhostMac, await One.DataPlaneAsync(), StringComparison.Ordinal);
        await Lab.CableAsync(0, plugged: true);
        await One.Agent.HasLoggedAsync("was compacted away");
        await One.HasAsync("fdb 02:00:00:00:00:98 172.31.0.10");
        await One.HasNotAsync(GhostMac);
        await Lab.Etcd.DeleteAsync(Key(1));
        await One.HasNotAsync(Foreign(1));
    }

    [Fact]
    public async Task LeaseDeleted_Exits3_AndTheNextOneHasTheSubnetAndMacAgain()
    {
        var (subnet, plane) = (One.Subnet, await One.DataPlaneAsync());
        await Lab.Etcd.DeleteAsync(One.LeaseKey);
        Assert.Equal(3, await One.Agent.ExitAsync());
        Assert.Contains($"lease {subnet} is gone", One.Agent.Log, StringComparison.Ordinal);
        Assert.Equal(plane, await One.DataPlaneAsync());
        await three.ReadyAsync();
        Assert.Equal(subnet, One.Subnet);
        Assert.Equal(plane, await One.DataPlaneAsync());
    }

    [Fact]
    public async Task LeaseTakenByAnother_Exits3_AndIsNotStolenBack()
    {
        var (key, subnet) = (One.LeaseKey, One.Subnet);
        var value = Support.Leases.Value("172.31.0.9", GhostMac);
        await Lab.Etcd.PutAsync(key, value);
        Assert.Equal(3, await One.Agent.ExitAsync());
        Assert.Contains("was overwritten by the host with the public address 172.31.0.9", One.Agent.Log, StringComparison.Ordinal);
        One.Start();
        await One.Agent.IsReadyAsync();
        Assert.NotEqual(subnet, One.Subnet);
        Assert.Equal(value, (await Lab.Etcd.ReadAsync(key))[key]);
        await One.HasAsync($"addr {One.Subnet.Network}/32");
        await One.HasAsync($"route {subnet} via {subnet.Network} onlink");
        await Lab.Etcd.DeleteAsync(key);
    }

    private static async Task<List<string>> CollectLossesAsync(RouteEventSocket events, CancellationToken ct)
    {
        var losses = new List<string>();
        try
        {
            await foreach (var change in events.ReadAsync(ct))
                if (change is LinkDeleted or NeighbourChanged { Deleted: true } or ForwardingEntryChanged { Deleted: true } or AddressChanged { Deleted: true } or RouteChanged { Deleted: true })
                    losses.Add(change.ToString());
        }
        catch (OperationCanceledException)
        {
            // The end of the observation.
        }
        return losses;
    }
}

/// <summary>Agents that start at once where subnets are scarce.</summary>
[Trait("Needs", "kernel"), Trait("Needs", "etcd")]
public sealed class RaceTests
{
    [Fact]
    public async Task FourAgentsAtOnce_ThreeSubnets_EachIsGivenOnce_AndOneIsRefusedInWords()
    {
        await using var lab = await Lab.StartAsync(4, """{"Network":"10.9.0.0/27","SubnetLen":29,"Backend":{"Type":"vxlan","VNI":99}}""");
        foreach (var host in lab.Hosts) host.Start();
        await Wait.UntilAsync("one is refused and three are ready", () => Task.FromResult(
            lab.Hosts.Count(h => !h.Agent.IsRunning) == 1 && lab.Hosts.Count(h => h.Agent.Log.Contains(" info ready: ", StringComparison.Ordinal)) == 3),
            Wait.Patience, () => string.Join('\n', lab.Hosts.Select(h => h.Agent.Log)));
        var refused = lab.Hosts.Single(h => !h.Agent.IsRunning);
        Assert.Equal(1, await refused.Agent.ExitAsync());
        Assert.Contains("all 3 subnets of length 29 are taken", refused.Agent.Log, StringComparison.Ordinal);
        var ready = lab.Hosts.Where(h => h != refused).ToList();
        Assert.Equal(["10.9.0.16/29", "10.9.0.24/29", "10.9.0.8/29"], ready.Select(h => h.Subnet.ToString()).Order(StringComparer.Ordinal));
        Assert.Equal(3, (await lab.Etcd.ReadAsync(Lab.Prefix + "/subnets/")).Count);
    }
}
