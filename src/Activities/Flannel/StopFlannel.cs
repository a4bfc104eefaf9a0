using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Flannel;

/// <summary>No flanneld of the network runs on this host, and none is started again.</summary>
public sealed class StopFlannel(FlannelProcesses flannel) : Activity<StopFlannel.In, Nothing>
{
    /// <param name="Pool">Empty: nothing is to be done.</param>
    public sealed record In(string Pool);

    public override string Type => "FlannelFlow.StopFlannel";

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        if (input.Pool.Length > 0)
            await flannel.StopAsync(IPv4Network.Parse(input.Pool), ct);
        return Nothing.Instance;
    }
}
