using System.Buffers.Binary;
using System.Net;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Conntrack;

/// <summary>IPCTNL_MSG_CT_*: nfgenmsg and CTA_* attributes, numbers in network order.</summary>
internal static class ConntrackCodec
{
    private const ushort New = 0x100, Get = 0x101, Remove = 0x102;   // NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_*
    private const int Body = 4;                                      // nfgenmsg: u8 family, u8 version, be16 resource
    private const byte FamilyIPv4 = 2;
    private const byte Tcp = 6, Udp = 17;

    private const ushort Original = 1, Reply = 2, ProtocolInfo = 4, Id = 12, Filter = 25;   // CTA_*
    private const ushort TupleAddresses = 1, TupleProtocol = 2;
    private const ushort Source = 1, Destination = 2;                                       // CTA_IP_V4_*
    private const ushort Number = 1, SourcePort = 2, DestinationPort = 3;                   // CTA_PROTO_*
    private const ushort TcpInfo = 1, TcpInfoState = 1;
    private const ushort FilterOriginal = 1;                                                // CTA_FILTER_ORIG_FLAGS
    private const uint FilterDestination = 1 << 1;                                          // CTA_FILTER_F_CTA_IP_DST

    public static NetlinkRequest List(IPAddress destination)
    {
        var request = new NetlinkRequest();
        request.Begin(Get, NetlinkProtocol.Request | NetlinkProtocol.Dump, Body)[0] = FamilyIPv4;
        var tuple = request.BeginNest(Original | NetlinkProtocol.Nested);
        var addresses = request.BeginNest(TupleAddresses | NetlinkProtocol.Nested);
        request.Address(Destination, destination).EndNest(addresses).EndNest(tuple);
        var filter = request.BeginNest(Filter | NetlinkProtocol.Nested);
        return request.UInt32(FilterOriginal, FilterDestination).EndNest(filter);
    }

    public static void Delete(NetlinkRequest request, ConntrackEntry entry, ushort flags)
    {
        request.Begin(Remove, (ushort)(NetlinkProtocol.Request | flags), Body)[0] = FamilyIPv4;
        var tuple = request.BeginNest(Original | NetlinkProtocol.Nested);
        var addresses = request.BeginNest(TupleAddresses | NetlinkProtocol.Nested);
        request.Address(Source, entry.Source.Address).Address(Destination, entry.Destination.Address).EndNest(addresses);
        var protocol = request.BeginNest(TupleProtocol | NetlinkProtocol.Nested);
        request.UInt8(Number, entry.Protocol)
            .UInt16BigEndian(SourcePort, (ushort)entry.Source.Port)
            .UInt16BigEndian(DestinationPort, (ushort)entry.Destination.Port)
            .EndNest(protocol).EndNest(tuple);
        Span<byte> id = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(id, entry.Id);
        request.Blob(Id, id);
    }

    /// <summary>Null for what is not IPv4, or neither TCP nor UDP.</summary>
    public static ConntrackEntry? Parse(ushort type, ReadOnlySpan<byte> payload)
    {
        if (type != New) return null;
        var attributes = NetlinkAttributes.After(Body, payload);
        if (payload[0] != FamilyIPv4) return null;
        (byte Protocol, IPEndPoint Source, IPEndPoint Destination)? original = null, reply = null;
        var state = ConntrackTcpState.None;
        uint id = 0;
        while (attributes.TryRead(out var attribute))
        {
            switch (attribute.Type)
            {
                case Original:
                    original = ParseTuple(attribute.Nested);
                    break;
                case Reply:
                    reply = ParseTuple(attribute.Nested);
                    break;
                case ProtocolInfo:
                    state = ParseState(attribute.Nested);
                    break;
                case Id:
                    id = BinaryPrimitives.ReadUInt32BigEndian(attribute.Value);
                    break;
                default:
                    break;
            }
        }

        return original is { Protocol: Tcp or Udp } asked && reply is { } answer
            ? new ConntrackEntry(asked.Protocol, asked.Source, asked.Destination, answer.Source) { TcpState = state, Id = id }
            : null;
    }

    private static (byte Protocol, IPEndPoint Source, IPEndPoint Destination) ParseTuple(NetlinkAttributes tuple)
    {
        IPAddress source = IPAddress.Any, destination = IPAddress.Any;
        byte protocol = 0;
        int sourcePort = 0, destinationPort = 0;
        while (tuple.TryRead(out var part))
        {
            var nested = part.Nested;
            while (nested.TryRead(out var attribute))
            {
                switch (part.Type, attribute.Type)
                {
                    case (TupleAddresses, Source):
                        source = attribute.IPv4;
                        break;
                    case (TupleAddresses, Destination):
                        destination = attribute.IPv4;
                        break;
                    case (TupleProtocol, Number):
                        protocol = attribute.UInt8;
                        break;
                    case (TupleProtocol, SourcePort):
                        sourcePort = attribute.UInt16BigEndian;
                        break;
                    case (TupleProtocol, DestinationPort):
                        destinationPort = attribute.UInt16BigEndian;
                        break;
                    default:
                        break;
                }
            }
        }

        return (protocol, new IPEndPoint(source, sourcePort), new IPEndPoint(destination, destinationPort));
    }

    private static ConntrackTcpState ParseState(NetlinkAttributes info)
    {
        while (info.TryRead(out var protocol))
        {
            if (protocol.Type != TcpInfo) continue;
            var attributes = protocol.Nested;
            while (attributes.TryRead(out var attribute))
            {
                if (attribute.Type == TcpInfoState) return (ConntrackTcpState)attribute.UInt8;
            }
        }

        return ConntrackTcpState.None;
    }
}
