using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Namespaces;

namespace FlannelFlow.Activities.Tests;

/// <summary>The drops of a kernel without nftables, on the real kernel, in a namespace of the test's own.</summary>
[Trait("Needs", "kernel")]
public sealed class IptablesIsolationTests : IAsyncLifetime
{
    private static readonly IPv4Network Red = IPv4Network.Parse("10.128.0.0/20");
    private static readonly IPv4Network Blue = IPv4Network.Parse("10.128.16.0/20");
    private readonly string _namespace = $"fft-isolation-{Guid.NewGuid():N}"[..24];
    private readonly CommandRunner _host = new(TimeProvider.System);
    private NetworkNamespace? _opened;
    private Iptables? _iptables;
    private IptablesIsolation? _isolation;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _host.RunCheckedAsync("ip", ["netns", "add", _namespace], null, Ct);
        _opened = NetworkNamespace.Open($"/run/netns/{_namespace}");
        _iptables = new Iptables(new CommandRunner(TimeProvider.System) { NetworkNamespace = _opened });
        _isolation = new IptablesIsolation(_iptables);
    }

    public async ValueTask DisposeAsync()
    {
        _opened?.Dispose();
        await _host.RunAsync("ip", ["netns", "del", _namespace], null, CancellationToken.None);
    }

    private async Task<string> StateAsync() => string.Join('\n', await _iptables!.ListAsync("mangle", null, Ct));

    [Fact]
    public async Task Ensure_TwoNetworks_LetsPassFirst_AndDropsAllElse()
    {
        await _isolation!.EnsureAsync(6514, Red, "eth0", Ct);
        await _isolation.EnsureAsync(6515, Blue, "eth0", Ct);
        var once = await StateAsync();
        await _isolation.EnsureAsync(6514, Red, "eth0", Ct);
        Assert.Equal(once, await StateAsync());
        foreach (var chain in (string[])["FLANNELFLOW-FWD", "FLANNELFLOW-IN"])
        {
            var targets = (await _iptables!.ListAsync("mangle", chain, Ct)).Where(line => line.StartsWith("-A", StringComparison.Ordinal)).Select(line => line.Split(' ')[^1]).ToList();
            Assert.Equal(2 * (chain == "FLANNELFLOW-FWD" ? 7 : 4), targets.Count);
            Assert.Equal(targets.OrderByDescending(target => target, StringComparer.Ordinal), targets);   // RETURN before DROP
        }

        Assert.Contains("-A FLANNELFLOW-IN -d 10.128.16.0/20 -i ffbr.6515 -j RETURN", once, StringComparison.Ordinal);
        Assert.Contains("-A FORWARD -j FLANNELFLOW-FWD", once, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ensure_WithAnotherUnderlay_LetsItsVxlanPassBeforeAllDrops()
    {
        await _isolation!.EnsureAsync(6514, Red, "eth0", Ct);
        Assert.False(await _isolation.HoldsAsync(6514, Red, "br-lan", Ct));
        await _isolation.EnsureAsync(6514, Red, "br-lan", Ct);
        Assert.True(await _isolation.HoldsAsync(6514, Red, "br-lan", Ct));
        var chain = await _iptables!.ListAsync("mangle", "FLANNELFLOW-VXLAN", Ct);
        Assert.Equal(
            ["-i br-lan -j RETURN", "-i eth0 -j RETURN", "-i docker+ -j DROP", "-i br-+ -j DROP", "-i ffbr.+ -j DROP", "-i flannel.+ -j DROP"],
            chain.Where(line => line.StartsWith("-A", StringComparison.Ordinal)).Select(line => line["-A FLANNELFLOW-VXLAN ".Length..]));
    }

    [Fact]
    public async Task Remove_LeavesTheOther_AndOfTheLastNothing()
    {
        var before = await StateAsync();
        await _isolation!.RemoveAsync(6514, Red, isLast: true, Ct);
        await _isolation.EnsureAsync(6515, Blue, "eth0", Ct);
        var blueOnly = await StateAsync();
        await _isolation.EnsureAsync(6514, Red, "eth0", Ct);
        await _isolation.RemoveAsync(6514, Red, isLast: false, Ct);
        await _isolation.RemoveAsync(6514, Red, isLast: false, Ct);
        Assert.Equal(blueOnly, await StateAsync());
        await _isolation.RemoveAsync(6515, Blue, isLast: true, Ct);
        Assert.Equal(before, await StateAsync());
    }
}
