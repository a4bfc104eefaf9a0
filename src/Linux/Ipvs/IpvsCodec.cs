using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Ipvs;

/// <summary>Messages of the family "IPVS".</summary>
internal static class IpvsCodec
{
    private const uint FlagsOfOurs = 1 | 4 | 8 | 0x10;   // all but IP_VS_SVC_F_HASHED

    public static NetlinkRequest ListServices(ushort family) =>
        new NetlinkRequest().Begin(family, NetlinkProtocol.Dump, IpvsCommand.GetService, IpvsProtocol.Version);

    public static NetlinkRequest GetService(ushort family, uint mark) =>
        Identify(new NetlinkRequest().Begin(family, NetlinkProtocol.Ack, IpvsCommand.GetService, IpvsProtocol.Version), mark);

    public static NetlinkRequest ListDestinations(ushort family, uint mark) =>
        Identify(new NetlinkRequest().Begin(family, NetlinkProtocol.Dump, IpvsCommand.GetDestination, IpvsProtocol.Version), mark);

    public static NetlinkRequest GetTimeouts(ushort family) =>
        new NetlinkRequest().Begin(family, NetlinkProtocol.Ack, IpvsCommand.GetConfig, IpvsProtocol.Version);

    public static NetlinkRequest SetTimeouts(ushort family, IpvsTimeouts timeouts) =>
        new NetlinkRequest().Begin(family, NetlinkProtocol.Ack, IpvsCommand.SetConfig, IpvsProtocol.Version)
            .UInt32(IpvsAttribute.TimeoutTcp, timeouts.Tcp)
            .UInt32(IpvsAttribute.TimeoutTcpFin, timeouts.TcpFin)
            .UInt32(IpvsAttribute.TimeoutUdp, timeouts.Udp);

    public static void Write(NetlinkRequest request, ushort family, IpvsChange change, ushort flags)
    {
        switch (change)
        {
            case IpvsChange.AddService { Service: var service }:
                WriteService(request.Begin(family, flags, IpvsCommand.NewService, IpvsProtocol.Version), service);
                break;
            case IpvsChange.SetService { Service: var service }:
                WriteService(request.Begin(family, flags, IpvsCommand.SetService, IpvsProtocol.Version), service);
                break;
            case IpvsChange.DeleteService { FwMark: var mark }:
                Identify(request.Begin(family, flags, IpvsCommand.DeleteService, IpvsProtocol.Version), mark);
                break;
            case IpvsChange.AddDestination { FwMark: var mark, Destination: var destination }:
                WriteDestination(request.Begin(family, flags, IpvsCommand.NewDestination, IpvsProtocol.Version), mark, destination);
                break;
            case IpvsChange.SetDestination { FwMark: var mark, Destination: var destination }:
                WriteDestination(request.Begin(family, flags, IpvsCommand.SetDestination, IpvsProtocol.Version), mark, destination);
                break;
            case IpvsChange.DeleteDestination { FwMark: var mark, Address: var address, Port: var port }:
                Identify(request.Begin(family, flags, IpvsCommand.DeleteDestination, IpvsProtocol.Version), mark);
                var nest = request.BeginNest(IpvsAttribute.Destination);
                request.Address(IpvsDestinationAttribute.Address, address).UInt16BigEndian(IpvsDestinationAttribute.Port, checked((ushort)port)).EndNest(nest);
                break;
            default:
                throw new ArgumentException($"no such change: {change.GetType().Name}", nameof(change));
        }
    }

    private static NetlinkRequest Identify(NetlinkRequest request, uint mark)
    {
        var nest = request.BeginNest(IpvsAttribute.Service);
        return request.UInt16(IpvsServiceAttribute.Family, IpvsProtocol.FamilyIPv4).UInt32(IpvsServiceAttribute.FwMark, mark).EndNest(nest);
    }

    /// <summary>All of scheduler, flags, timeout and netmask must be there, or the kernel answers EINVAL (ip_vs_genl_parse_service).</summary>
    private static void WriteService(NetlinkRequest request, IpvsService service)
    {
        Span<byte> flags = stackalloc byte[8];   // struct ip_vs_flags: the flags, and a mask of those that are meant
        MemoryMarshal.Write(flags, (uint)service.Flags);
        MemoryMarshal.Write(flags[4..], FlagsOfOurs);
        Span<byte> netmask = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(netmask, service.PersistencePrefix == 0 ? 0 : uint.MaxValue << (32 - service.PersistencePrefix));
        var nest = request.BeginNest(IpvsAttribute.Service);
        request.UInt16(IpvsServiceAttribute.Family, IpvsProtocol.FamilyIPv4)
            .UInt32(IpvsServiceAttribute.FwMark, service.FwMark)
            .Text(IpvsServiceAttribute.Scheduler, service.Scheduler)
            .Blob(IpvsServiceAttribute.Flags, flags)
            .UInt32(IpvsServiceAttribute.Timeout, service.PersistenceTimeout)
            .Blob(IpvsServiceAttribute.Netmask, netmask)
            .EndNest(nest);
    }

    private static void WriteDestination(NetlinkRequest request, uint mark, IpvsDestination destination)
    {
        Identify(request, mark);
        var nest = request.BeginNest(IpvsAttribute.Destination);
        request.Address(IpvsDestinationAttribute.Address, destination.Address)
            .UInt16BigEndian(IpvsDestinationAttribute.Port, checked((ushort)destination.Port))
            .UInt32(IpvsDestinationAttribute.Method, (uint)destination.Method)
            .Int32(IpvsDestinationAttribute.Weight, destination.Weight)
            .UInt32(IpvsDestinationAttribute.UpperThreshold, destination.UpperThreshold)
            .UInt32(IpvsDestinationAttribute.LowerThreshold, destination.LowerThreshold)
            .EndNest(nest);
    }

