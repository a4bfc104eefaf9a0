using FlannelFlow.Activities.Networks;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Flannel;

/// <summary>
/// The network's flanneld runs and holds a subnet of this host: it said READY, and its subnet file and device are there. One that is ready without
/// them (another hand removed them) is started anew: a flanneld makes both when it starts, and takes up the subnet that it had.
/// </summary>
public sealed class StartFlannel(HostNetworks networks, FlannelProcesses flannel, HostLeases leases, RouteNetlink netlink)
    : Activity<StartFlannel.In, StartFlannel.Out>
{
    /// <summary>Under the step's timeout, so that the reason is told and not only that time ran out.</summary>
    private static readonly TimeSpan ReadyTimeout = TimeSpan.FromSeconds(8);

    public sealed record In(string NetworkId);

    /// <param name="FabricMtu">Bytes.</param>
    public sealed record Out(string HostSubnet, int FabricMtu);

    public override string Type => "FlannelFlow.StartFlannel";

    public override bool CanCompensate => true;

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var network = networks.Require(input.NetworkId);
        var child = await flannel.EnsureAsync(network, ct);
        await child.EnsureReadyAsync(ReadyTimeout, ct);
        if (networks.FabricOf(network) is null || await netlink.FindLinkAsync(network.VxlanDevice, ct) is null)
        {
            await flannel.StopAsync(network.Pool, ct);
            child = await flannel.EnsureAsync(network, ct);
            await child.EnsureReadyAsync(ReadyTimeout, ct);
        }

        var fabric = networks.RequireFabric(network);
        return new Out(fabric.HostSubnet.ToString(), fabric.Mtu);
    }

    public override async Task CompensateAsync(In input, Out? output, ActivityExecution execution, CancellationToken ct)
    {
        if (networks.Find(input.NetworkId) is not { } network)
            return;
        await flannel.StopAsync(network.Pool, ct);
        await netlink.DeleteLinkAsync(network.VxlanDevice, ct);
        await leases.ReleaseAsync(network.Pool, ct);
    }
}
