using System.Net.Sockets;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Flanneld.Reconciling;

/// <summary>
/// What a former process reached, and no lease says. Where all leases went at once (etcd was emptied, or an older one came back), each host leases its subnet
/// again at a moment of its own, and traffic between two of them must not wait for the later one: so it is kept for a while.
/// </summary>
internal static class Inheritance
{
    /// <summary>Counted from the start of the process. All hosts lease again within seconds.</summary>
    public static readonly TimeSpan Lasts = TimeSpan.FromSeconds(10);

    /// <summary>Pure. The hosts that the kernel reaches in whole: route, ARP and FDB entry; each subnet and each MAC once.</summary>
    public static IReadOnlyList<RemoteHost> Of(KernelTables tables)
    {
        var macs = tables.Neighbours.Where(n => n is { State: NeighbourState.Permanent, Mac: not null }).ToLookup(n => n.Address, n => n.Mac!.Value);
        var remotes = tables.Forwarding.ToLookup(f => f.Mac, f => f.Remote);
        var hosts =
            from route in tables.Routes
            let gateway = route.Destination.Network
            where gateway.Equals(route.Gateway)
            let subnet = IPv4Network.Containing(IPv4Address.From(gateway), route.Destination.Length)
            from mac in macs[gateway]
            from remote in remotes[mac]
            where remote is { AddressFamily: AddressFamily.InterNetwork }
            select new RemoteHost(subnet, IPv4Address.From(remote), mac);
        return [.. hosts.DistinctBy(host => host.Subnet).DistinctBy(host => host.Mac)];
    }

    /// <summary>Pure. Those of them that contradict neither a lease nor this host.</summary>
    public static IEnumerable<RemoteHost> Without(IEnumerable<RemoteHost> inherited, IReadOnlyList<RemoteHost> leased, OwnHost own) => inherited.Where(host =>
        !leased.Append(new RemoteHost(own.Subnet, own.PublicIP, own.Mac)).Any(other =>
            other.Subnet.Overlaps(host.Subnet) || other.Mac == host.Mac || other.PublicIP == host.PublicIP));
}
