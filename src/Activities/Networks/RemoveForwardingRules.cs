using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Networks;

/// <summary>No rule of the network is left; with the last network goes our table.</summary>
public sealed class RemoveForwardingRules(ForwardingRules rules, HostNetworks networks) : Activity<RemoveForwardingRules.In, Nothing>
{
    /// <param name="Pool">Empty, and Vni 0: the network is not on this host, nothing is to be done.</param>
    public sealed record In(string Pool, int Vni);

    public override string Type => "FlannelFlow.RemoveForwardingRules";

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        if (input.Pool.Length > 0)
            await rules.RemoveAsync(input.Vni, IPv4Network.Parse(input.Pool), () => networks.IsOnly(input.Vni), ct);
        return Nothing.Instance;
    }
}
