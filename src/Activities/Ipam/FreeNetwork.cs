using FlannelFlow.Cluster.Pools;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Ipam;

/// <summary>Docker's cluster has no such network any more; its pool goes once no host uses it.</summary>
public sealed class FreeNetwork(PoolAllocator pools) : Activity<FreeNetwork.In, FreeNetwork.Out>
{
    public sealed record In(string NetworkId);

    /// <param name="Pool">Empty: the network had none.</param>
    public sealed record Out(string Pool);

    public override string Type => "FlannelFlow.FreeNetwork";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct) =>
        new((await pools.MarkFreedAsync(input.NetworkId, ct))?.Cidr.ToString() ?? "");
}
