using System.Net;
using System.Net.Sockets;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Namespaces;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Activities.Tests;

/// <summary>The rules on the real kernel, in a namespace of the test's own.</summary>
[Trait("Needs", "kernel")]
public sealed class ForwardingRulesTests : IAsyncLifetime
{
    private static readonly IPv4Network Red = IPv4Network.Parse("10.128.0.0/20");
    private static readonly IPv4Network Blue = IPv4Network.Parse("10.128.16.0/20");
    private readonly string _namespace = $"fft-rules-{Environment.ProcessId}";
    private readonly CommandRunner _host = new(TimeProvider.System);
    private NetworkNamespace? _opened;
    private ForwardingRules? _rules;
    private NftTable? _table;
    private Iptables? _iptables;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _host.RunCheckedAsync("ip", ["netns", "add", _namespace], null, Ct);
        _opened = NetworkNamespace.Open($"/run/netns/{_namespace}");
        var runner = new CommandRunner(TimeProvider.System) { NetworkNamespace = _opened };
        _table = new NftTable(runner, ForwardingRules.Family, ForwardingRules.Table);
        _iptables = new Iptables(runner);
        _rules = new ForwardingRules(_table, _iptables);
        await runner.RunCheckedAsync("iptables", ["-w", "-N", "DOCKER-USER"], null, Ct);
    }

    public async ValueTask DisposeAsync()
    {
        _rules?.Dispose();
        _opened?.Dispose();
        await _host.RunAsync("ip", ["netns", "del", _namespace], null, CancellationToken.None);
    }

    [Fact]
    public async Task Ensure_Twice_IsTheSameAsOnce()
    {
        await _rules!.EnsureAsync(6514, Red, "eth0", Ct);
        await _rules.EnsureAsync(6515, Blue, "eth0", Ct);
        var once = await StateAsync();
        await _rules.EnsureAsync(6514, Red, "eth0", Ct);

        Assert.Equal(once, await StateAsync());
        Assert.Contains("\"ffbr.6515\" . \"flannel.6515\"", once, StringComparison.Ordinal);
        Assert.Contains("10.128.16.0/20 . \"lo\"", once, StringComparison.Ordinal);
        Assert.Contains("-A DOCKER-USER -i ffbr.6514 -o flannel.6514", once, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Remove_OneOfTwo_LeavesTheOther()
    {
        await _rules!.EnsureAsync(6515, Blue, "eth0", Ct);
        var blueOnly = await StateAsync();
        await _rules.EnsureAsync(6514, Red, "eth0", Ct);

        await _rules.RemoveAsync(6514, Red, () => false, Ct);
        await _rules.RemoveAsync(6514, Red, () => false, Ct);

        Assert.Equal(blueOnly, await StateAsync());
    }

    [Fact]
    public async Task Remove_TheLast_LeavesNothing()
    {
        var before = await StateAsync();
        await _rules!.EnsureAsync(6514, Red, "eth0", Ct);
        await _rules.RemoveAsync(6514, Red, () => true, Ct);
        await _rules.RemoveAsync(6514, Red, () => true, Ct);

        Assert.Equal(before, await StateAsync());
        Assert.Null(await _table!.ListAsync(Ct));
    }

    [Fact]
    public async Task Remove_TwoAtOneMoment_EachTakingTheOtherForThere_LeavesNothing()
    {
        var before = await StateAsync();
        await _rules!.EnsureAsync(6514, Red, "eth0", Ct);
        await _rules.EnsureAsync(6515, Blue, "eth0", Ct);
        await _rules.RemoveAsync(6514, Red, () => false, Ct);
        await _rules.RemoveAsync(6515, Blue, () => false, Ct);

        Assert.Equal(before, await StateAsync());
        Assert.Null(await _table!.ListAsync(Ct));
    }

    [Fact]
    public async Task FindDifferent_NamesTheNetworkWhoseRulesAnotherHandTookAway()
    {
        (int, IPv4Network, string?)[] both = [(6514, Red, "eth0"), (6515, Blue, null)];
        Assert.Equal([6514, 6515], (await _rules!.FindDifferentAsync(both, Ct)).Keys.Order());
        await _rules.EnsureAsync(6514, Red, "eth0", Ct);
        await _rules.EnsureAsync(6515, Blue, "eth0", Ct);
        Assert.Empty(await _rules.FindDifferentAsync(both, Ct));

        await _table!.ApplyAsync(["delete element inet flannelflow fabric_paths { \"ffbr.6515\" . \"flannel.6515\" }"], Ct);
        Assert.Equal([6515], (await _rules.FindDifferentAsync(both, Ct)).Keys);
        await _rules.EnsureAsync(6515, Blue, "eth0", Ct);
        await _table.ApplyAsync(["flush chain inet flannelflow isolation"], Ct);
        Assert.Equal([6514, 6515], (await _rules.FindDifferentAsync(both, Ct)).Keys.Order());
        await _rules.EnsureAsync(6515, Blue, "eth0", Ct);
        Assert.Empty(await _rules.FindDifferentAsync(both, Ct));

        await IptablesAsync("-F");
        Assert.Equal([6514, 6515], (await _rules.FindDifferentAsync(both, Ct)).Keys.Order());
        await _rules.EnsureAsync(6514, Red, "eth0", Ct);
        await _rules.EnsureAsync(6515, Blue, "eth0", Ct);
        Assert.Empty(await _rules.FindDifferentAsync(both, Ct));
    }

    /// <summary>A kernel without tables for inet says of ours that it is not there, and not that it has none.</summary>
    [Fact]
    public async Task FindDifferent_WithoutOurTable_WhereIptablesDrops_IsNothing()
    {
        await _rules!.EnsureAsync(6514, Red, "eth0", Ct);
        await _table!.DeleteAsync(Ct);
        Assert.Equal([6514], (await _rules.FindDifferentAsync([(6514, Red, "eth0")], Ct)).Keys);

        await new IptablesIsolation(_iptables!).EnsureAsync(6514, Red, "eth0", Ct);
        Assert.Empty(await _rules.FindDifferentAsync([(6514, Red, "eth0")], Ct));
        await IptablesAsync("-t", "mangle", "-F", "INPUT");
        Assert.Equal([6514], (await _rules.FindDifferentAsync([(6514, Red, "eth0")], Ct)).Keys);
    }

    /// <summary>iptables -F empties FORWARD, too, and leaves its policy; Docker makes its jump anew only when it starts.</summary>
    [Fact]
    public async Task Ensure_WithoutTheJumpOfForward_AndPolicyDrop_AcceptsInForwardToo_AndRemoveTakesItAll()
    {
        await IptablesAsync("-P", "FORWARD", "DROP");
        await _rules!.EnsureAsync(6514, Red, "eth0", Ct);
        Assert.Equal(3, (await ForwardAsync()).Count);
        Assert.Empty(await _rules.FindDifferentAsync([(6514, Red, "eth0")], Ct));
        await _rules.RemoveAsync(6514, Red, () => true, Ct);
        Assert.Empty(await ForwardAsync());

        // Docker makes its jump when it starts: then they are needed in FORWARD no longer.
        await _rules.EnsureAsync(6514, Red, "eth0", Ct);
        await IptablesAsync("-I", "FORWARD", "-j", "DOCKER-USER");
        Assert.Contains("not needed there any more", Assert.Single(await _rules.FindDifferentAsync([(6514, Red, "eth0")], Ct)).Value, StringComparison.Ordinal);
        await _rules.EnsureAsync(6514, Red, "eth0", Ct);
        Assert.Single(await ForwardAsync());
        Assert.Empty(await _rules.FindDifferentAsync([(6514, Red, "eth0")], Ct));

        async Task<IReadOnlyList<string>> ForwardAsync() => [.. (await _iptables!.ListAsync("filter", "FORWARD", Ct)).Where(line => line.StartsWith("-A", StringComparison.Ordinal))];
    }

    /// <summary>A bridge may be the underlay, too: then VXLAN comes in by it.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task VxlanThatComesInByABridge_IsDropped_UnlessThatIsTheUnderlay(bool hasNftables)
    {
        using var container = NetworkNamespace.Create();
        var inside = new CommandRunner(TimeProvider.System) { NetworkNamespace = container };
        var host = new CommandRunner(TimeProvider.System) { NetworkNamespace = _opened };
        using (var netlink = RouteNetlink.OpenIn(_opened!))
            await netlink.AddLinkAsync(new VethConfig("port", "eth0") { PeerNamespace = container }, Ct);
        foreach (var command in (string[])["link add br-plain type bridge", "link set port master br-plain up", "addr add 192.0.2.1/24 dev br-plain", "link set br-plain up"])
            await host.RunCheckedAsync("ip", command.Split(' '), null, Ct);
        foreach (var command in (string[])["addr add 192.0.2.2/24 dev eth0", "link set eth0 up"]) await inside.RunCheckedAsync("ip", command.Split(' '), null, Ct);
        using var vxlan = Bound(8472);
        using var other = Bound(8471);
        using var sender = container.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));

        Assert.Equal((true, true), await ReceivedAsync());
        await EnsureAsync("eth0");
        Assert.Equal((false, true), await ReceivedAsync());
        await EnsureAsync("br-plain");
        Assert.Equal((true, true), await ReceivedAsync());

        Socket Bound(int port)
        {
            var socket = _opened!.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
            socket.Bind(new IPEndPoint(IPAddress.Parse("192.0.2.1"), port));
            return socket;
        }

        Task EnsureAsync(string underlay) =>
            hasNftables ? _rules!.EnsureAsync(6514, Red, underlay, Ct) : new IptablesIsolation(_iptables!).EnsureAsync(6514, Red, underlay, Ct);

        // The later of the two comes after the earlier, or in its place.
        async Task<(bool Vxlan, bool Other)> ReceivedAsync()
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
            limit.CancelAfter(TimeSpan.FromSeconds(20));
            foreach (var socket in (Socket[])[vxlan, other]) await sender.SendToAsync(new byte[50], socket.LocalEndPoint!, limit.Token);
            var last = await other.ReceiveAsync(new byte[64], limit.Token);
            return (vxlan.Poll(0, SelectMode.SelectRead) && await vxlan.ReceiveAsync(new byte[64], limit.Token) == 50, last == 50);
        }
    }

    private Task<string> IptablesAsync(params string[] arguments) =>
        new CommandRunner(TimeProvider.System) { NetworkNamespace = _opened }.RunCheckedAsync("iptables", ["-w", .. arguments], null, Ct);

    /// <summary>Sets come back in the kernel's order, which differs by history: lines are compared as sets of words.</summary>
    private async Task<string> StateAsync()
    {
        var nft = await _table!.ListAsync(Ct) ?? "";
        var words = nft.Split([',', '\n', '{', '}'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Order(StringComparer.Ordinal);
        var accepts = (await _iptables!.ListAsync("filter", "DOCKER-USER", Ct)).Order(StringComparer.Ordinal);
        return string.Join('\n', words.Concat(accepts));
    }
}
