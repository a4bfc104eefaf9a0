using FlannelFlow.Activities.Networks;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Endpoints;

/// <summary>The host's end of the veth is a port of the network's bridge, and up. Undone with the veth itself.</summary>
public sealed class AttachToBridge(HostNetworks networks, RouteNetlink netlink) : Activity<AttachToBridge.In, Nothing>
{
    public sealed record In(string NetworkId, string HostInterface);

    public override string Type => "FlannelFlow.AttachToBridge";

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var bridge = await netlink.GetLinkAsync(networks.Require(input.NetworkId).Bridge, ct);
        var veth = await netlink.GetLinkAsync(input.HostInterface, ct);
        if (veth.Master != bridge.Index || !veth.IsUp)
            await netlink.ChangeLinkAsync(veth.Index, new LinkChange { Master = bridge.Index, Up = true }, ct);
        // A container may be a backend of the service that it asks.
        await netlink.SetHairpinAsync(veth.Index, on: true, ct);
        return Nothing.Instance;
    }
}
