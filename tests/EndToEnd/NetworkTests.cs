using System.Globalization;
using System.Text.Json.Nodes;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>A network across three hosts, from docker network create to packets, and back to nothing.</summary>
[Collection(ThreeHostsCollection.Name)]
[Trait("Needs", "docker")]
public sealed class NetworkTests(ThreeHosts lab) : IAsyncLifetime
{
    private const int FabricMtu = 1450;

    public async ValueTask InitializeAsync() => await lab.ClearAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Network_WithoutOptions_ThreeHostsReachEachOther_AndNothingIsLeftAfterwards()
    {
        var before = await lab.SnapshotAsync();
        Assert.Equal("", before.Etcd);
        await lab.CreateNetworkAsync("net1");
        var containers = await Task.WhenAll(lab.Hosts.Select(host => host.StartAsync($"c{host.Number}", "net1")));
        var addresses = await Task.WhenAll(containers.Select(container => container.AddressAsync()));
        Assert.Equal(3, addresses.Distinct().Count());

        foreach (var from in containers)
        {
            foreach (var address in addresses)
                Assert.True(await from.ReachesAsync(address), $"{from.Name} does not reach {address}");
        }

        // Docker's own DNS knows the addresses that the nodes answered, not the leader's provisional ones.
        Assert.Contains(addresses[2], await containers[0].ExecAsync("ping", "-c", "1", "-W", "2", "c3"), StringComparison.Ordinal);

        await RemoveAsync(containers, "net1");
        await lab.UntilSameAsync(before, 30, "docker network rm");
    }

