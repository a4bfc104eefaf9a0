using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>What cannot be done is refused in words, and nothing is left half done.</summary>
/// <remarks>For a swarm network Docker shows the plugin's words only in the leader's log, so the daemon's own log is looked at.</remarks>
[Collection(OneHostCollection.Name)]
[Trait("Needs", "docker")]
[Trait("Share", "second")]
public sealed class RefusalTests(OneHost lab) : IAsyncLifetime
{
    /// <summary>Four pools of 128 addresses; 5 containers per host and network.</summary>
    private static readonly string[] SmallSpace =
        ["AVAILABLE_SUBNETS=10.128.0.0/23", "NETWORK_SUBNET_SIZE=25", "SERVICE_SUBNET_SIZE=28", "DEFAULT_HOST_SUBNET_SIZE=29"];

    public async ValueTask InitializeAsync()
    {
        await lab.ClearAsync();
        await lab[1].RestartDaemonAsync(SmallSpace);
    }

    public async ValueTask DisposeAsync()
    {
        await lab.ClearAsync();
        await lab[1].RestartDaemonAsync();
    }

    [Fact]
    public async Task HostSubnet_Full_RefusesTheNextContainer_WhichCanStartOnceOneIsGone()
    {
        await lab.CreateNetworkAsync("net1");
        foreach (var i in Enumerable.Range(1, 5)) await lab[1].StartAsync($"c{i}", "net1");
        var full = await lab.SnapshotAsync();

        var refused = await lab[1].TryDockerAsync("run", "-d", "--name", "c6", "--network", "net1", "lab:latest", "sleep", "1000");
        Assert.False(refused.Ok, refused.ToString());
        Assert.Matches(@"host subnet 10\.128\.0\.\d+/29 of n1 is full: 5 addresses in use \(DEFAULT_HOST_SUBNET_SIZE\)", refused.All);
        await lab[1].DockerAsync("rm", "-f", "c6");
        await lab.UntilSameButProvisionalAsync(full, 20, "the sixth container was refused");

        await lab[1].DockerAsync("rm", "-f", "c1");
        await Wait.UntilAsync("a container starts in the place of the one that left", 20, async () =>
        {
            await lab[1].TryDockerAsync("rm", "-f", "c6");
            var said = await lab[1].TryDockerAsync("run", "-d", "--name", "c6", "--network", "net1", "lab:latest", "sleep", "1000");
            return said.Ok ? null : said.All;
        });
    }

    [Fact]
    public async Task AddressSpace_Full_RefusesTheNextNetwork_AndWorksAgainOnceOneIsGone()
    {
        foreach (var i in Enumerable.Range(1, 4)) await CreateAsync($"net{i}");
        var full = await lab.SnapshotAsync();

        var mark = lab[1].LogMark();
        await lab.CreateNetworkAsync("net5");
        Assert.Contains(
            "all 4 networks of 10.128.0.0/23 are in use: 4 by networks, 0 still being released by hosts (AVAILABLE_SUBNETS, NETWORK_SUBNET_SIZE=25)",
            await lab[1].UntilLogAsync(mark, "RequestPool refused"),
            StringComparison.Ordinal);
        await lab.RemoveNetworkAsync("net5");
        await lab.UntilSameAsync(full, 20, "the fifth network was refused");

        await lab.RemoveNetworkAsync("net2");
        await UntilPoolsAsync("10.128.0.0/25 10.128.1.0/25 10.128.1.128/25");
        await lab.CreateNetworkAsync("net6");
        await UntilPoolsAsync("10.128.0.0/25 10.128.0.128/25 10.128.1.0/25 10.128.1.128/25");
    }

