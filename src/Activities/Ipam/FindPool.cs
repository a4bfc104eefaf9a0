using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Ipam;

/// <summary>
/// What of a network is in etcd before its allocation begins. It is a step of its own so that it is journalled: what was there before is
/// not undone when the allocation fails, also if the daemon dies in between. Docker replays allocations after each leader change.
/// </summary>
public sealed class FindPool(PoolAllocator pools) : Activity<FindPool.In, FindPool.Out>
{
    public sealed record In(string NetworkId, string Pool);

    /// <param name="WasLinked">The pool belonged to this network already.</param>
    /// <param name="HadVni">The pool had a VNI already.</param>
    public sealed record Out(bool WasLinked, bool HadVni);

    public override string Type => "FlannelFlow.FindPool";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var record = await pools.FindAsync(IPv4Network.Parse(input.Pool), ct) ?? throw new RefusalException(
            $"network {input.NetworkId}: the subnet {input.Pool} was not allocated by FlannelFlow; create the network with " +
            "--ipam-driver flannelflow:latest");
        return new Out(record.State == PoolState.Linked && record.NetworkId == input.NetworkId, record.Vni is not null);
    }
}
