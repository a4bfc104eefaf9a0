using FlannelFlow.Cluster.Addressing;

namespace FlannelFlow.Cluster.Pools;

public enum PoolState
{
    /// <summary>Handed to Docker's leader, not yet linked to a network.</summary>
    Allocated,

    /// <summary>Belongs to a living Docker network.</summary>
    Linked,

    /// <summary>Its network is gone; hosts may still hold subnets of it.</summary>
    Freed,
}

/// <summary><c>address-space/pools/&lt;pool&gt;</c>. The layout is kept with the pool, so that changed options do not move existing networks.</summary>
/// <param name="NetworkId">Docker's id. Of a freed pool: whose it was.</param>
/// <param name="RequestId">The dockerd call that made it; a re-sent call joins.</param>
/// <param name="Since">When it came into its state.</param>
public sealed record PoolRecord(
    IPv4Network Cidr,
    IPv4Network ServiceRange,
    int HostSubnetSize,
    int? Vni,
    string? NetworkId,
    string? FlannelId,
    string RequestId,
    PoolState State,
    DateTimeOffset Since)
{
    public PoolLayout Layout() => new(Cidr, ServiceRange, HostSubnetSize);
}

/// <summary><c>address-space/vnis/&lt;vni&gt;</c>.</summary>
internal sealed record VniRecord(IPv4Network Pool);

/// <summary>What Docker's leader asks for in RequestPool.</summary>
/// <param name="Cidr">Docker's text; null or empty: the next free one.</param>
/// <param name="FlannelId">The Go reference's IPAM option flannel-id, or null.</param>
/// <param name="RequestId">Unique per dockerd call.</param>
public sealed record PoolRequest(string? Cidr, string? FlannelId, string RequestId);

public enum PoolRelease
{
    /// <summary>Config, addresses, VNI and the pool's key are gone. Also the answer for a pool that was gone before.</summary>
    Released,

    /// <summary>It belongs to a living network: nothing was done.</summary>
    InUse,

    /// <summary>Freed, but hosts still hold subnets: the last of them releases it.</summary>
    HostsRemain,
}
