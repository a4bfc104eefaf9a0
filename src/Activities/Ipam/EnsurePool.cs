using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Ipam;

/// <summary>
/// The pool that Docker names for its network is the network's in etcd too, also if etcd has lost it: Docker's data trumps etcd's.
/// </summary>
public sealed class EnsurePool(PoolAllocator pools) : Activity<EnsurePool.In, Nothing>
{
    public sealed record In(string NetworkId, string Pool);

    public override string Type => "FlannelFlow.EnsurePool";

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var pool = IPv4Network.Parse(input.Pool);
        var record = await pools.FindAsync(pool, ct);
        if (record is { State: PoolState.Linked } && record.NetworkId == input.NetworkId) return Nothing.Instance;
        if (record is null && await pools.AdoptAsync(pool, input.NetworkId, ct) is not null) return Nothing.Instance;
        await pools.AllocateAsync(new PoolRequest(input.Pool, FlannelId: null, execution.IdempotencyKey), ct);
        await pools.LinkAsync(pool, input.NetworkId, ct);
        return Nothing.Instance;
    }
}
