using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Flanneld.Reconciling;

/// <summary>What is missing for one remote host, in the order in which it is added.</summary>
internal sealed record HostAdditions(RemoteHost Host, IReadOnlyList<RouteNetlinkChange> Changes);

/// <summary>The way from what the kernel has to what is wanted: first all additions, then all deletions.</summary>
internal sealed record ReconcilePlan(IReadOnlyList<HostAdditions> Additions, IReadOnlyList<RouteNetlinkChange> Deletions)
{
    public bool IsEmpty => Additions.Count == 0 && Deletions.Count == 0;

    /// <summary>
    /// Pure. Additions go ARP, FDB, route, so that the kernel never asks by ARP where a route leads; deletions the other way round. Deleted
    /// is only what flannel makes: permanent entries, and unicast routes into the network over the device that are not the kernel's own.
    /// </summary>
    public static ReconcilePlan From(IReadOnlyList<RemoteHost> wanted, KernelTables found, IPv4Network network)
    {
        var device = found.DeviceIndex;
        var neighbours = found.Neighbours.Where(n => n.State == NeighbourState.Permanent).Select(n => (n.Address, n.Mac)).ToHashSet();
        var forwarding = found.Forwarding.Where(IsOurs).Select(f => (f.Mac, f.Remote)).ToHashSet();
        var routes = found.Routes.Select(Essence).ToHashSet();

        var additions = new List<HostAdditions>();
        var keptNeighbours = new HashSet<System.Net.IPAddress>();
        var keptForwarding = new HashSet<(MacAddress, System.Net.IPAddress?)>();
        var wantedRoutes = new Dictionary<(IPv4Prefix, int), Route>();
        foreach (var host in wanted)
        {
            var gateway = host.Subnet.First.ToIPAddress();
            var remote = host.PublicIP.ToIPAddress();
            var route = RouteTo(host, device);
            keptNeighbours.Add(gateway);
            keptForwarding.Add((host.Mac, remote));
            wantedRoutes.Add((route.Destination, route.Metric), Essence(route));

            var missing = new List<RouteNetlinkChange>(3);
            if (!neighbours.Contains((gateway, host.Mac))) missing.Add(new RouteNetlinkChange.EnsureNeighbour(new Neighbour(device, gateway, host.Mac)));
            if (!forwarding.Contains((host.Mac, remote))) missing.Add(new RouteNetlinkChange.EnsureForwardingEntry(new ForwardingEntry(device, host.Mac, remote)));
            if (!routes.Contains(Essence(route))) missing.Add(new RouteNetlinkChange.EnsureRoute(route));
            if (missing.Count > 0) additions.Add(new HostAdditions(host, missing));
        }

        var deletions = new List<RouteNetlinkChange>();
        deletions.AddRange(found.Routes.Where(r => IsOurs(r, network) && IsSuperfluous(r)).Select(r => new RouteNetlinkChange.DeleteRoute(r)));
        deletions.AddRange(found.Forwarding.Where(f => IsOurs(f) && !keptForwarding.Contains((f.Mac, f.Remote))).Select(f => new RouteNetlinkChange.DeleteForwardingEntry(f)));
        deletions.AddRange(found.Neighbours.Where(n => n.State == NeighbourState.Permanent && !keptNeighbours.Contains(n.Address)).Select(n => new RouteNetlinkChange.DeleteNeighbour(n)));
        return new ReconcilePlan(additions, deletions);

        // A route with the destination and metric of a wanted one is that one, or is replaced by its addition. To delete it then could hit
        // the new one: the kernel finds a route to delete by its gateway and device, not by its flags (fib_nh_match).
        bool IsSuperfluous(Route route) => !wantedRoutes.TryGetValue((route.Destination, route.Metric), out var other)
            || (routes.Contains(other) && !Equals(route.Gateway, other.Gateway));
    }

    public static Route RouteTo(RemoteHost host, int device) => new(Prefix(host.Subnet))
    {
        Gateway = host.Subnet.First.ToIPAddress(),
        InterfaceIndex = device,
        OnLink = true,
    };

    public static IPv4Prefix Prefix(IPv4Network network) => new(network.First.ToIPAddress(), network.Length);

    /// <summary>A route as far as it matters here: another table, source or protocol makes a different route.</summary>
    private static Route Essence(Route route) => new(route.Destination)
    {
        Gateway = route.Gateway,
        InterfaceIndex = route.InterfaceIndex,
        OnLink = route.OnLink,
        PreferredSource = route.PreferredSource,
        Scope = route.Scope,
        Kind = route.Kind,
        Protocol = route.Protocol,
        Table = route.Table,
        Metric = route.Metric,
    };

    private static bool IsOurs(ForwardingEntry entry) => entry is { IsSelf: true, Remote: not null } && (entry.State & NeighbourState.Permanent) != 0;

    private static bool IsOurs(Route route, IPv4Network network) =>
        route is { Kind: RouteKind.Unicast, Protocol: not RouteProtocol.Kernel } && Prefix(network).Contains(route.Destination);
}
