using System.Net;
using System.Runtime.InteropServices;

namespace FlannelFlow.Linux.Netlink;

/// <summary>RTM_*ADDR and RTM_*ROUTE for IPv4.</summary>
internal static class RouteCodec
{
    public static InterfaceAddress? ParseAddress(ushort type, ReadOnlySpan<byte> payload)
    {
        if (type is not (Rtm.NewAddr or Rtm.DelAddr)) return null;
        var attributes = NetlinkAttributes.After(Rtm.AddressBody, payload);
        if (payload[0] != Rtm.FamilyIPv4) return null;
        if (payload[1] > 32) throw NetlinkReader.Malformed($"an IPv4 prefix of {payload[1]} bits");
        IPAddress? local = null, address = null;
        uint flags = payload[2];
        while (attributes.TryRead(out var attribute))
        {
            switch (attribute.Type)
            {
                case Ifa.Local:
                    local = attribute.IPv4;
                    break;
                case Ifa.Address:
                    address = attribute.IPv4;
                    break;
                case Ifa.Flags:
                    flags = attribute.UInt32;
                    break;
            }
        }
        // IFA_LOCAL is the interface's own; IFA_ADDRESS is the peer's on point-to-point links, else the same.
        var own = local ?? address ?? throw NetlinkReader.Malformed("an address message without an address");
        return new InterfaceAddress(MemoryMarshal.Read<int>(payload[4..]), own, payload[1])
        {
            Scope = (RouteScope)payload[3],
            IsPermanent = (flags & Ifa.Permanent) != 0,
            IsSecondary = (flags & Ifa.Secondary) != 0,
        };
    }

    public static NetlinkRequest ListAddresses(int? interfaceIndex)
    {
        var request = new NetlinkRequest();
        var body = request.Begin(Rtm.GetAddr, NetlinkProtocol.Request | NetlinkProtocol.Dump, Rtm.AddressBody);
        body[0] = Rtm.FamilyIPv4;
        MemoryMarshal.Write(body[4..], interfaceIndex ?? 0);
        return request;
    }

    public static void AddAddress(NetlinkRequest request, InterfaceAddress address, ushort flags) =>
        WriteAddress(request, address, Rtm.NewAddr, (ushort)(NetlinkProtocol.Create | NetlinkProtocol.Excl | flags));

    public static void DeleteAddress(NetlinkRequest request, InterfaceAddress address, ushort flags) =>
        WriteAddress(request, address, Rtm.DelAddr, flags);

    private static void WriteAddress(NetlinkRequest request, InterfaceAddress address, ushort type, ushort flags)
    {
        var body = request.Begin(type, (ushort)(NetlinkProtocol.Request | flags), Rtm.AddressBody);
        body[0] = Rtm.FamilyIPv4;
        body[1] = checked((byte)address.PrefixLength);
        body[3] = (byte)address.Scope;
        MemoryMarshal.Write(body[4..], address.InterfaceIndex);
        request.Address(Ifa.Local, address.Address).Address(Ifa.Address, address.Address);
    }

    public static Route? ParseRoute(ushort type, ReadOnlySpan<byte> payload)
    {
        if (type is not (Rtm.NewRoute or Rtm.DelRoute)) return null;
        var attributes = NetlinkAttributes.After(Rtm.RouteBody, payload);
        if (payload[0] != Rtm.FamilyIPv4) return null;
        if (payload[1] > 32) throw NetlinkReader.Malformed($"an IPv4 prefix of {payload[1]} bits");
        var flags = MemoryMarshal.Read<uint>(payload[8..]);
        var route = new Route(IPv4Prefix.Any)
        {
            Table = payload[4],
            Protocol = (RouteProtocol)payload[5],
            Scope = (RouteScope)payload[6],
            Kind = (RouteKind)payload[7],
            OnLink = (flags & Rta.OnLink) != 0,
        };
        while (attributes.TryRead(out var attribute))
        {
            route = attribute.Type switch
            {
                Rta.Destination => route with { Destination = new IPv4Prefix(attribute.IPv4, payload[1]) },
                Rta.Gateway => route with { Gateway = attribute.IPv4 },
                Rta.Oif => route with { InterfaceIndex = attribute.Int32 },
                Rta.Priority => route with { Metric = attribute.Int32 },
                Rta.PreferredSource => route with { PreferredSource = attribute.IPv4 },
                Rta.Table => route with { Table = attribute.Int32 },
                _ => route,
            };
        }
        return route;
    }

    public static NetlinkRequest ListRoutes(RouteFilter filter)
    {
        var request = new NetlinkRequest();
        var body = request.Begin(Rtm.GetRoute, NetlinkProtocol.Request | NetlinkProtocol.Dump, Rtm.RouteBody);
        body[0] = Rtm.FamilyIPv4;
        body[5] = (byte)(filter.Protocol ?? RouteProtocol.Unspecified);
        if (filter.Table is { } table) request.Int32(Rta.Table, table);
        if (filter.InterfaceIndex is { } index) request.Int32(Rta.Oif, index);
        return request;
    }

    public static NetlinkRequest GetRouteTo(IPAddress destination)
    {
        var request = new NetlinkRequest();
        var body = request.Begin(Rtm.GetRoute, NetlinkProtocol.Request | NetlinkProtocol.Ack, Rtm.RouteBody);
        body[0] = Rtm.FamilyIPv4;
        body[1] = 32;
        return request.Address(Rta.Destination, destination);
    }

    /// <summary>CREATE|REPLACE: takes the place of the route with the same destination, metric and table.</summary>
    public static void Ensure(NetlinkRequest request, Route route, ushort flags) =>
        WriteRoute(request, route, Rtm.NewRoute, (ushort)(NetlinkProtocol.Create | NetlinkProtocol.Replace | flags));

    public static void Delete(NetlinkRequest request, Route route, ushort flags) => WriteRoute(request, route, Rtm.DelRoute, flags);

    private static void WriteRoute(NetlinkRequest request, Route route, ushort type, ushort flags)
    {
        var body = request.Begin(type, (ushort)(NetlinkProtocol.Request | flags), Rtm.RouteBody);
        body[0] = Rtm.FamilyIPv4;
        body[1] = (byte)route.Destination.Length;
        body[4] = route.Table is > 0 and < 256 ? (byte)route.Table : (byte)0;   // RT_TABLE_UNSPEC: see RTA_TABLE
        body[5] = (byte)route.Protocol;
        body[6] = (byte)route.Scope;
        body[7] = (byte)route.Kind;
        MemoryMarshal.Write(body[8..], route.OnLink ? Rta.OnLink : 0u);
        if (route.Destination.Length > 0) request.Address(Rta.Destination, route.Destination.Network);
        if (route.Gateway is not null) request.Address(Rta.Gateway, route.Gateway);
        if (route.InterfaceIndex != 0) request.Int32(Rta.Oif, route.InterfaceIndex);
        if (route.PreferredSource is not null) request.Address(Rta.PreferredSource, route.PreferredSource);
        if (route.Metric != 0) request.Int32(Rta.Priority, route.Metric);
        request.Int32(Rta.Table, route.Table);
    }
}
