using System.Net.Sockets;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Linux.Netlink;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Flanneld.Reconciling;

/// <summary>Which of the kernel's events can have undone something of ours.</summary>
/// <param name="DeviceIndex">0: the device is not there.</param>
internal sealed record KernelInterest(string DeviceName, int DeviceIndex, string UnderlayName, IPv4Network Network)
{
    public bool Concerns(RouteEvent change) => change switch
    {
        EventsLost => true,
        LinkChanged { Link: var link } => IsOurs(link),
        LinkDeleted { Link: var link } => IsOurs(link),
        NeighbourChanged { Neighbour: var neighbour } => neighbour.InterfaceIndex == DeviceIndex,
        ForwardingEntryChanged { Entry: var entry } => entry.InterfaceIndex == DeviceIndex,
        AddressChanged { Address: var address } => address.InterfaceIndex == DeviceIndex,
        // Also another device's route to a subnet: it may have replaced ours.
        RouteChanged { Route: var route } => route.Table == Route.MainTable
            && (route.InterfaceIndex == DeviceIndex || ReconcilePlan.Prefix(Network).Contains(route.Destination)),
        _ => false,
    };

    private bool IsOurs(Link link) => link.Name == DeviceName || link.Name == UnderlayName;
}

/// <summary>Listens to the kernel and signals what concerns us.</summary>
internal sealed class KernelWatch(Func<KernelInterest> interest, Action changed, TimeProvider time, ILogger log) : IDisposable
{
    private RouteEventSocket _socket = RouteEventSocket.Open(RouteEventGroups.All);

    public async Task RunAsync(CancellationToken ct)
    {
        while (true)
        {
            try
            {
                await foreach (var change in _socket.ReadAsync(ct))
                    if (interest().Concerns(change)) changed();
            }
            catch (SocketException e)
            {
                log.LogWarning("listening to the kernel, beginning anew: {Reason}", e.Message);
                await Task.Delay(TimeSpan.FromSeconds(1), time, ct);
                _socket.Dispose();
                _socket = RouteEventSocket.Open(RouteEventGroups.All);
                changed();
            }
        }
    }

    public void Dispose() => _socket.Dispose();
}
