using System.Runtime.InteropServices;

namespace FlannelFlow.Linux.Netlink;

/// <summary>RTM_*LINK: ifinfomsg and IFLA_* attributes.</summary>
internal static class LinkCodec
{
    public static Link? Parse(ushort type, ReadOnlySpan<byte> payload)
    {
        if (type is not (Rtm.NewLink or Rtm.DelLink)) return null;
        var attributes = NetlinkAttributes.After(Rtm.LinkBody, payload);
        // A bridge's news of its ports (AF_BRIDGE) has the same type and other contents.
        if (payload[0] == Rtm.FamilyBridge) return null;
        var link = new Link
        {
            Index = MemoryMarshal.Read<int>(payload[4..]),
            Flags = (LinkFlags)MemoryMarshal.Read<int>(payload[8..]),
            Name = "",
        };
        while (attributes.TryRead(out var attribute))
        {
            link = attribute.Type switch
            {
                Ifla.Name => link with { Name = attribute.Text },
                Ifla.Address => link with { Mac = attribute.Mac },
                Ifla.Mtu => link with { Mtu = attribute.Int32 },
                Ifla.Link => link with { Parent = attribute.Int32 },
                Ifla.Master => link with { Master = attribute.Int32 },
                Ifla.TxQueueLength => link with { TransmitQueueLength = attribute.Int32 },
                Ifla.OperState => link with { OperationalState = (OperationalState)attribute.UInt8 },
                Ifla.Alias => link with { Alias = attribute.Text },
                Ifla.LinkNetNsId => link with { PeerNamespaceId = attribute.Int32 },
                Ifla.LinkInfo => ParseInfo(link, attribute.Nested),
                _ => link,
            };
        }
        return link.Name.Length > 0 ? link : throw NetlinkReader.Malformed($"link {link.Index} has no name");
    }

    private static Link ParseInfo(Link link, NetlinkAttributes info)
    {
        while (info.TryRead(out var attribute))
        {
            link = attribute.Type switch
            {
                Ifla.InfoKind => link with { Kind = attribute.Text },
                // The kernel writes the kind first (rtnl_link_info_fill).
                Ifla.InfoData when link.Kind == "vxlan" => link with { Vxlan = ParseVxlan(attribute.Nested) },
                _ => link,
            };
        }
        return link;
    }

    private static VxlanAttributes ParseVxlan(NetlinkAttributes data)
    {
        var vxlan = new VxlanAttributes { Vni = 0 };
        while (data.TryRead(out var attribute))
        {
            vxlan = attribute.Type switch
            {
                IflaVxlan.Id => vxlan with { Vni = attribute.Int32 },
                IflaVxlan.Link => vxlan with { UnderlayIndex = attribute.Int32 },
                IflaVxlan.Local => vxlan with { Local = attribute.IPv4 },
                IflaVxlan.Group => vxlan with { Group = attribute.IPv4 },
                IflaVxlan.Port => vxlan with { Port = attribute.UInt16BigEndian },
                IflaVxlan.Learning => vxlan with { Learning = attribute.UInt8 != 0 },
                IflaVxlan.L2Miss => vxlan with { L2Miss = attribute.UInt8 != 0 },
                IflaVxlan.L3Miss => vxlan with { L3Miss = attribute.UInt8 != 0 },
                IflaVxlan.GroupPolicy => vxlan with { GroupPolicy = true },
                _ => vxlan,
            };
        }
        return vxlan;
    }

    public static NetlinkRequest List()
    {
        var request = new NetlinkRequest();
        request.Begin(Rtm.GetLink, NetlinkProtocol.Request | NetlinkProtocol.Dump, Rtm.LinkBody);
        return request.UInt32(Ifla.ExtMask, Ifla.SkipStatistics);
    }

    public static NetlinkRequest Get(string name) =>
        Begin(Rtm.GetLink, 0, index: 0).Text(Ifla.Name, name).UInt32(Ifla.ExtMask, Ifla.SkipStatistics);

    public static NetlinkRequest Get(int index) => Begin(Rtm.GetLink, 0, index).UInt32(Ifla.ExtMask, Ifla.SkipStatistics);

    public static NetlinkRequest Delete(string name) => Begin(Rtm.DelLink, 0, index: 0).Text(Ifla.Name, name);

    public static NetlinkRequest Delete(int index) => Begin(Rtm.DelLink, 0, index);

    public static NetlinkRequest Create(LinkConfig config)
    {
        var request = Begin(Rtm.NewLink, NetlinkProtocol.Create | NetlinkProtocol.Excl, index: 0, config.Up);
        WriteCommon(request, config.Name, config.Mtu, config.Mac);
        if (config is VxlanConfig) request.UInt32(Ifla.TxQueueLength, 0);
        if (config is VethConfig { Master: { } master }) request.Int32(Ifla.Master, master);
        var info = request.BeginNest(Ifla.LinkInfo);
        switch (config)
        {
            case BridgeConfig:
                request.Text(Ifla.InfoKind, "bridge");
                break;
            case DummyConfig:
                request.Text(Ifla.InfoKind, "dummy");
                break;
            case VethConfig veth:
                WriteVeth(request, veth);
                break;
            case VxlanConfig vxlan:
                WriteVxlan(request, vxlan);
                break;
            default:
                throw new ArgumentException($"no such kind of link: {config.GetType().Name}", nameof(config));
        }
        return request.EndNest(info);
    }

