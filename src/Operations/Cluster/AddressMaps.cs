using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Pools;

namespace FlannelFlow.Operations.Cluster;

/// <summary>The pool of a Docker network: how it is cut, and who has what.</summary>
/// <param name="Vni">Null until it is allocated.</param>
/// <param name="FreeSubnets">Host subnets that no host holds.</param>
public sealed record AddressMap(
    string NetworkId, string Network, string Pool, PoolState State, int? Vni, string Gateway, long HostSubnets, long FreeSubnets, IReadOnlyList<AddressRangeView> Ranges);

/// <param name="Kind">service, or host.</param>
/// <param name="Host">That holds the subnet: its name, or its underlay address when no host of that address is known; empty for the service range.</param>
/// <param name="ExpiresIn">Seconds until the lease ends, unless it is renewed; null: it does not.</param>
/// <param name="Capacity">Addresses that can be handed out.</param>
public sealed record AddressRangeView(
    string Range, string Kind, string Host, double? ExpiresIn, long Capacity, int Held, int Quarantined, IReadOnlyList<AddressView> Addresses);

/// <param name="Holder">The container's or the service's name, the endpoint's id when it has none, or empty.</param>
public sealed record AddressView(string Address, AddressKind Kind, AddressState State, string Holder, string Host, DateTimeOffset Since);

/// <summary>Reads the address maps, which are in etcd only.</summary>
public sealed class AddressMaps(IEtcd etcd, ClusterKeys keys, PoolAllocator pools, AddressAllocator addresses, DockerMirror mirror)
{
    /// <exception cref="KeyNotFoundException">There is no such network, or it has no pool.</exception>
    /// <exception cref="EtcdException"/>
    public async Task<AddressMap> ReadAsync(string networkId, CancellationToken ct)
    {
        var state = mirror.Current ?? MirrorState.Empty;
        var pool = await pools.FindByNetworkAsync(networkId, ct) ?? throw new KeyNotFoundException($"no pool belongs to a network \"{networkId}\"");
        var layout = pool.Layout();
        var leases = (await new SubnetLeases(etcd, keys.Network(pool.Cidr)).ListAsync(ct)).Leases;
        var held = (await addresses.ListPoolAsync(pool.Cidr, ct)).ToLookup(record => record.RangePath, StringComparer.Ordinal);
        var ranges = new List<AddressRangeView> { Range(AddressRange.Service(layout), "service", "", null) };
        foreach (var lease in leases.Where(lease => pool.Cidr.Contains(lease.Subnet)).OrderBy(lease => lease.Subnet))
        {
            var left = lease.EtcdLease == EtcdLeaseId.None ? null : await etcd.TimeToLiveAsync(lease.EtcdLease, ct);
            var publicIP = lease.PublicIP.ToString();
            var host = state.Hosts.Values.FirstOrDefault(known => known.UnderlayAddress == publicIP)?.Host ?? publicIP;
            ranges.Add(Range(AddressRange.Host(pool.Cidr, lease.Subnet), "host", host, left?.TotalSeconds));
        }

        return new AddressMap(
            networkId, state.Networks.GetValueOrDefault(networkId)?.Name ?? networkId, pool.Cidr.ToString(), pool.State, pool.Vni,
            layout.Gateway.ToString(), layout.HostSubnetCount, layout.HostSubnetCount - (ranges.Count - 1), ranges);

        AddressRangeView Range(AddressRange range, string kind, string host, double? expiresIn)
        {
            var records = held[range.PathForm].OrderBy(record => record.Address).ToList();
            return new AddressRangeView(
                range.Network.ToString(), kind, host, expiresIn, range.Capacity,
                records.Count(record => record.IsHeld), records.Count(record => !record.IsHeld),
                [.. records.Select(record => new AddressView(record.Address.ToString(), record.Value.Kind, record.Value.State, Holder(state, record, networkId), record.Value.Host, record.Value.Since))]);
        }
    }

    private static string Holder(MirrorState state, AddressRecord record, string networkId)
    {
        if (record.Value.Kind == AddressKind.Vip)
            return state.Services.GetValueOrDefault(record.Value.Owner)?.Name ?? record.Value.Owner;
        var holder = state.Containers.Values.FirstOrDefault(container => container.Networks.Any(endpoint =>
            endpoint.NetworkId == networkId && (endpoint.Address == record.Address || endpoint.Provisional == record.Address)));
        return holder?.Name ?? record.Value.Owner;
    }
}
