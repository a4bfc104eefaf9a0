using System.Net.Sockets;
using System.Runtime.CompilerServices;
using FlannelFlow.Linux.Namespaces;

namespace FlannelFlow.Linux.Netlink;

/// <summary>
/// A subscription to the kernel's changes. It begins to collect when it is opened, so: open, dump, then read, and dump again at each
/// <see cref="EventsLost"/>: what changes during a dump is in the queue. One reader at a time.
/// </summary>
public sealed class RouteEventSocket : IDisposable
{
    /// <summary>Room for about 5,000 events while the reader is busy.</summary>
    private const int DefaultReceiveBuffer = 4 << 20;

    private readonly Socket _socket;
    private readonly byte[] _buffer = new byte[64 * 1024];

    private RouteEventSocket(Socket socket) => _socket = socket;

    public static RouteEventSocket Open(RouteEventGroups groups) => Open(groups, networkNamespace: null, DefaultReceiveBuffer);

    public static RouteEventSocket OpenIn(NetworkNamespace networkNamespace, RouteEventGroups groups)
    {
        ArgumentNullException.ThrowIfNull(networkNamespace);
        return Open(groups, networkNamespace, DefaultReceiveBuffer);
    }

    internal static RouteEventSocket Open(RouteEventGroups groups, NetworkNamespace? networkNamespace, int receiveBuffer)
    {
        // The mask of bind() has bit n-1 for group n: RTNLGRP_LINK 1, NEIGH 3, IPV4_IFADDR 5, IPV4_ROUTE 7.
        uint mask = 0;
        if ((groups & RouteEventGroups.Links) != 0) mask |= 1u << 0;
        if ((groups & RouteEventGroups.Neighbours) != 0) mask |= 1u << 2;
        if ((groups & RouteEventGroups.Addresses) != 0) mask |= 1u << 4;
        if ((groups & RouteEventGroups.Routes) != 0) mask |= 1u << 6;
        return new RouteEventSocket(NetlinkSocket.OpenSocket(NetlinkProtocol.Route, mask, receiveBuffer, networkNamespace).Socket);
    }

    /// <summary>Ends with <see cref="OperationCanceledException"/>. What cannot be parsed counts as lost.</summary>
    public async IAsyncEnumerable<RouteEvent> ReadAsync([EnumeratorCancellation] CancellationToken ct)
    {
        while (true)
        {
            foreach (var change in await ReceiveAsync(ct))
                yield return change;
        }
    }

    private async Task<IReadOnlyList<RouteEvent>> ReceiveAsync(CancellationToken ct)
    {
        try
        {
            var received = await _socket.ReceiveAsync(_buffer, SocketFlags.Truncated, ct);
            return received <= _buffer.Length ? Parse(_buffer.AsSpan(0, received)) : [new EventsLost()];
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.NoBufferSpaceAvailable)
        {
            // The kernel drops all further events, and says nothing more, until the queue has been read empty (NETLINK_S_CONGESTED in
            // net/netlink/af_netlink.c). So it is emptied before the reader is told: what happens during its dump must be in the queue.
            NetlinkSocket.DropQueued(_socket, _buffer);
            return [new EventsLost()];
        }
        catch (NetlinkException)
        {
            return [new EventsLost()];
        }
    }

    internal static List<RouteEvent> Parse(ReadOnlySpan<byte> datagram)
    {
        var events = new List<RouteEvent>();
        var reader = new NetlinkReader(datagram);
        while (reader.TryRead(out var message))
        {
            if (Parse(message) is { } change) events.Add(change);
        }
        return events;
    }

    private static RouteEvent? Parse(NetlinkMessage message)
    {
        var type = message.Type;
        var payload = message.Payload;
        switch (type)
        {
            case Rtm.NewLink:
                return LinkCodec.Parse(type, payload) is { } made ? new LinkChanged(made) : null;
            case Rtm.DelLink:
                return LinkCodec.Parse(type, payload) is { } gone ? new LinkDeleted(gone) : null;
            case Rtm.NewAddr or Rtm.DelAddr:
                return RouteCodec.ParseAddress(type, payload) is { } address ? new AddressChanged(address, type == Rtm.DelAddr) : null;
            case Rtm.NewRoute or Rtm.DelRoute:
                return RouteCodec.ParseRoute(type, payload) is { } route ? new RouteChanged(route, type == Rtm.DelRoute) : null;
            case Rtm.NewNeigh or Rtm.DelNeigh:
                if (NeighbourCodec.ParseNeighbour(type, payload) is { } neighbour) return new NeighbourChanged(neighbour, type == Rtm.DelNeigh);
                return NeighbourCodec.ParseForwarding(type, payload) is { } entry ? new ForwardingEntryChanged(entry, type == Rtm.DelNeigh) : null;
            default:
                return null;
        }
    }

    public void Dispose() => _socket.Dispose();
}