    private static void WriteVeth(NetlinkRequest request, VethConfig veth)
    {
        request.Text(Ifla.InfoKind, "veth");
        var data = request.BeginNest(Ifla.InfoData);
        var peer = request.BeginNest(Ifla.VethPeer, Rtm.LinkBody);
        WriteCommon(request, veth.PeerName, veth.PeerMtu ?? veth.Mtu, veth.PeerMac);
        if (veth.PeerNamespace is not null) request.Int32(Ifla.NetNsFd, (int)veth.PeerNamespace.Handle.DangerousGetHandle());
        request.EndNest(peer).EndNest(data);
    }

    /// <summary>Attribute for attribute as flannel's netlink library writes it (dataplane-facts.md, 2.1).</summary>
    private static void WriteVxlan(NetlinkRequest request, VxlanConfig vxlan)
    {
        request.Text(Ifla.InfoKind, "vxlan");
        var data = request.BeginNest(Ifla.InfoData);
        request.Int32(IflaVxlan.Id, vxlan.Vni)
            .Int32(IflaVxlan.Link, vxlan.UnderlayIndex)
            .Address(IflaVxlan.Local, vxlan.Local)
            .UInt8(IflaVxlan.Ttl, 0)
            .UInt8(IflaVxlan.Tos, 0)
            .UInt8(IflaVxlan.Learning, vxlan.Learning ? (byte)1 : (byte)0)
            .UInt8(IflaVxlan.Proxy, 0)
            .UInt8(IflaVxlan.Rsc, 0)
            .UInt8(IflaVxlan.L2Miss, 0)
            .UInt8(IflaVxlan.L3Miss, 0)
            .UInt8(IflaVxlan.ZeroChecksum6Tx, 0)
            .UInt8(IflaVxlan.ZeroChecksum6Rx, 0);
        if (vxlan.GroupPolicy) request.Flag(IflaVxlan.GroupPolicy);
        if (vxlan.Port > 0) request.UInt16BigEndian(IflaVxlan.Port, checked((ushort)vxlan.Port));
        request.EndNest(data);
    }

    public static NetlinkRequest Change(int index, LinkChange change)
    {
        var request = Begin(Rtm.SetLink, 0, index, change.Up);
        if (change.Name is not null) request.Text(Ifla.Name, change.Name);
        if (change.Mtu is { } mtu) request.Int32(Ifla.Mtu, mtu);
        if (change.Mac is { } mac) request.Mac(Ifla.Address, mac);
        if (change.Master is { } master) request.Int32(Ifla.Master, master);
        if (change.Alias is not null) request.Text(Ifla.Alias, change.Alias);
        if (change.Namespace is not null) request.Int32(Ifla.NetNsFd, (int)change.Namespace.Handle.DangerousGetHandle());
        if (change.NamespaceOfPid is { } pid) request.Int32(Ifla.NetNsPid, pid);
        return request;
    }

    /// <summary>A bridge's own setlink (br_setlink) takes what it is to do with a port from a nest that says that it is one.</summary>
    public static NetlinkRequest SetHairpin(int index, bool on)
    {
        var request = new NetlinkRequest();
        var body = request.Begin(Rtm.SetLink, NetlinkProtocol.Request | NetlinkProtocol.Ack, Rtm.LinkBody);
        body[0] = Rtm.FamilyBridge;
        MemoryMarshal.Write(body[4..], index);
        var port = request.BeginNest(Ifla.ProtocolInfo | NetlinkProtocol.Nested);
        return request.UInt8(Ifla.PortHairpin, on ? (byte)1 : (byte)0).EndNest(port);
    }

    private static void WriteCommon(NetlinkRequest request, string name, int? mtu, MacAddress? mac)
    {
        request.Text(Ifla.Name, name);
        if (mtu is { } m) request.Int32(Ifla.Mtu, m);
        if (mac is { } a) request.Mac(Ifla.Address, a);
    }

    private static NetlinkRequest Begin(ushort type, ushort flags, int index, bool? up = null)
    {
        var request = new NetlinkRequest();
        var body = request.Begin(type, (ushort)(NetlinkProtocol.Request | NetlinkProtocol.Ack | flags), Rtm.LinkBody);
        MemoryMarshal.Write(body[4..], index);
        if (up is { } wanted)
        {
            MemoryMarshal.Write(body[8..], wanted ? (int)LinkFlags.Up : 0);
            MemoryMarshal.Write(body[12..], (int)LinkFlags.Up);   // ifi_change: which flags are meant
        }
        return request;
    }
}
