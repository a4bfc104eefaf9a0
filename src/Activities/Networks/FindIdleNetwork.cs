using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Networks;

/// <summary>
/// Decides what network-remove removes: the network if it is on this host and idle (or the removal is forced), else nothing. It runs under
/// the network's lane, so a network that was created again meanwhile is seen as in use.
/// </summary>
public sealed class FindIdleNetwork(HostNetworks networks) : Activity<FindIdleNetwork.In, FindIdleNetwork.Out>
{
    public sealed record In(string NetworkId, bool Forced);

    /// <param name="Pool">Empty, and Vni 0: nothing is to be removed.</param>
    public sealed record Out(string Pool, int Vni);

    public override string Type => "FlannelFlow.FindIdleNetwork";

    public override Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var network = networks.Find(input.NetworkId);
        return Task.FromResult(network is not null && (input.Forced || network.IdleSince is not null)
            ? new Out(network.Pool.ToString(), network.Vni)
            : new Out("", 0));
    }
}
