using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Ipam;

/// <summary>If the network is freed and no host holds a subnet of it: configuration, addresses, VNI and pool are gone from etcd.</summary>
public sealed class ReleasePoolIfLast(PoolAllocator pools) : Activity<ReleasePoolIfLast.In, ReleasePoolIfLast.Out>
{
    /// <param name="Pool">Empty: nothing is to be done.</param>
    public sealed record In(string Pool);

    public sealed record Out(string Outcome);

    public override string Type => "FlannelFlow.ReleasePoolIfLast";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct) =>
        new(input.Pool.Length == 0 ? "" : (await pools.ReleaseIfLastAsync(IPv4Network.Parse(input.Pool), ct)).ToString());
}
