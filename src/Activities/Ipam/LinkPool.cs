using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Ipam;

/// <summary>The pool belongs to Docker's network. Undone, it is freed again, unless it was the network's before.</summary>
public sealed class LinkPool(PoolAllocator pools) : Activity<LinkPool.In, Nothing>
{
    public sealed record In(string NetworkId, string Pool, bool WasLinked);

    public override string Type => "FlannelFlow.LinkPool";

    public override bool CanCompensate => true;

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        await pools.LinkAsync(IPv4Network.Parse(input.Pool), input.NetworkId, ct);
        return Nothing.Instance;
    }

    public override async Task CompensateAsync(In input, Nothing? output, ActivityExecution execution, CancellationToken ct)
    {
        var record = await pools.FindByNetworkAsync(input.NetworkId, ct);
        // In doubt, the pool may be another network's: that is what was refused.
        if (!input.WasLinked && record is not null && record.Cidr == IPv4Network.Parse(input.Pool))
            await pools.MarkFreedAsync(input.NetworkId, ct);
    }
}