    [Fact]
    public async Task Tcp_HundredMegabytesBetweenHosts_ArriveInFullFrames()
    {
        await lab.CreateNetworkAsync("net1");
        var server = await lab[1].StartAsync("server", "net1");
        var client = await lab[2].StartAsync("client", "net1");
        var address = await server.AddressAsync();
        Assert.Equal(FabricMtu.ToString(CultureInfo.InvariantCulture), await client.ExecAsync("cat", "/sys/class/net/eth0/mtu"));

        // ICMP and UDP alike have 28 bytes of headers: 1422 is the largest that fits the MTU in one packet.
        var fragmentsBefore = await FragmentsAsync();
        Assert.True((await client.TryExecAsync("ping", "-c", "3", "-i", "0.2", "-W", "2", "-s", "1422", address)).Ok, "ping of 1422 bytes");
        Assert.Equal(fragmentsBefore, await FragmentsAsync());

        // The server ends by itself after each client, also after one that could not send.
        await server.ExecAsync("sh", "-c", "(iperf3 -s </dev/null >/dev/null 2>&1 &)");
        await Wait.UntilAsync("iperf3 listens", 10, async () =>
            (await server.TryExecAsync("sh", "-c", "netstat -ltn | grep -q ':5201 '")).Ok ? null : "no listener");
        var fits = await client.TryExecAsync("iperf3", "-c", address, "-u", "--dont-fragment", "-l", "1422", "-b", "1M", "-k", "20");
        Assert.True(fits.Ok, fits.ToString());
        var tooLong = await client.TryExecAsync("iperf3", "-c", address, "-u", "--dont-fragment", "-l", "1423", "-b", "1M", "-k", "20");
        Assert.False(tooLong.Ok, "a datagram of 1423 bytes was sent unfragmented through an MTU of 1450");
        Assert.Contains("Message too long", tooLong.All, StringComparison.OrdinalIgnoreCase);

        await server.ExecAsync("sh", "-c", "mkdir /tmp/www && dd if=/dev/urandom of=/tmp/www/file bs=1000000 count=100 2>/dev/null && httpd -h /tmp/www");
        var received = await client.ExecAsync("sh", "-c", $"wget -q -O - http://{address}/file | md5sum");
        Assert.Equal(await server.ExecAsync("sh", "-c", "md5sum </tmp/www/file"), received);

        // Neither a container's packet nor its VXLAN envelope was ever cut into fragments.
        Assert.Equal(fragmentsBefore, await FragmentsAsync());

        async Task<string> FragmentsAsync() =>
            string.Join(' ', await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync("nstat -asz IpFragCreates | awk '/IpFragCreates/ {print $2}'"))));
    }

    [Fact]
    public async Task DnsrrService_SixReplicas_AllReachEachOther()
    {
        var before = await lab.SnapshotAsync();
        await lab.CreateNetworkAsync("net1");
        await lab[1].DockerAsync("service", "create", "-d", "--name", "rr", "--network", "net1", "--endpoint-mode", "dnsrr", "--replicas", "6",
            "--replicas-max-per-node", "2", "lab:latest", "sleep", "100000");
        await Wait.UntilAsync("six tasks run", 90, async () =>
        {
            var tasks = await lab[1].DockerAsync("service", "ps", "rr", "--format", "{{.Name}} {{.Node}} {{.CurrentState}} {{.Error}}");
            return tasks.Split('\n').Count(task => task.Contains(" Running ", StringComparison.Ordinal)) == 6 ? null : tasks;
        });

        var tasks = new List<(Container Container, string Address)>();
        foreach (var host in lab.Hosts)
        {
            foreach (var name in (await host.DockerAsync("ps", "--format", "{{.Names}}")).Split('\n'))
            {
                var container = new Container(host, name, "net1");
                tasks.Add((container, await container.AddressAsync()));
            }
        }

        Assert.Equal([2, 2, 2], lab.Hosts.Select(host => tasks.Count(task => task.Container.Host == host)));
        Assert.Equal(6, tasks.Select(task => task.Address).Distinct().Count());
        var targets = string.Join(' ', tasks.Select(task => task.Address));
        foreach (var (container, _) in tasks)
        {
            var said = await container.TryExecAsync("sh", "-c", $"for a in {targets}; do ping -c 1 -W 2 $a >/dev/null || {{ echo $a; exit 1; }}; done");
            Assert.True(said.Ok, $"{container.Name} does not reach {said.All}");
        }

        // With dnsrr the service's name stands for the tasks' own addresses.
        var answer = await tasks[0].Container.ExecAsync("nslookup", "rr", "127.0.0.11");
        Assert.All(tasks, task => Assert.Contains(task.Address, answer, StringComparison.Ordinal));

        await lab[1].DockerAsync("service", "rm", "rr");
        await lab.RemoveNetworkAsync("net1");
        await lab.UntilSameAsync(before, 40, "service rm and network rm");
    }

    [Fact]
    public async Task TwoNetworks_AtOnce_AreIsolatedFromEachOther()
    {
        await lab.CreateNetworkAsync("red");
        await lab.CreateNetworkAsync("blue");
        var red1 = await lab[1].StartAsync("red1", "red");
        var red2 = await lab[2].StartAsync("red2", "red");
        var blue1 = await lab[1].StartAsync("blue1", "blue");
        var blue2 = await lab[2].StartAsync("blue2", "blue");
        foreach (var (a, b) in new[] { (red1, red2), (blue1, blue2) })
        {
            Assert.True(await a.ReachesAsync(await b.AddressAsync()), $"{a.Name} does not reach {b.Name}, so isolation means nothing");
            // A container's default route is docker_gwbridge: the way by which it could get to another network.
            Assert.Contains("default via ", await a.ExecAsync("ip", "route"), StringComparison.Ordinal);
        }

        var reached = new List<string>();
        foreach (var (from, others) in new[] { (red1, new[] { blue1, blue2 }), (red2, [blue1, blue2]), (blue1, [red1, red2]), (blue2, [red1, red2]) })
        {
            foreach (var other in others)
            {
                var address = await other.AddressAsync();
                foreach (var (what, target) in new[] { ("container", address), ("bridge", await BridgeOfAsync(other.Host, address)) })
                {
                    if ((await from.TryExecAsync("ping", "-c", "1", "-W", "1", target)).Ok)
                        reached.Add($"{from.Name} on host {from.Host.Number} reaches the {what} {target} of {other.Name} on host {other.Host.Number}");
                }
            }
        }

        Assert.Equal("", string.Join('\n', reached));
        Assert.True(await red1.ReachesAsync(await red2.AddressAsync()), "red stopped working");
        await NoFramesOfContainersAsync(red1, red2, blue1, blue2);

        // With blue gone, red goes on.
        await RemoveAsync([blue1, blue2], "blue");
        await Wait.UntilAsync("blue's bridge is gone", 20, async () =>
        {
            var bridges = await lab[1].ShAsync("ip -br link | grep -c ffbr; true");
            return bridges.Trim() == "1" ? null : $"{bridges} bridges";
        });
        Assert.True(await red1.ReachesAsync(await red2.AddressAsync()), "red does not survive blue's removal");
    }

    /// <summary>A container that sends VXLAN to a host would put frames into any network there.</summary>
    private async Task NoFramesOfContainersAsync(Container red1, Container red2, Container blue1, Container blue2)
    {
        var (source, destination) = (await red1.AddressAsync(), await red2.AddressAsync());
        var device = (await lab[2].ShAsync($"ip route get {source} | sed -n 's/.* dev \\(flannel[^ ]*\\).*/\\1/p'")).Trim();
        var mac = (await lab[2].ShAsync($"cat /sys/class/net/{device}/address")).Trim();
        var underlay = (await lab[2].ShAsync($"ip -d link show {device} | sed -n 's/.* local \\([^ ]*\\).*/\\1/p'")).Trim();
        var pid = await red2.PidAsync();
        var before = await EchoesAsync();
        await SendAsync(lab[1], null, underlay);
        await UntilAsync(1, "another host's frame is taken, so the frame is right");

        var bridge = await BridgeOfAsync(lab[2], await blue2.AddressAsync());
        var gateway = (await blue2.ExecAsync("sh", "-c", "ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p'")).Trim();
        foreach (var (from, to) in new[] { (blue1, underlay), (blue1, bridge), (blue2, underlay), (blue2, bridge), (blue2, gateway), (red1, underlay) })
            await SendAsync(from.Host, from, to);
        await SendAsync(lab[1], null, underlay);
        await UntilAsync(2, "what containers sent is dropped");

        Task SendAsync(LabHost from, Container? sender, string to) =>
            ForgedVxlan.SendAsync(from, sender, to, int.Parse(device.Split('.')[1], CultureInfo.InvariantCulture), mac, source, destination);
        async Task<int> EchoesAsync() => int.Parse(await lab[2].ShAsync($"nsenter -t {pid} -n awk '/^Icmp: [0-9]/ {{print $10}}' /proc/net/snmp"), CultureInfo.InvariantCulture);
        Task UntilAsync(int wanted, string why) => Wait.UntilAsync(why, 10, async () =>
        {
            var echoes = await EchoesAsync() - before;
            return echoes == wanted ? null : $"{echoes} echoes came to {red2.Name}, not {wanted}";
        });
    }

    [Fact]
    public async Task Network_LeftByItsLastContainer_IsTakenUpAgain_AndRemovedFromTheHostLater()
    {
        await lab.CreateNetworkAsync("net1");
        await lab[1].StartAsync("stays", "net1");
        var before = await lab.SnapshotAsync();

        var first = await lab[2].StartAsync("first", "net1");
        var flanneld = Assert.Single(await lab[2].FlanneldsAsync());
        await first.RemoveAsync();
        var second = await lab[2].StartAsync("second", "net1");
        Assert.Equal(flanneld, Assert.Single(await lab[2].FlanneldsAsync()));
        Assert.True(await second.ReachesAsync(await new Container(lab[1], "stays", "net1").AddressAsync()));
        await second.RemoveAsync();
        await lab.UntilSameAsync(before, 30, "the last container left host 2 and its network lingered");
    }

    private static async Task<string> BridgeOfAsync(LabHost host, string containerAddress) =>
        await host.ShAsync($"ip -4 -o addr show to {containerAddress}/25 | awk '$2 ~ /^ffbr/ {{sub(\"/.*\", \"\", $4); print $4; exit}}'");

    private async Task RemoveAsync(IEnumerable<Container> containers, string network)
    {
        await Task.WhenAll(containers.Select(container => container.RemoveAsync()));
        await lab.RemoveNetworkAsync(network);
    }
}
