using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Flanneld.Reconciling;

/// <summary>What the kernel has on the network's device, as dumped: all of its ARP, forwarding and main-table entries.</summary>
internal sealed record KernelTables(
    int DeviceIndex, IReadOnlyList<Neighbour> Neighbours, IReadOnlyList<ForwardingEntry> Forwarding, IReadOnlyList<Route> Routes)
{
    public static async Task<KernelTables> ReadAsync(RouteNetlink kernel, int deviceIndex, CancellationToken ct) => new(
        deviceIndex,
        await kernel.ListNeighboursAsync(deviceIndex, ct),
        await kernel.ListForwardingEntriesAsync(deviceIndex, ct),
        await kernel.ListRoutesAsync(new RouteFilter { InterfaceIndex = deviceIndex }, ct));
}
