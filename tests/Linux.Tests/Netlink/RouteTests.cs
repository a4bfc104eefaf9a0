using System.Net;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Tests.Netlink;

[Trait("Needs", "kernel")]
public sealed class RouteTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    private static IPAddress Ip(string text) => IPAddress.Parse(text);
    private static readonly MacAddress RemoteMac = MacAddress.Parse("c6:d2:32:6f:8f:44");

    private static async Task<int> AddFlannelAsync(TestNamespace ns)
    {
        var underlay = await ns.AddUnderlayAsync();
        var link = await ns.Netlink.AddLinkAsync(new VxlanConfig("flannel.1", 1, underlay, Ip("192.0.2.1")) { Mtu = 1450, Up = true }, Ct);
        await ns.Netlink.EnsureAddressAsync(new InterfaceAddress(link.Index, Ip("10.5.72.0"), 32), Ct);
        return link.Index;
    }

    [Fact]
    public async Task Address_AddedListedDeleted_SameAsIp()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var index = await ns.AddUnderlayAsync();
        var wanted = new InterfaceAddress(index, Ip("10.1.2.129"), 25);
        Assert.True(await ns.Netlink.EnsureAddressAsync(wanted, Ct));
        Assert.False(await ns.Netlink.EnsureAddressAsync(wanted, Ct));

        var shown = (await ns.IpJsonAsync("-4 addr show dev u0"))[0]?["addr_info"]?.AsArray() ?? [];
        var ours = await ns.Netlink.ListAddressesAsync(index, Ct);
        Assert.Equal(["192.0.2.1/24 global", "10.1.2.129/25 global"], shown.Select(a => $"{a.At("local")}/{a.At("prefixlen")} {a.At("scope")}"));
        Assert.Equal(["192.0.2.1/24 Universe", "10.1.2.129/25 Universe"], ours.Select(a => $"{a.Address}/{a.PrefixLength} {a.Scope}"));
        Assert.Contains(wanted, ours);
        Assert.Contains(await ns.Netlink.ListAddressesAsync(null, Ct), a => a is { Scope: RouteScope.Host, Address: var lo } && IPAddress.IsLoopback(lo));

        Assert.True(await ns.Netlink.DeleteAddressAsync(wanted, Ct));
        Assert.False(await ns.Netlink.DeleteAddressAsync(wanted, Ct));
        Assert.DoesNotContain("10.1.2.129", await ns.IpAsync("addr"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Address_OnNoDevice_AddFailsInWords_ListIsEmpty()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var error = await Assert.ThrowsAsync<NetlinkException>(() => ns.Netlink.EnsureAddressAsync(new InterfaceAddress(99, Ip("10.0.0.1"), 24), Ct));
        Assert.StartsWith("adding address 10.0.0.1/24 on interface 99: ENODEV", error.Message, StringComparison.Ordinal);
        Assert.Empty(await ns.Netlink.ListAddressesAsync(99, Ct));
        Assert.Empty(await ns.Netlink.ListRoutesAsync(new RouteFilter { InterfaceIndex = 99 }, Ct));
        Assert.Empty(await ns.Netlink.ListNeighboursAsync(99, Ct));
        Assert.Empty(await ns.Netlink.ListForwardingEntriesAsync(99, Ct));
        Assert.False(await ns.Netlink.DeleteAddressAsync(new InterfaceAddress(99, Ip("10.0.0.1"), 24), Ct));
    }

    [Fact]
    public async Task RemoteLease_TheFlannelWay_SameAsIpAndBridge()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var flannel = await AddFlannelAsync(ns);
        var arp = new Neighbour(flannel, Ip("10.5.16.0"), RemoteMac);
        var fdb = new ForwardingEntry(flannel, RemoteMac, Ip("192.0.2.2"));
        var route = new Route(IPv4Prefix.Parse("10.5.16.0/24")) { Gateway = Ip("10.5.16.0"), InterfaceIndex = flannel, OnLink = true };
        for (var i = 0; i < 2; i++)   // the second time changes nothing
        {
            await ns.Netlink.EnsureNeighbourAsync(arp, Ct);
            await ns.Netlink.EnsureForwardingEntryAsync(fdb, Ct);
            await ns.Netlink.EnsureRouteAsync(route, Ct);
        }

        var neigh = Assert.Single(await ns.IpJsonAsync("neigh show dev flannel.1 nud permanent"));
        Assert.Equal(("10.5.16.0", RemoteMac.ToString(), "[\"PERMANENT\"]"), (neigh.At("dst"), neigh.At("lladdr"), neigh.At("state")));
        var entry = Assert.Single(await ns.BridgeJsonAsync("fdb show dev flannel.1"));
        Assert.Equal((RemoteMac.ToString(), "192.0.2.2", "[\"self\"]", "permanent"), (entry.At("mac"), entry.At("dst"), entry.At("flags"), entry.At("state")));
        var shown = Assert.Single(await ns.IpJsonAsync("route show 10.5.16.0/24"));
        Assert.Equal(("10.5.16.0", "flannel.1", "[\"onlink\"]", "boot"), (shown.At("gateway"), shown.At("dev"), shown.At("flags"), shown.At("protocol")));

        Assert.Equal([arp], (await ns.Netlink.ListNeighboursAsync(flannel, Ct)).Where(n => n.State == NeighbourState.Permanent));
        Assert.Equal([fdb], await ns.Netlink.ListForwardingEntriesAsync(flannel, Ct));
        Assert.Equal([route], await ns.Netlink.ListRoutesAsync(new RouteFilter { InterfaceIndex = flannel }, Ct));

        Assert.True(await ns.Netlink.DeleteNeighbourAsync(arp, Ct));
        Assert.True(await ns.Netlink.DeleteForwardingEntryAsync(fdb, Ct));
        Assert.True(await ns.Netlink.DeleteRouteAsync(route, Ct));
        Assert.False(await ns.Netlink.DeleteForwardingEntryAsync(fdb, Ct));
        Assert.False(await ns.Netlink.DeleteRouteAsync(route, Ct));
        Assert.Empty(await ns.BridgeJsonAsync("fdb show dev flannel.1"));
        Assert.Empty(await ns.IpJsonAsync("route show 10.5.16.0/24"));
        Assert.Empty(await ns.IpJsonAsync("neigh show dev flannel.1 nud permanent"));
        await ns.Netlink.DeleteNeighbourAsync(arp, Ct);   // the kernel may keep a FAILED entry for a while: only no exception is promised
    }

    [Fact]
    public async Task ForwardingEntry_SameMacOtherHost_MovesInsteadOfDoubling()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var flannel = await AddFlannelAsync(ns);
        await ns.Netlink.EnsureForwardingEntryAsync(new ForwardingEntry(flannel, RemoteMac, Ip("192.0.2.2")), Ct);
        await ns.Netlink.EnsureForwardingEntryAsync(new ForwardingEntry(flannel, RemoteMac, Ip("192.0.2.3")), Ct);
        Assert.Equal("192.0.2.3", Assert.Single(await ns.BridgeJsonAsync("fdb show dev flannel.1")).At("dst"));

        await ns.Netlink.EnsureForwardingEntryAsync(new ForwardingEntry(flannel, default, Ip("192.0.2.4")), Ct);
        await ns.Netlink.EnsureForwardingEntryAsync(new ForwardingEntry(flannel, default, Ip("192.0.2.5")), Ct);
        await ns.Netlink.EnsureForwardingEntryAsync(new ForwardingEntry(flannel, default, Ip("192.0.2.5")), Ct);
        var all = await ns.Netlink.ListForwardingEntriesAsync(flannel, Ct);
        var shown = await ns.BridgeJsonAsync("fdb show dev flannel.1");
        Assert.Equal(shown.Select(e => $"{e.At("mac")} {e.At("dst")}"), all.Select(e => $"{e.Mac} {e.Remote}"));
        Assert.Equal(3, all.Count);
    }

    [Fact]
    public async Task Routes_OfOtherTablesKindsAndMetrics_RoundTrip()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var index = await ns.AddUnderlayAsync();
        Route[] wanted =
        [
            new(IPv4Prefix.Any) { Gateway = Ip("192.0.2.254"), InterfaceIndex = index, Metric = 50 },
            new(IPv4Prefix.Parse("10.7.0.0/16")) { InterfaceIndex = index, Scope = RouteScope.Link, PreferredSource = Ip("192.0.2.1"), Protocol = RouteProtocol.Static },
            new(IPv4Prefix.Parse("10.8.0.0/16")) { Kind = RouteKind.Blackhole, Table = 1000 },
            new(IPv4Prefix.Parse("10.9.0.0/16")) { Gateway = Ip("192.0.2.7"), InterfaceIndex = index, Table = 77, Metric = 9 },
        ];
        foreach (var route in wanted)
            await ns.Netlink.EnsureRouteAsync(route, Ct);
        var all = await ns.Netlink.ListRoutesAsync(new RouteFilter { Table = null }, Ct);
        Assert.All(wanted, route => Assert.Contains(route, all));
        Assert.Equal([wanted[2]], await ns.Netlink.ListRoutesAsync(new RouteFilter { Table = 1000 }, Ct));
        Assert.Empty(await ns.Netlink.ListRoutesAsync(new RouteFilter { Table = 4444 }, Ct));
        Assert.Equal([wanted[1]], await ns.Netlink.ListRoutesAsync(new RouteFilter { Protocol = RouteProtocol.Static }, Ct));
        var shown = await ns.IpJsonAsync("route show table all type unicast");
        Assert.Equal(["default 50", "10.7.0.0/16 ", "10.9.0.0/16 9"],
            shown.Where(r => r.At("dst") is "default" or "10.7.0.0/16" or "10.9.0.0/16").Select(r => $"{r.At("dst")} {r.At("metric")}").Order().OrderByDescending(t => t[0] == 'd'));

        await ns.Netlink.EnsureRouteAsync(wanted[3] with { Gateway = Ip("192.0.2.8") }, Ct);
        Assert.Equal("192.0.2.8", Assert.Single(await ns.IpJsonAsync("route show table 77")).At("gateway"));
    }

    [Fact]
    public async Task Route_ViaUnreachableGateway_NamesRouteAndDevice()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var flannel = await AddFlannelAsync(ns);
        var error = await Assert.ThrowsAsync<NetlinkException>(() => ns.Netlink.EnsureRouteAsync(
            new Route(IPv4Prefix.Parse("10.1.2.0/24")) { Gateway = Ip("10.1.2.0"), InterfaceIndex = flannel }, Ct));
        Assert.Equal("adding route 10.1.2.0/24 via flannel.1: ENETUNREACH: Nexthop has invalid gateway", error.Message);
    }

    [Fact]
    public async Task GetRouteTo_NamesInterfaceSourceAndGateway()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var index = await ns.AddUnderlayAsync();
        await ns.Netlink.EnsureRouteAsync(new Route(IPv4Prefix.Any) { Gateway = Ip("192.0.2.254"), InterfaceIndex = index }, Ct);
        var direct = await ns.Netlink.GetRouteToAsync(Ip("192.0.2.9"), Ct);
        Assert.Equal((index, null, Ip("192.0.2.1")), (direct.InterfaceIndex, direct.Gateway, direct.PreferredSource));
        var far = await ns.Netlink.GetRouteToAsync(Ip("198.51.100.1"), Ct);
        Assert.Equal((index, Ip("192.0.2.254"), Ip("192.0.2.1")), (far.InterfaceIndex, far.Gateway, far.PreferredSource));
        await ns.Netlink.DeleteRouteAsync(new Route(IPv4Prefix.Any), Ct);
        var error = await Assert.ThrowsAsync<NetlinkException>(() => ns.Netlink.GetRouteToAsync(Ip("198.51.100.1"), Ct));
        Assert.Equal("finding the route to 198.51.100.1: ENETUNREACH", error.Message);
    }

    [Fact]
    public async Task Apply_ManyChangesWithErrorsAmongThem_ReportsEachInItsPlace()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var flannel = await AddFlannelAsync(ns);
        var changes = new List<RouteNetlinkChange>();
        for (var i = 0; i < 100; i++)
        {
            var subnet = IPv4Prefix.Parse($"10.6.{i}.0/24");
            var mac = MacAddress.Parse($"02:00:00:00:00:{i:x2}");
            changes.Add(new RouteNetlinkChange.EnsureNeighbour(new Neighbour(flannel, subnet.Network, mac)));
            changes.Add(new RouteNetlinkChange.EnsureForwardingEntry(new ForwardingEntry(flannel, mac, Ip("192.0.2.2"))));
            changes.Add(new RouteNetlinkChange.EnsureRoute(new Route(subnet)
            {
                Gateway = subnet.Network,
                InterfaceIndex = flannel,
                OnLink = i != 20 && i != 99,   // two that the kernel refuses, one of them the last of all
            }));
            if (i == 50) changes.Add(new RouteNetlinkChange.DeleteRoute(new Route(IPv4Prefix.Parse("10.99.0.0/16"))));   // absent: success
        }
        var results = await ns.Netlink.ApplyAsync(changes, Ct);
        var failed = results.Select((error, i) => (error, i)).Where(r => r.error is not null).ToList();
        Assert.Equal([62, 300], failed.Select(f => f.i));
        Assert.Equal("adding route 10.6.99.0/24 via flannel.1: ENETUNREACH: Nexthop has invalid gateway", failed[1].error?.Message);
        Assert.Equal(98, (await ns.IpJsonAsync("route show dev flannel.1")).Count);
        Assert.Equal(100, (await ns.BridgeJsonAsync("fdb show dev flannel.1")).Count);

        Assert.All(await ns.Netlink.ApplyAsync(changes.ConvertAll(Reverse), Ct), Assert.Null);
        Assert.Empty(await ns.BridgeJsonAsync("fdb show dev flannel.1"));
        Assert.Empty(await ns.IpJsonAsync("route show dev flannel.1"));
    }

    private static RouteNetlinkChange Reverse(RouteNetlinkChange change) => change switch
    {
        RouteNetlinkChange.EnsureRoute r => new RouteNetlinkChange.DeleteRoute(r.Route),
        RouteNetlinkChange.EnsureNeighbour n => new RouteNetlinkChange.DeleteNeighbour(n.Neighbour),
        RouteNetlinkChange.EnsureForwardingEntry e => new RouteNetlinkChange.DeleteForwardingEntry(e.Entry),
        _ => change,
    };
}
