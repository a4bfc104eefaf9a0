using System.Net;

namespace FlannelFlow.Linux.Netlink;

/// <summary>An IPv4 address on an interface (linux/if_addr.h).</summary>
public sealed record InterfaceAddress(int InterfaceIndex, IPAddress Address, int PrefixLength)
{
    public RouteScope Scope { get; init; } = RouteScope.Universe;
    /// <summary>IFA_F_PERMANENT: not leased by DHCP. Read only.</summary>
    public bool IsPermanent { get; init; } = true;
    /// <summary>IFA_F_SECONDARY: a further address of one subnet. Read only.</summary>
    public bool IsSecondary { get; init; }

    public IPv4Prefix Network => new(Address, PrefixLength);
}

/// <summary>A unicast (or other) IPv4 route (linux/rtnetlink.h). The defaults are those of flannel's routes: main table, protocol boot.</summary>
public sealed record Route(IPv4Prefix Destination)
{
    public IPAddress? Gateway { get; init; }
    /// <summary>0: none named; the kernel finds it by the gateway.</summary>
    public int InterfaceIndex { get; init; }
    /// <summary>RTNH_F_ONLINK: the gateway is taken to be reachable on the interface, although no route says so.</summary>
    public bool OnLink { get; init; }
    public IPAddress? PreferredSource { get; init; }
    public RouteScope Scope { get; init; } = RouteScope.Universe;
    public RouteKind Kind { get; init; } = RouteKind.Unicast;
    public RouteProtocol Protocol { get; init; } = RouteProtocol.Boot;
    public int Table { get; init; } = MainTable;
    /// <summary>RTA_PRIORITY: the lower one wins.</summary>
    public int Metric { get; init; }

    public const int MainTable = 254;
    public const int LocalTable = 255;
}

/// <summary>RT_SCOPE_*.</summary>
public enum RouteScope : byte
{
    Universe = 0,
    Site = 200,
    Link = 253,
    Host = 254,
    Nowhere = 255,
}

/// <summary>RTN_*.</summary>
public enum RouteKind : byte
{
    Unspecified = 0,
    Unicast = 1,
    Local = 2,
    Broadcast = 3,
    Anycast = 4,
    Multicast = 5,
    Blackhole = 6,
    Unreachable = 7,
    Prohibit = 8,
    Throw = 9,
}

/// <summary>RTPROT_*: who made a route. Values from 4 on are free for programs.</summary>
public enum RouteProtocol : byte
{
    Unspecified = 0,
    Redirect = 1,
    Kernel = 2,
    Boot = 3,
    Static = 4,
}

/// <summary>Which routes to list; null matches all. Broadcast, local and such kinds come from <see cref="Route.LocalTable"/>.</summary>
public sealed record RouteFilter
{
    public int? Table { get; init; } = Route.MainTable;
    public int? InterfaceIndex { get; init; }
    public RouteProtocol? Protocol { get; init; }
}

/// <summary>An ARP entry: an IPv4 neighbour of an interface (linux/neighbour.h).</summary>
public sealed record Neighbour(int InterfaceIndex, IPAddress Address, MacAddress? Mac)
{
    public NeighbourState State { get; init; } = NeighbourState.Permanent;
}

/// <summary>
/// A forwarding entry of a vxlan device (AF_BRIDGE with NTF_SELF): frames to <paramref name="Mac"/> go to the host
/// <paramref name="Remote"/>. With an all-zero MAC: a default destination.
/// </summary>
/// <param name="Remote">Null on entries of other devices (a bridge's own, a NIC's filter).</param>
public sealed record ForwardingEntry(int InterfaceIndex, MacAddress Mac, IPAddress? Remote)
{
    public NeighbourState State { get; init; } = NeighbourState.Permanent;
    /// <summary>The entry is the device's own (NTF_SELF), not its bridge's (NTF_MASTER).</summary>
    public bool IsSelf { get; init; } = true;
    /// <summary>The bridge that the entry belongs to, if any.</summary>
    public int? Master { get; init; }
}

/// <summary>NUD_* of linux/neighbour.h.</summary>
[Flags]
public enum NeighbourState : ushort
{
    None = 0,
    Incomplete = 0x01,
    Reachable = 0x02,
    Stale = 0x04,
    Delay = 0x08,
    Probe = 0x10,
    Failed = 0x20,
    NoArp = 0x40,
    Permanent = 0x80,
}