    [Fact]
    public async Task Subnet_AskedFor_IsGivenOrRefusedByWhereItLies_AndNeverHarmsAnother()
    {
        await lab.CreateNetworkAsync("inside", "--subnet", "10.128.1.0/25");
        await UntilPoolsAsync("10.128.1.0/25");
        var c1 = await lab[1].StartAsync("c1", "inside");
        var c2 = await lab[1].StartAsync("c2", "inside");
        var before = await lab.SnapshotAsync();

        await RefusedAsync("outside", @"RequestPool refused: .*10\.200\.0\.0/25 is not in the available subnets 10\.128\.0\.0/23", "--subnet", "10.200.0.0/25");
        await RefusedAsync("overlap", @"RequestPool refused: .*10\.128\.1\.0/24 overlaps pool 10\.128\.1\.0/25 of network ", "--subnet", "10.128.1.0/24");
        await RefusedAsync("same", @"AllocateNetwork refused: .*10\.128\.1\.0/25 already belongs to network ", "--subnet", "10.128.1.0/25");
        await RefusedAsync("tiny", @"RequestPool refused: .*10\.128\.0\.0/29", "--subnet", "10.128.0.0/29");
        await RefusedAsync("range", @"RequestPool refused: .*--ip-range 10\.128\.0\.64/26 is not supported", "--subnet", "10.128.0.0/25", "--ip-range", "10.128.0.64/26");
        await RefusedAsync("gateway", @"RequestAddress refused: .*gateway 10\.128\.0\.100 cannot be", "--subnet", "10.128.0.0/25", "--gateway", "10.128.0.100");

        Assert.Null(before.Difference(await lab.SnapshotAsync()));
        Assert.True(await c1.ReachesAsync(await c2.AddressAsync()), "the network that was there first does not work any more");
        var c3 = await lab[1].StartAsync("c3", "inside");
        Assert.True(await c1.ReachesAsync(await c3.AddressAsync()), "a new container on the network that was there first is not reached");

        async Task RefusedAsync(string name, string pattern, params string[] options)
        {
            var mark = lab[1].LogMark();
            await lab.CreateNetworkAsync(name, options);
            Run.Say(await lab[1].UntilLogAsync(mark, pattern));
            await lab.RemoveNetworkAsync(name);
            await lab.UntilSameAsync(before, 15, $"network {name} was refused");
        }
    }

    /// <summary>A kernel without ESP, or its algorithms, says so; with them, the network comes (EncryptionTests).</summary>
    [Fact]
    public async Task Encryption_IsRefusedWhereTheKernelCannot_NotPassedOver()
    {
        var before = await lab.SnapshotAsync();
        var mark = lab[1].LogMark();
        var can = (await lab[1].TryShAsync(
            $"unshare -n ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 mode transport aead 'rfc4106(gcm(aes))' 0x{new string('0', 72)} 128")).Ok;
        await lab.CreateNetworkAsync("secret", "--opt", "encrypted");
        if (can)
        {
            await Wait.UntilAsync("the network has the port of encrypted networks", 30, async () =>
                await lab[1].DockerAsync("network", "inspect", "-f", "{{json .Options}}", "secret") is var said && said.Contains("\"flannelflow.encrypted-port\":\"8473\"", StringComparison.Ordinal) ? null : said);
        }
        else
        {
            Run.Say(await lab[1].UntilLogAsync(mark, "AllocateNetwork refused: .*--opt encrypted: this kernel has no .*modprobe esp4", 30));
        }

        await lab.RemoveNetworkAsync("secret");
        await lab.UntilSameAsync(before, 15, "encryption was refused");
    }

