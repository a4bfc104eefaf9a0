using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster.Pools;

/// <summary>VXLAN network identifiers, unique in the cluster.</summary>
public sealed class VniAllocator(IEtcd etcd, ClusterKeys keys, AddressSpace space)
{
    /// <summary>The pool's VNI; the same one however often it is asked. An explicit one (Docker's driver options trump etcd) is taken when it is free.</summary>
    public Task<int> AllocateAsync(IPv4Network pool, int? explicitVni, CancellationToken ct) => throw NotYet();

    /// <summary>Gives it back ahead of the pool. None is success.</summary>
    public Task ReleaseAsync(IPv4Network pool, CancellationToken ct) => throw NotYet();

    private NotSupportedException NotYet() => new($"{etcd} {keys} {space}");
}
