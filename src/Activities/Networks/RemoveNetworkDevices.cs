using FlannelFlow.Linux.Netlink;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Networks;

/// <summary>The network's bridge and VXLAN device are gone, and with them their addresses, routes and neighbours.</summary>
public sealed class RemoveNetworkDevices(RouteNetlink netlink) : Activity<RemoveNetworkDevices.In, Nothing>
{
    /// <param name="Vni">0: the network is not on this host, nothing is to be done.</param>
    public sealed record In(int Vni);

    public override string Type => "FlannelFlow.RemoveNetworkDevices";

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        if (input.Vni != 0)
        {
            await netlink.DeleteLinkAsync(NetworkDevices.Bridge(input.Vni), ct);
            await netlink.DeleteLinkAsync(NetworkDevices.Vxlan(input.Vni), ct);
        }

        return Nothing.Instance;
    }
}
