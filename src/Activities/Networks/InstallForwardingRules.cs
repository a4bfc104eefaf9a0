using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Networks;

/// <summary>The network's packets may be forwarded on this host, and those of no other network into it.</summary>
public sealed class InstallForwardingRules(ForwardingRules rules, HostNetworks networks, RouteNetlink netlink) : Activity<InstallForwardingRules.In, Nothing>
{
    public sealed record In(string Pool, int Vni);

    public override string Type => "FlannelFlow.InstallForwardingRules";

    public override bool CanCompensate => true;

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var vxlan = await netlink.FindLinkAsync(NetworkDevices.Vxlan(input.Vni), ct);
        var underlay = vxlan?.Vxlan is { UnderlayIndex: > 0 and var index } ? await netlink.FindLinkAsync(index, ct) : null;
        await rules.EnsureAsync(input.Vni, IPv4Network.Parse(input.Pool), underlay?.Name, ct);
        return Nothing.Instance;
    }

    public override Task CompensateAsync(In input, Nothing? output, ActivityExecution execution, CancellationToken ct) =>
        rules.RemoveAsync(input.Vni, IPv4Network.Parse(input.Pool), () => networks.IsOnly(input.Vni), ct);
}
