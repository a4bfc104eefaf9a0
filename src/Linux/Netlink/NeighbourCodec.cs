using System.Net;
using System.Runtime.InteropServices;

namespace FlannelFlow.Linux.Netlink;

/// <summary>RTM_*NEIGH: ARP entries (AF_INET) and forwarding entries (AF_BRIDGE).</summary>
internal static class NeighbourCodec
{
    /// <summary>Proxy entries (NTF_PROXY) are left out: they are no neighbours.</summary>
    public static Neighbour? ParseNeighbour(ushort type, ReadOnlySpan<byte> payload)
    {
        if (!TryParse(type, payload, Rtm.FamilyIPv4, out var entry) || (entry.Flags & Nda.Proxy) != 0) return null;
        if (entry.Destination is null) throw NetlinkReader.Malformed("a neighbour without an address");
        return new Neighbour(entry.Index, entry.Destination, entry.Mac) { State = entry.State };
    }

    public static ForwardingEntry? ParseForwarding(ushort type, ReadOnlySpan<byte> payload)
    {
        if (!TryParse(type, payload, Rtm.FamilyBridge, out var entry) || entry.Mac is not { } mac) return null;
        return new ForwardingEntry(entry.Index, mac, entry.Destination)
        {
            State = entry.State,
            IsSelf = (entry.Flags & Nda.Self) != 0,
            Master = entry.Master,
        };
    }

    private readonly record struct Entry(int Index, NeighbourState State, byte Flags, IPAddress? Destination, MacAddress? Mac, int? Master);

    private static bool TryParse(ushort type, ReadOnlySpan<byte> payload, byte family, out Entry entry)
    {
        entry = default;
        if (type is not (Rtm.NewNeigh or Rtm.DelNeigh)) return false;
        var attributes = NetlinkAttributes.After(Rtm.NeighbourBody, payload);
        if (payload[0] != family) return false;
        entry = new Entry(MemoryMarshal.Read<int>(payload[4..]), (NeighbourState)MemoryMarshal.Read<ushort>(payload[8..]), payload[10], null, null, null);
        while (attributes.TryRead(out var attribute))
        {
            entry = attribute.Type switch
            {
                // A vxlan device with an IPv6 underlay has 16 bytes there: not ours.
                Nda.Destination when attribute.Value.Length == 4 => entry with { Destination = attribute.IPv4 },
                Nda.LinkAddress => entry with { Mac = attribute.Mac },
                Nda.Master => entry with { Master = attribute.Int32 },
                _ => entry,
            };
        }
        return true;
    }

    public static NetlinkRequest ListNeighbours(int? interfaceIndex)
    {
        var request = new NetlinkRequest();
        var body = request.Begin(Rtm.GetNeigh, NetlinkProtocol.Request | NetlinkProtocol.Dump, Rtm.NeighbourBody);
        body[0] = Rtm.FamilyIPv4;
        if (interfaceIndex is { } index) request.Int32(Nda.InterfaceIndex, index);
        return request;
    }

    /// <summary>For AF_BRIDGE the strict filter is ndm_ifindex itself (valid_fdb_dump_strict in net/core/rtnetlink.c).</summary>
    public static NetlinkRequest ListForwarding(int? interfaceIndex)
    {
        var request = new NetlinkRequest();
        var body = request.Begin(Rtm.GetNeigh, NetlinkProtocol.Request | NetlinkProtocol.Dump, Rtm.NeighbourBody);
        body[0] = Rtm.FamilyBridge;
        MemoryMarshal.Write(body[4..], interfaceIndex ?? 0);
        return request;
    }

    public static void Ensure(NetlinkRequest request, Neighbour neighbour, ushort flags) =>
        Write(request, neighbour, Rtm.NewNeigh, (ushort)(NetlinkProtocol.Create | NetlinkProtocol.Replace | flags));

    public static void Delete(NetlinkRequest request, Neighbour neighbour, ushort flags) => Write(request, neighbour, Rtm.DelNeigh, flags);

    /// <summary>
    /// REPLACE makes a unicast entry point to another host. The kernel refuses it for the all-zero and multicast addresses, which are
    /// lists of destinations: those are appended to (vxlan_fdb_update_existing in drivers/net/vxlan/vxlan_core.c).
    /// </summary>
    public static void Ensure(NetlinkRequest request, ForwardingEntry entry, ushort flags) =>
        Write(request, entry, Rtm.NewNeigh,
            (ushort)(NetlinkProtocol.Create | (IsList(entry.Mac) ? NetlinkProtocol.Append : NetlinkProtocol.Replace) | flags));

    public static void Delete(NetlinkRequest request, ForwardingEntry entry, ushort flags) => Write(request, entry, Rtm.DelNeigh, flags);

    private static bool IsList(MacAddress mac)
    {
        Span<byte> bytes = stackalloc byte[MacAddress.Size];
        mac.CopyTo(bytes);
        return mac.IsZero || (bytes[0] & 1) != 0;
    }

    private static void Write(NetlinkRequest request, Neighbour neighbour, ushort type, ushort flags)
    {
        var body = request.Begin(type, (ushort)(NetlinkProtocol.Request | flags), Rtm.NeighbourBody);
        body[0] = Rtm.FamilyIPv4;
        MemoryMarshal.Write(body[4..], neighbour.InterfaceIndex);
        MemoryMarshal.Write(body[8..], (ushort)neighbour.State);
        body[11] = (byte)RouteKind.Unicast;
        request.Address(Nda.Destination, neighbour.Address);
        if (neighbour.Mac is { } mac) request.Mac(Nda.LinkAddress, mac);
    }

    private static void Write(NetlinkRequest request, ForwardingEntry entry, ushort type, ushort flags)
    {
        var body = request.Begin(type, (ushort)(NetlinkProtocol.Request | flags), Rtm.NeighbourBody);
        body[0] = Rtm.FamilyBridge;
        MemoryMarshal.Write(body[4..], entry.InterfaceIndex);
        MemoryMarshal.Write(body[8..], (ushort)entry.State);
        body[10] = entry.IsSelf ? Nda.Self : (byte)0;
        if (entry.Remote is not null) request.Address(Nda.Destination, entry.Remote);
        request.Mac(Nda.LinkAddress, entry.Mac);
    }
}
