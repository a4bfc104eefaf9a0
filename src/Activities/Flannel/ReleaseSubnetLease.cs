using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Flannel;

/// <summary>This host holds no subnet of the network in etcd: other hosts take away their routes to it.</summary>
public sealed class ReleaseSubnetLease(HostLeases leases) : Activity<ReleaseSubnetLease.In, Nothing>
{
    /// <param name="Pool">Empty: nothing is to be done.</param>
    public sealed record In(string Pool);

    public override string Type => "FlannelFlow.ReleaseSubnetLease";

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        if (input.Pool.Length > 0)
            await leases.ReleaseAsync(IPv4Network.Parse(input.Pool), ct);
        return Nothing.Instance;
    }
}
