using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Flannel;

/// <summary>The network's directory is gone: this host carries it no longer.</summary>
public sealed class DeleteFlannelEnv(HostNetworks networks) : Activity<DeleteFlannelEnv.In, Nothing>
{
    /// <param name="Pool">Empty: nothing is to be done.</param>
    public sealed record In(string NetworkId, string Pool);

    public override string Type => "FlannelFlow.DeleteFlannelEnv";

    public override Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        if (input.Pool.Length > 0)
            networks.Delete(input.NetworkId, IPv4Network.Parse(input.Pool));
        return Task.FromResult(Nothing.Instance);
    }
}
