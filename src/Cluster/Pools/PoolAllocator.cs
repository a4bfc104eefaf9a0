using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster.Pools;

/// <summary>Hands out pools.</summary>
public sealed class PoolAllocator(IEtcd etcd, ClusterKeys keys, AddressSpace space, TimeProvider time)
{
    public Task<PoolRecord> AllocateAsync(PoolRequest request, CancellationToken ct) => throw NotYet();

    public Task<PoolRecord> LinkAsync(IPv4Network pool, string networkId, CancellationToken ct) => throw NotYet();

    /// <summary>The network is gone. Returns its pool, or null when it had none; then nothing was to do.</summary>
    public Task<PoolRecord?> MarkFreedAsync(string networkId, CancellationToken ct) => throw NotYet();

    /// <summary>Docker's ReleasePool (leader): an unlinked pool goes at once, a freed one when no host holds a subnet, a linked one stays.</summary>
    public Task<PoolRelease> ReleaseAsync(IPv4Network pool, CancellationToken ct) => throw NotYet();

    /// <summary>By each host after it gave up its subnet: the last one releases a freed pool.</summary>
    public Task<PoolRelease> ReleaseIfLastAsync(IPv4Network pool, CancellationToken ct) => throw NotYet();

    public Task<PoolRecord?> FindAsync(IPv4Network pool, CancellationToken ct) => throw NotYet();

    public Task<PoolRecord?> FindByNetworkAsync(string networkId, CancellationToken ct) => throw NotYet();

    public Task<IReadOnlyList<PoolRecord>> ListAsync(CancellationToken ct) => throw NotYet();

    private NotSupportedException NotYet() => new($"{etcd} {keys} {space} {time}");
}
