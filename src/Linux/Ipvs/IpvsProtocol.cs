namespace FlannelFlow.Linux.Ipvs;

/// <summary>linux/ip_vs.h: the generic netlink family "IPVS", version 1, without a header of its own.</summary>
internal static class IpvsProtocol
{
    public const string Family = "IPVS";
    public const byte Version = 1;
    public const ushort FamilyIPv4 = 2;
}

internal static class IpvsCommand
{
    public const byte NewService = 1, SetService = 2, DeleteService = 3, GetService = 4, NewDestination = 5, SetDestination = 6,
        DeleteDestination = 7, GetDestination = 8, SetConfig = 12, GetConfig = 13;
}

/// <summary>IPVS_CMD_ATTR_*.</summary>
internal static class IpvsAttribute
{
    public const ushort Service = 1, Destination = 2, TimeoutTcp = 4, TimeoutTcpFin = 5, TimeoutUdp = 6;
}

/// <summary>IPVS_SVC_ATTR_*.</summary>
internal static class IpvsServiceAttribute
{
    public const ushort Family = 1, FwMark = 5, Scheduler = 6, Flags = 7, Timeout = 8, Netmask = 9;
}

/// <summary>IPVS_DEST_ATTR_*.</summary>
internal static class IpvsDestinationAttribute
{
    public const ushort Address = 1, Port = 2, Method = 3, Weight = 4, UpperThreshold = 5, LowerThreshold = 6, ActiveConnections = 7,
        InactiveConnections = 8, PersistentConnections = 9, Family = 11, Statistics64 = 12;
}

/// <summary>IPVS_STATS_ATTR_*.</summary>
internal static class IpvsStatisticsAttribute
{
    public const ushort Connections = 1, IncomingPackets = 2, OutgoingPackets = 3, IncomingBytes = 4, OutgoingBytes = 5;
}
