using FlannelFlow.Linux.Netlink;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Networks;

/// <summary>
/// Decides what network-remove removes: the network if it is on this host and idle (or the removal is forced), else nothing. It runs under
/// the network's lane, so a network that was created again meanwhile is seen as in use.
/// </summary>
public sealed class FindIdleNetwork(HostNetworks networks, RouteNetlink netlink) : Activity<FindIdleNetwork.In, FindIdleNetwork.Out>
{
    public sealed record In(string NetworkId, bool Forced);

    /// <param name="Pool">Empty, and Vni 0: nothing is to be removed.</param>
    public sealed record Out(string Pool, int Vni);

    public override string Type => "FlannelFlow.FindIdleNetwork";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        if (networks.Find(input.NetworkId) is not { } network || !(input.Forced || network.IdleSince is not null))
            return new Out("", 0);
        if (!input.Forced && await HasPortsAsync(network, ct))
        {
            // Whoever took it for idle was wrong: an endpoint joined since.
            networks.SetIdle(network, null);
            return new Out("", 0);
        }

        return new Out(network.Pool.ToString(), network.Vni);
    }

    private async Task<bool> HasPortsAsync(HostNetwork network, CancellationToken ct) =>
        await netlink.FindLinkAsync(network.Bridge, ct) is { } bridge
        && (await netlink.ListLinksAsync(ct)).Any(link => link.Master == bridge.Index);
}
