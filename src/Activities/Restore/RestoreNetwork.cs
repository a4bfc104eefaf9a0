using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Restore;

/// <summary>Restore, step 5: a network-restore has begun for the network, if this host still carries it in use. Its end is not waited for.</summary>
public sealed class RestoreNetwork(IHostUpkeep upkeep) : Activity<RestoreNetwork.In, RestoreNetwork.Out>
{
    public sealed record In(string NetworkId);

    /// <param name="Workflow">Id of the instance; empty: there was nothing to begin.</param>
    public sealed record Out(string Workflow);

    public override string Type => "FlannelFlow.RestoreNetwork";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct) =>
        new(await upkeep.RestoreNetworkAsync(input.NetworkId, ct) ?? "");
}
