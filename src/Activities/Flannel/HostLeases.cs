using System.Net.Sockets;
using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Activities.Flannel;

/// <summary>The subnet leases that flannelds of this host hold.</summary>
public sealed class HostLeases(IEtcd etcd, ClusterKeys keys, RouteNetlink netlink)
{
    /// <summary>
    /// No lease of the network is this host's, and no address record of its subnet is left. A lease is this host's by its underlay address (flannel's identity of a host), and which
    /// address flanneld took is its own choice: all addresses of this host are tried.
    /// </summary>
    public async Task ReleaseAsync(IPv4Network pool, CancellationToken ct)
    {
        var leases = new SubnetLeases(etcd, keys.Network(pool));
        var mine = (await netlink.ListAddressesAsync(null, ct))
            .Where(address => address.Address.AddressFamily == AddressFamily.InterNetwork)
            .Select(address => IPv4Address.From(address.Address))
            .ToHashSet();
        foreach (var lease in (await leases.ListAsync(ct)).Leases.Where(lease => mine.Contains(lease.PublicIP)))
        {
            // The addresses first: with the lease gone, another host may take the subnet and hand out the same ones.
            await etcd.DeleteAsync(EtcdKeys.Under($"{keys.AddressesOf(pool)}{lease.Subnet.PathForm}/"), ct);
            await leases.DeleteOwnAsync(lease.PublicIP, ct);
        }
    }
}
