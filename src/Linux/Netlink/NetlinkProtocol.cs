namespace FlannelFlow.Linux.Netlink;

/// <summary>linux/netlink.h: message types, flags, socket options.</summary>
internal static class NetlinkProtocol
{
    public const int Route = 0, Xfrm = 6, Netfilter = 12, Generic = 16;   // NETLINK_ROUTE, _XFRM, _NETFILTER, _GENERIC
    public const int SolNetlink = 270;                 // SOL_NETLINK
    public const int OptionCapAck = 10, OptionExtAck = 11, OptionStrictCheck = 12;

    public const ushort TypeError = 2, TypeDone = 3, TypeOverrun = 4, FirstFamilyType = 16;

    public const ushort Request = 1, Ack = 4, DumpInterrupted = 0x10;
    public const ushort Dump = 0x300, Replace = 0x100, Excl = 0x200, Create = 0x400, Append = 0x800;
    public const ushort Capped = 0x100, AckTlvs = 0x200;     // flags of NLMSG_ERROR and NLMSG_DONE

    public const ushort Nested = 0x8000;                     // NLA_F_NESTED

    public const ushort ErrorMessageAttribute = 1;           // NLMSGERR_ATTR_MSG
}

/// <summary>linux/rtnetlink.h, if_link.h, if_addr.h, neighbour.h: what rtnetlink's messages are made of.</summary>
internal static class Rtm
{
    public const ushort NewLink = 16, DelLink = 17, GetLink = 18, SetLink = 19;
    public const ushort NewAddr = 20, DelAddr = 21, GetAddr = 22;
    public const ushort NewRoute = 24, DelRoute = 25, GetRoute = 26;
    public const ushort NewNeigh = 28, DelNeigh = 29, GetNeigh = 30;

    public const byte FamilyUnspecified = 0, FamilyIPv4 = 2, FamilyBridge = 7;

    public const int LinkBody = 16;    // ifinfomsg: u8 family, pad, u16 type, i32 index, u32 flags, u32 change
    public const int AddressBody = 8;  // ifaddrmsg: u8 family, prefixlen, flags, scope; u32 index
    public const int RouteBody = 12;   // rtmsg: u8 family, dst_len, src_len, tos, table, protocol, scope, type; u32 flags
    public const int NeighbourBody = 12; // ndmsg: u8 family, pad[3]; i32 ifindex; u16 state; u8 flags, type
}

internal static class Ifla
{
    public const ushort Address = 1, Name = 3, Mtu = 4, Link = 5, Master = 10, ProtocolInfo = 12, TxQueueLength = 13, OperState = 16, LinkInfo = 18,
        NetNsPid = 19, Alias = 20, NetNsFd = 28, ExtMask = 29, LinkNetNsId = 37;
    public const ushort InfoKind = 1, InfoData = 2;
    public const ushort VethPeer = 1;
    public const ushort PortHairpin = 4;    // IFLA_BRPORT_MODE
    public const uint SkipStatistics = 8;   // RTEXT_FILTER_SKIP_STATS
}

internal static class IflaVxlan
{
    public const ushort Id = 1, Group = 2, Link = 3, Local = 4, Ttl = 5, Tos = 6, Learning = 7, Proxy = 11, Rsc = 12, L2Miss = 13,
        L3Miss = 14, Port = 15, ZeroChecksum6Tx = 19, ZeroChecksum6Rx = 20, GroupPolicy = 23;
}

internal static class Ifa
{
    public const ushort Address = 1, Local = 2, Flags = 8;
    public const uint Secondary = 1, Permanent = 0x80;
}

internal static class Rta
{
    public const ushort Destination = 1, Oif = 4, Gateway = 5, Priority = 6, PreferredSource = 7, Table = 15;
    public const uint OnLink = 4;           // RTNH_F_ONLINK, also in rtm_flags
    public const uint ClonedEntry = 0x200;  // RTM_F_CLONED
}

internal static class Nda
{
    public const ushort Destination = 1, LinkAddress = 2, InterfaceIndex = 8, Master = 9;
    public const byte Self = 2;     // NTF_SELF
    public const byte Proxy = 8;    // NTF_PROXY
}
