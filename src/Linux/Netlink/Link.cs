using System.Net;

namespace FlannelFlow.Linux.Netlink;

/// <summary>A network interface as the kernel reports it (rtnetlink(7), linux/if_link.h).</summary>
public sealed record Link
{
    public required int Index { get; init; }
    public required string Name { get; init; }
    /// <summary>IFLA_INFO_KIND: "bridge", "veth", "vxlan", "dummy"; null for physical devices and lo.</summary>
    public string? Kind { get; init; }
    public MacAddress? Mac { get; init; }
    public int Mtu { get; init; }
    public LinkFlags Flags { get; init; }
    public OperationalState OperationalState { get; init; }
    /// <summary>Index of the bridge this is a port of.</summary>
    public int? Master { get; init; }
    /// <summary>IFLA_LINK: a veth's peer or a vxlan's underlay, an index in the namespace <see cref="PeerNamespaceId"/> if that is given.</summary>
    public int? Parent { get; init; }
    /// <summary>IFLA_LINK_NETNSID, given if <see cref="Parent"/> is in another namespace.</summary>
    public int? PeerNamespaceId { get; init; }
    /// <summary>IFLA_IFALIAS: free text; FlannelFlow writes there whose the device is.</summary>
    public string? Alias { get; init; }
    public int TransmitQueueLength { get; init; }
    /// <summary>Given for kind "vxlan".</summary>
    public VxlanAttributes? Vxlan { get; init; }

    public bool IsUp => (Flags & LinkFlags.Up) != 0;
}

/// <summary>IFF_* of linux/if.h; the ones we look at.</summary>
[Flags]
public enum LinkFlags
{
    None = 0,
    Up = 1,
    Broadcast = 2,
    Loopback = 8,
    PointToPoint = 0x10,
    Running = 0x40,
    NoArp = 0x80,
    Multicast = 0x1000,
    LowerUp = 0x10000,
}

/// <summary>IF_OPER_* of linux/if.h (RFC 2863).</summary>
public enum OperationalState
{
    Unknown = 0,
    NotPresent = 1,
    Down = 2,
    LowerLayerDown = 3,
    Testing = 4,
    Dormant = 5,
    Up = 6,
}

/// <summary>What the kernel says of a vxlan device (IFLA_VXLAN_* of linux/if_link.h).</summary>
public sealed record VxlanAttributes
{
    public required int Vni { get; init; }
    /// <summary>Interface index of the underlay, 0 if not bound to one.</summary>
    public int UnderlayIndex { get; init; }
    public IPAddress? Local { get; init; }
    /// <summary>Remote or multicast group; null in flannel's devices.</summary>
    public IPAddress? Group { get; init; }
    public int Port { get; init; }
    public bool Learning { get; init; }
    public bool L2Miss { get; init; }
    public bool L3Miss { get; init; }
    public bool GroupPolicy { get; init; }
}

/// <summary>What all devices to be made have in common. Null leaves the kernel's default.</summary>
public abstract record LinkConfig(string Name)
{
    public int? Mtu { get; init; }
    public MacAddress? Mac { get; init; }
    /// <summary>Written in a second message right after creation: the kernel takes no alias in the creating one (rtnl_newlink_create).</summary>
    public string? Alias { get; init; }
    public bool Up { get; init; }
}

public sealed record BridgeConfig(string Name) : LinkConfig(Name);

public sealed record DummyConfig(string Name) : LinkConfig(Name);

/// <summary>A pair of devices. The peer may be born in another namespace, so that it never shows in this one.</summary>
public sealed record VethConfig(string Name, string PeerName) : LinkConfig(Name)
{
    public int? PeerMtu { get; init; }
    public MacAddress? PeerMac { get; init; }
    /// <summary>Index of the bridge that the near end is attached to.</summary>
    public int? Master { get; init; }
    public Namespaces.NetworkNamespace? PeerNamespace { get; init; }
}

/// <summary>
/// A vxlan device the way flannel makes it (pkg/backend/vxlan/device.go): TTL, TOS, proxy, rsc, l2miss, l3miss and the IPv6 zero
/// checksums are sent as 0, the transmit queue length as 0.
/// </summary>
public sealed record VxlanConfig(string Name, int Vni, int UnderlayIndex, IPAddress Local) : LinkConfig(Name)
{
    /// <summary>UDP destination port; 0 leaves it to the module parameter udp_port (8472).</summary>
    public int Port { get; init; }
    public bool Learning { get; init; }
    public bool GroupPolicy { get; init; }

    /// <summary>
    /// Whether an existing device can be kept: same kind, VNI, underlay, local address, no group, no l2miss, port (if both say one) and
    /// group policy. Flannel's vxlanLinksIncompat; MTU, MAC and learning do not count.
    /// </summary>
    public bool IsCompatibleWith(Link link)
    {
        ArgumentNullException.ThrowIfNull(link);
        return link is { Kind: "vxlan", Vxlan: { } found }
            && found.Vni == Vni
            && found.UnderlayIndex == UnderlayIndex
            && Equals(found.Local, Local)
            && found.Group is null
            && !found.L2Miss
            && (Port == 0 || found.Port == 0 || found.Port == Port)
            && found.GroupPolicy == GroupPolicy;
    }
}

/// <summary>What an Ensure method found and did.</summary>
public enum EnsureOutcome
{
    /// <summary>Was there as wanted.</summary>
    Kept,
    /// <summary>Was there, and was changed in place.</summary>
    Changed,
    Created,
    /// <summary>Was there but incompatible: deleted and made anew.</summary>
    Replaced,
}

public sealed record EnsuredLink(Link Link, EnsureOutcome Outcome);

/// <summary>Changes to one link; null leaves a property alone. Sent as one RTM_SETLINK.</summary>
public sealed record LinkChange
{
    public bool? Up { get; init; }
    public int? Mtu { get; init; }
    public MacAddress? Mac { get; init; }
    /// <summary>Index of the bridge to attach to; 0 detaches.</summary>
    public int? Master { get; init; }
    public string? Name { get; init; }
    public string? Alias { get; init; }
    /// <summary>Moves the link; its index may change there, its addresses and routes are lost.</summary>
    public Namespaces.NetworkNamespace? Namespace { get; init; }
    /// <summary>Moves the link to the network namespace of a process.</summary>
    public int? NamespaceOfPid { get; init; }
}