    /// <summary>The manager's kernel may be able to; this host's is asked when the network arrives here.</summary>
    [Fact]
    public async Task Encryption_OfANetworkThatArrives_IsRefusedWhereTheKernelCannot()
    {
        var said = await lab[1].ShAsync(
            "curl -s --unix-socket /var/lib/flannelflow/plugin/daemon.sock http://daemon/NetworkDriver.CreateNetwork -d '{\"NetworkID\":\"abcdefghijklmnopqrstuvwxy\"," +
            "\"Options\":{\"com.docker.network.generic\":{\"encrypted\":\"\",\"flannelflow.encrypted-port\":\"8472\"}},\"IPv4Data\":[{\"Pool\":\"10.128.0.0/25\"}]}'");
        // With a kernel that can, the next thing that is wrong with this one.
        Assert.Matches("--opt encrypted: this kernel has no .*modprobe esp4|8472 is the port of unencrypted networks", said);
        Assert.DoesNotContain("flannel.", await lab[1].ShAsync("ip -br link"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task IPv6_IsRefused_ByTheLeader_OrWhereAContainerWouldUseIt()
    {
        var before = await lab.SnapshotAsync();
        var mark = lab[1].LogMark();
        await lab.CreateNetworkAsync("six", "--ipv6", "--subnet", "fd00:6::/64");
        await lab[1].UntilLogAsync(mark, "RequestPool refused: --subnet: 'fd00:6::/64' is an IPv6 network; only IPv4");
        await lab.RemoveNetworkAsync("six");
        await lab.UntilSameAsync(before, 15, "an IPv6 subnet was refused");

        // With an IPv4 subnet of ours, Swarm allocates that and leaves the IPv6 one to the nodes.
        await lab.CreateNetworkAsync("both", "--ipv6");
        await lab[1].TryDockerAsync("run", "-d", "--name", "c1", "--network", "both", "lab:latest", "sleep", "1000");
        await lab[1].UntilLogAsync(mark, "refused: .*IPv6.* not supported", 30);
        Assert.Equal("", await lab[1].DockerAsync("ps", "-q"));
        await lab[1].DockerAsync("rm", "-f", "c1");
        Assert.DoesNotContain("ffv", await lab[1].DumpAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task DefaultIpamDriver_IsRefused_WithWhatToDo()
    {
        var before = await lab.SnapshotAsync();
        var mark = lab[1].LogMark();
        await lab[1].DockerAsync("network", "create", "-d", "flannelflow:latest", "--attachable", "mixed");
        Assert.Contains("--ipam-driver flannelflow:latest", await lab[1].UntilLogAsync(mark, "AllocateNetwork refused"), StringComparison.Ordinal);
        await lab.RemoveNetworkAsync("mixed");
        await lab.UntilSameAsync(before, 15, "a network with Docker's own IPAM driver was refused");
    }

    [Fact]
    public async Task FixedAddress_OutsideTheHostsSubnet_IsRefused_OneInsideIsGiven()
    {
        await lab.CreateNetworkAsync("net1");
        var first = await lab[1].StartAsync("c1", "net1");
        var address = await first.AddressAsync();
        var lease = Assert.Single((await lab.EtcdAsync("/flannelflow/networks/")).Keys, key => key.Contains("/subnets/", StringComparison.Ordinal));
        var subnet = lease[(lease.LastIndexOf('/') + 1)..].Replace('-', '/');
        var bytes = address.Split('.');
        var start = int.Parse(subnet.Split('/')[0].Split('.')[3], System.Globalization.CultureInfo.InvariantCulture);
        string At(int last) => $"{bytes[0]}.{bytes[1]}.{bytes[2]}.{last}";

        var inside = await lab[1].StartAsync("c2", "net1", "--ip", At(start + 5));
        Assert.Equal(At(start + 5), await inside.AddressAsync());
        Assert.True(await first.ReachesAsync(At(start + 5)));

        var other = At(start + 8 < 128 ? start + 10 : start - 6);
        var refused = await lab[1].TryDockerAsync("run", "-d", "--name", "c3", "--network", "net1", "--ip", other, "lab:latest", "sleep", "1000");
        Assert.False(refused.Ok, refused.ToString());
        Assert.Contains($"{other} is not in {subnet}, this host's (n1) part of 10.128.0.0/25", refused.All, StringComparison.Ordinal);
    }

    private async Task CreateAsync(string name)
    {
        var count = (await PoolsAsync()).Length;
        await lab.CreateNetworkAsync(name);
        await Wait.UntilAsync($"{name} has a pool", 10, async () => (await PoolsAsync()).Length > count ? null : "no pool");
    }

    private Task<TimeSpan> UntilPoolsAsync(string pools) => Wait.UntilAsync($"the pools are {pools}", 15, async () =>
    {
        var now = string.Join(' ', await PoolsAsync());
        return now == pools ? null : now;
    });

    private async Task<string[]> PoolsAsync() =>
        [.. (await lab.EtcdAsync("/flannelflow/address-space/pools/")).Keys.Select(key => key[(key.LastIndexOf('/') + 1)..].Replace('-', '/'))];
}
