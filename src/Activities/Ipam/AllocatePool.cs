using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Ipam;

/// <summary>Docker's leader holds a pool: the one it asked for, or a free one.</summary>
public sealed class AllocatePool(PoolAllocator pools) : Activity<AllocatePool.In, AllocatePool.Out>
{
    /// <param name="RequestId">Of dockerd's call; the same id gets the same pool.</param>
    /// <param name="Requested">A CIDR; empty: any.</param>
    /// <param name="FlannelId">The Go plugin's IPAM option; empty: none.</param>
    public sealed record In(string RequestId, string Requested, string FlannelId);

    public sealed record Out(string Pool);

    public override string Type => "FlannelFlow.AllocatePool";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var record = await pools.AllocateAsync(
            new PoolRequest(input.Requested, input.FlannelId.Length > 0 ? input.FlannelId : null, input.RequestId),
            ct);
        return new Out(record.Cidr.ToString());
    }
}