    /// <summary>Null for services that are not by mark, or not of IPv4: others may have such on this host.</summary>
    public static IpvsService? ParseService(ushort type, ReadOnlySpan<byte> payload)
    {
        var top = NetlinkAttributes.After(GenericNetlink.Body, payload);
        while (top.TryRead(out var attribute))
        {
            if (attribute.Type == IpvsAttribute.Service) return ParseService(attribute.Nested);
        }
        return null;
    }

    private static IpvsService? ParseService(NetlinkAttributes attributes)
    {
        var service = new IpvsService(0, "");
        while (attributes.TryRead(out var attribute))
        {
            switch (attribute.Type)
            {
                case IpvsServiceAttribute.Family when attribute.UInt16 != IpvsProtocol.FamilyIPv4:
                    return null;
                case IpvsServiceAttribute.FwMark:
                    service = service with { FwMark = attribute.UInt32 };
                    break;
                case IpvsServiceAttribute.Scheduler:
                    service = service with { Scheduler = attribute.Text };
                    break;
                case IpvsServiceAttribute.Flags:
                    service = service with { Flags = (IpvsServiceFlags)(attribute.UInt32 & FlagsOfOurs) };
                    break;
                case IpvsServiceAttribute.Timeout:
                    service = service with { PersistenceTimeout = attribute.UInt32 };
                    break;
                case IpvsServiceAttribute.Netmask:
                    service = service with { PersistencePrefix = System.Numerics.BitOperations.PopCount(attribute.UInt32) };
                    break;
                default:
                    break;
            }
        }
        return service.FwMark == 0 ? null : service;
    }

    public static IpvsDestinationStatus? ParseDestination(ushort type, ReadOnlySpan<byte> payload)
    {
        var top = NetlinkAttributes.After(GenericNetlink.Body, payload);
        while (top.TryRead(out var attribute))
        {
            if (attribute.Type == IpvsAttribute.Destination) return ParseDestination(attribute.Nested);
        }
        return null;
    }

    private static IpvsDestinationStatus? ParseDestination(NetlinkAttributes attributes)
    {
        var destination = new IpvsDestination(IPAddress.None, 0);
        var status = new IpvsDestinationStatus(destination);
        while (attributes.TryRead(out var attribute))
        {
            switch (attribute.Type)
            {
                case IpvsDestinationAttribute.Family when attribute.UInt16 != IpvsProtocol.FamilyIPv4:
                    return null;
                case IpvsDestinationAttribute.Address:
                    destination = destination with { Address = attribute.IPv4 };   // 16 bytes, of which IPv4 takes the first four
                    break;
                case IpvsDestinationAttribute.Port:
                    destination = destination with { Port = attribute.UInt16BigEndian };
                    break;
                case IpvsDestinationAttribute.Method:
                    destination = destination with { Method = (IpvsForwarding)(attribute.UInt32 & 7) };   // IP_VS_CONN_F_FWD_MASK
                    break;
                case IpvsDestinationAttribute.Weight:
                    destination = destination with { Weight = attribute.Int32 };
                    break;
                case IpvsDestinationAttribute.UpperThreshold:
                    destination = destination with { UpperThreshold = attribute.UInt32 };
                    break;
                case IpvsDestinationAttribute.LowerThreshold:
                    destination = destination with { LowerThreshold = attribute.UInt32 };
                    break;
                case IpvsDestinationAttribute.ActiveConnections:
                    status = status with { ActiveConnections = attribute.UInt32 };
                    break;
                case IpvsDestinationAttribute.InactiveConnections:
                    status = status with { InactiveConnections = attribute.UInt32 };
                    break;
                case IpvsDestinationAttribute.PersistentConnections:
                    status = status with { PersistentConnections = attribute.UInt32 };
                    break;
                case IpvsDestinationAttribute.Statistics64:
                    status = status with { Statistics = ParseStatistics(attribute.Nested) };
                    break;
                default:
                    break;
            }
        }
        return status with { Destination = destination };
    }

    private static IpvsStatistics ParseStatistics(NetlinkAttributes attributes)
    {
        var statistics = new IpvsStatistics();
        while (attributes.TryRead(out var attribute))
        {
            statistics = attribute.Type switch
            {
                IpvsStatisticsAttribute.Connections => statistics with { Connections = attribute.UInt64 },
                IpvsStatisticsAttribute.IncomingPackets => statistics with { IncomingPackets = attribute.UInt64 },
                IpvsStatisticsAttribute.OutgoingPackets => statistics with { OutgoingPackets = attribute.UInt64 },
                IpvsStatisticsAttribute.IncomingBytes => statistics with { IncomingBytes = attribute.UInt64 },
                IpvsStatisticsAttribute.OutgoingBytes => statistics with { OutgoingBytes = attribute.UInt64 },
                _ => statistics,
            };
        }
        return statistics;
    }

    public static IpvsTimeouts? ParseTimeouts(ushort type, ReadOnlySpan<byte> payload)
    {
        var timeouts = new IpvsTimeouts(0, 0, 0);
        var attributes = NetlinkAttributes.After(GenericNetlink.Body, payload);
        while (attributes.TryRead(out var attribute))
        {
            timeouts = attribute.Type switch
            {
                IpvsAttribute.TimeoutTcp => timeouts with { Tcp = attribute.UInt32 },
                IpvsAttribute.TimeoutTcpFin => timeouts with { TcpFin = attribute.UInt32 },
                IpvsAttribute.TimeoutUdp => timeouts with { Udp = attribute.UInt32 },
                _ => timeouts,
            };
        }
        return timeouts;
    }
}
