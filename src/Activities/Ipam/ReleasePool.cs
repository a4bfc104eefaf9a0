using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Ipam;

/// <summary>
/// Docker's leader gave the pool back: it is gone if no network came of it, waits for its hosts if its network is freed, and stays if its
/// network lives (Docker rolls a refused second network on the same subnet back with this call).
/// </summary>
public sealed class ReleasePool(PoolAllocator pools) : Activity<ReleasePool.In, ReleasePool.Out>
{
    public sealed record In(string Pool);

    public sealed record Out(string Outcome);

    public override string Type => "FlannelFlow.ReleasePool";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct) =>
        new((await pools.ReleaseAsync(IPv4Network.Parse(input.Pool), ct)).ToString());
}
