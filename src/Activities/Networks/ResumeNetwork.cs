using FlannelFlow.Activities.Flannel;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Linux.Processes;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Networks;

/// <summary>
/// A network that lingers is in use again, if all of it still stands: its flanneld is ready and its bridge is up. If not, nothing is
/// changed and network-restore is due. This is what makes the second container of a network cheap.
/// </summary>
public sealed class ResumeNetwork(HostNetworks networks, FlannelProcesses flannel, RouteNetlink netlink)
    : Activity<ResumeNetwork.In, ResumeNetwork.Out>
{
    /// <param name="Mtu">Bytes; 0: what the fabric allows.</param>
    public sealed record In(string NetworkId, int Mtu);

    public sealed record Out(bool Resumed);

    public override string Type => "FlannelFlow.ResumeNetwork";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        if (networks.Find(input.NetworkId) is not { } network
            || network.Mtu != input.Mtu
            || networks.FabricOf(network) is null
            || flannel.Find(network.Pool)?.State.Status != ChildStatus.Ready
            || await netlink.FindLinkAsync(network.Bridge, ct) is not { IsUp: true })
            return new Out(Resumed: false);
        if (network.IdleSince is not null)
            networks.SetIdle(network, since: null);
        return new Out(Resumed: true);
    }
}
