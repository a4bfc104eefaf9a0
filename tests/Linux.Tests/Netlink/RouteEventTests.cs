using System.Net;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Tests.Netlink;

[Trait("Needs", "kernel")]
public sealed class RouteEventTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Subscription_EachKindOfChange_IsSeen()
    {
        await using var ns = await TestNamespace.CreateAsync();
        using var events = RouteEventSocket.OpenIn(ns.Handle, RouteEventGroups.All);
        var underlay = await ns.AddUnderlayAsync();
        var vxlan = await ns.Netlink.AddLinkAsync(new VxlanConfig("flannel.1", 1, underlay, IPAddress.Parse("192.0.2.1")) { Up = true }, Ct);
        var address = new InterfaceAddress(vxlan.Index, IPAddress.Parse("10.5.72.0"), 32);
        var mac = MacAddress.Parse("02:00:00:00:00:07");
        var neighbour = new Neighbour(vxlan.Index, IPAddress.Parse("10.5.16.0"), mac);
        var entry = new ForwardingEntry(vxlan.Index, mac, IPAddress.Parse("192.0.2.2"));
        var route = new Route(IPv4Prefix.Parse("10.5.16.0/24")) { Gateway = IPAddress.Parse("10.5.16.0"), InterfaceIndex = vxlan.Index, OnLink = true };
        await ns.Netlink.EnsureAddressAsync(address, Ct);
        await ns.Netlink.EnsureNeighbourAsync(neighbour, Ct);
        await ns.Netlink.EnsureForwardingEntryAsync(entry, Ct);
        await ns.Netlink.EnsureRouteAsync(route, Ct);
        await ns.Netlink.DeleteForwardingEntryAsync(entry, Ct);
        await ns.Netlink.DeleteRouteAsync(route, Ct);
        await ns.Netlink.DeleteLinkAsync(vxlan.Index, Ct);

        var missing = new HashSet<RouteEvent>
        {
            new AddressChanged(address, Deleted: false), new NeighbourChanged(neighbour, Deleted: false),
            new ForwardingEntryChanged(entry, Deleted: false), new RouteChanged(route, Deleted: false),
            new ForwardingEntryChanged(entry, Deleted: true), new RouteChanged(route, Deleted: true), new AddressChanged(address, Deleted: true),
        };
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        bound.CancelAfter(TimeSpan.FromSeconds(5));
        var made = false;
        await foreach (var change in events.ReadAsync(bound.Token))
        {
            missing.Remove(change);
            made |= change is LinkChanged { Link: { Name: "flannel.1", Vxlan.Vni: 1 } };
            if (change is LinkDeleted { Link.Name: "flannel.1" }) break;
        }
        Assert.True(made);
        Assert.Empty(missing);
    }

    [Fact]
    public async Task Subscription_BufferOverflows_SaysEventsLostAndGoesOn()
    {
        await using var ns = await TestNamespace.CreateAsync();
        using var events = RouteEventSocket.Open(RouteEventGroups.Links, ns.Handle, receiveBuffer: 4096);
        for (var i = 0; i < 40; i++)
            await ns.Netlink.AddLinkAsync(new BridgeConfig("br" + i), Ct);
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        bound.CancelAfter(TimeSpan.FromSeconds(5));
        var lost = false;
        await foreach (var change in events.ReadAsync(bound.Token))
        {
            if (change is EventsLost && !lost)
            {
                lost = true;
                await ns.Netlink.DeleteLinkAsync("br7", Ct);
            }
            if (change is LinkDeleted { Link.Name: "br7" }) break;
        }
        Assert.True(lost);
    }

    [Fact]
    public async Task Subscription_Cancelled_Ends()
    {
        await using var ns = await TestNamespace.CreateAsync();
        using var events = RouteEventSocket.OpenIn(ns.Handle, RouteEventGroups.All);
        using var stop = new CancellationTokenSource();
        var reading = Task.Run(async () =>
        {
            await foreach (var _ in events.ReadAsync(stop.Token))
            {
            }
        }, Ct);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading.WaitAsync(TimeSpan.FromSeconds(5), Ct));
    }
}
