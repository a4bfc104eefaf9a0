using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Networks;

/// <summary>Docker deleted the network from this host; it is kept until network-remove takes it away, or it is created again.</summary>
public sealed class MarkNetworkIdle(HostNetworks networks, TimeProvider time) : Activity<MarkNetworkIdle.In, Nothing>
{
    public sealed record In(string NetworkId);

    public override string Type => "FlannelFlow.MarkNetworkIdle";

    public override Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        if (networks.Find(input.NetworkId) is { IdleSince: null } network)
            networks.SetIdle(network, time.GetUtcNow());
        return Task.FromResult(Nothing.Instance);
    }
}
