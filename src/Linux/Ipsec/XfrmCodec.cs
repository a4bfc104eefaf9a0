using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Ipsec;

/// <summary>
/// NETLINK_XFRM, as far as our associations and policies go (linux/xfrm.h). The offsets are those of its structs on 64-bit machines, where u64 is
/// aligned to 8; numbers are in host order but for ports and SPIs.
/// </summary>
internal static class XfrmCodec
{
    private const ushort NewAssociation = 0x10, DeleteAssociation = 0x11, GetAssociation = 0x12, NewPolicy = 0x13, DeletePolicy = 0x14, GetPolicy = 0x15, UpdatePolicy = 0x19;
    private const ushort TemplateAttribute = 5, SourceAttribute = 13, AeadAttribute = 18, ReplayAttribute = 23;

    private const int SelectorSize = 56, AssociationSize = 224, AssociationIdSize = 24, PolicySize = 168, PolicyIdSize = 64, TemplateSize = 64, AeadHeaderSize = 72, ReplayHeaderSize = 24;
    private const byte IPv4 = 2, Esp = 50, Udp = 17, Transport = 0, ActionAllow = 0, ActionBlock = 1, FlagEsn = 128;

    private const string Algorithm = "rfc4106(gcm(aes))";
    private const int IntegrityBits = 128;

    /// <summary>Packets that may overtake each other; hosts with several queues to a card reorder hundreds. A multiple of 32.</summary>
    private const int ReplayWindow = 2048;

    public static NetlinkRequest ListAssociations() => Dump(GetAssociation);

    public static NetlinkRequest ListPolicies() => Dump(GetPolicy);

    private static NetlinkRequest Dump(ushort type)
    {
        var request = new NetlinkRequest();
        request.Begin(type, NetlinkProtocol.Request | NetlinkProtocol.Dump, bodySize: 0);
        return request;
    }

    public static void Write(NetlinkRequest request, IpsecChange change, ushort flags)
    {
        switch (change)
        {
            case IpsecChange.AddAssociation add:
                WriteAssociation(request, add.Association, add.Key, flags);
                break;
            case IpsecChange.DeleteAssociation delete:
                var id = request.Begin(DeleteAssociation, (ushort)(NetlinkProtocol.Request | flags), AssociationIdSize);
                WriteAddress(id, delete.Association.Destination);
                BinaryPrimitives.WriteUInt32BigEndian(id[16..], delete.Association.Spi);
                MemoryMarshal.Write(id[20..], (ushort)IPv4);
                id[22] = Esp;
                Span<byte> source = stackalloc byte[16];
                WriteAddress(source, delete.Association.Source);
                request.Blob(SourceAttribute, source);
                break;
            case IpsecChange.SetPolicy set:
                WritePolicy(request, set.Policy, flags);
                break;
            case IpsecChange.DeletePolicy delete:
                var policy = request.Begin(DeletePolicy, (ushort)(NetlinkProtocol.Request | flags), PolicyIdSize);
                WriteSelector(policy, delete.Policy.Source, delete.Policy.Destination, delete.Policy.Port);
                policy[60] = (byte)delete.Policy.Direction;
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(change), change, "no such change");
        }
    }

    private static void WriteAssociation(NetlinkRequest request, Association association, IpsecKey key, ushort flags)
    {
        var body = request.Begin(NewAssociation, (ushort)(NetlinkProtocol.Request | NetlinkProtocol.Create | NetlinkProtocol.Excl | flags), AssociationSize);
        // In transport mode ESP does not cover the addresses: the selector is what keeps a peer from writing another's as its own.
        WriteSelector(body, IPv4Prefix.Host(association.Source), IPv4Prefix.Host(association.Destination), port: 0);
        WriteAddress(body[56..], association.Destination);
        BinaryPrimitives.WriteUInt32BigEndian(body[72..], association.Spi);
        body[76] = Esp;
        WriteAddress(body[80..], association.Source);
        WriteNoLimits(body[96..]);
        MemoryMarshal.Write(body[208..], Association.RequestId);
        MemoryMarshal.Write(body[212..], (ushort)IPv4);
        body[214] = Transport;
        body[216] = FlagEsn;

        Span<byte> aead = stackalloc byte[AeadHeaderSize + IpsecKey.Size];
        aead.Clear();
        Encoding.ASCII.GetBytes(Algorithm, aead);
        MemoryMarshal.Write(aead[64..], IpsecKey.Size * 8);
        MemoryMarshal.Write(aead[68..], IntegrityBits);
        key.Bytes.CopyTo(aead[AeadHeaderSize..]);
        request.Blob(AeadAttribute, aead);
        aead.Clear();

        // Sequence numbers of 64 bits: 32 bits end within hours on a fast link, and with them the association.
        Span<byte> replay = stackalloc byte[ReplayHeaderSize + (ReplayWindow / 8)];
        replay.Clear();
        MemoryMarshal.Write(replay, ReplayWindow / 32);
        MemoryMarshal.Write(replay[20..], ReplayWindow);
        request.Blob(ReplayAttribute, replay);
    }

    private static void WritePolicy(NetlinkRequest request, IpsecPolicy policy, ushort flags)
    {
        var body = request.Begin(UpdatePolicy, (ushort)(NetlinkProtocol.Request | flags), PolicySize);
        WriteSelector(body, policy.Source, policy.Destination, policy.Port);
        WriteNoLimits(body[56..]);
        MemoryMarshal.Write(body[152..], policy.Priority);
        body[160] = (byte)policy.Direction;
        body[161] = policy.Template is null ? ActionBlock : ActionAllow;
        if (policy.Template is not { } template) return;

        Span<byte> written = stackalloc byte[TemplateSize];
        written.Clear();
        WriteAddress(written, template.Destination);
        BinaryPrimitives.WriteUInt32BigEndian(written[16..], template.Spi);
        written[20] = Esp;
        MemoryMarshal.Write(written[24..], (ushort)IPv4);
        WriteAddress(written[28..], template.Source);
        MemoryMarshal.Write(written[44..], Association.RequestId);
        written[48] = Transport;
        // Any algorithm: the association says which.
        written[52..64].Fill(0xff);
        request.Blob(TemplateAttribute, written);
    }

    /// <param name="port">Of the destination; 0: any.</param>
    private static void WriteSelector(Span<byte> selector, IPv4Prefix source, IPv4Prefix destination, int port)
    {
        WriteAddress(selector, destination.Network);
        WriteAddress(selector[16..], source.Network);
        BinaryPrimitives.WriteUInt16BigEndian(selector[32..], (ushort)port);
        BinaryPrimitives.WriteUInt16BigEndian(selector[34..], port == 0 ? (ushort)0 : ushort.MaxValue);
        MemoryMarshal.Write(selector[40..], (ushort)IPv4);
        selector[42] = (byte)destination.Length;
        selector[43] = (byte)source.Length;
        selector[44] = Udp;
    }

    /// <summary>xfrm_lifetime_cfg: four limits of bytes and packets, XFRM_INF; four of time, 0 for none.</summary>
    private static void WriteNoLimits(Span<byte> lifetime) => lifetime[..32].Fill(0xff);

    private static void WriteAddress(Span<byte> field, IPAddress address)
    {
        if (!address.TryWriteBytes(field, out var written) || written != 4) throw new ArgumentException($"{address} is not an IPv4 address", nameof(address));
    }

    /// <summary>Ours; null for any other. Its key, which the kernel tells too, is not read.</summary>
    public static InstalledAssociation? ParseAssociation(ushort type, ReadOnlySpan<byte> payload)
    {
        if (type != NewAssociation) return null;
        _ = NetlinkAttributes.After(AssociationSize, payload);
        if (MemoryMarshal.Read<uint>(payload[208..]) != Association.RequestId || MemoryMarshal.Read<ushort>(payload[212..]) != IPv4 || payload[76] != Esp || payload[214] != Transport)
            return null;
        return new InstalledAssociation(
            new Association(ReadAddress(payload[80..]), ReadAddress(payload[56..]), BinaryPrimitives.ReadUInt32BigEndian(payload[72..])),
            MemoryMarshal.Read<ulong>(payload[168..]));
    }

    /// <summary>Ours; null for any other, also for one in the place of ours that demands something else.</summary>
    public static IpsecPolicy? ParsePolicy(ushort type, ReadOnlySpan<byte> payload)
    {
        if (type != NewPolicy) return null;
        var attributes = NetlinkAttributes.After(PolicySize, payload);
        var (direction, action, priority) = (payload[160], payload[161], MemoryMarshal.Read<uint>(payload[152..]));
        if (MemoryMarshal.Read<ushort>(payload[40..]) != IPv4 || payload[44] != Udp || direction > (byte)IpsecDirection.Out) return null;
        if (BinaryPrimitives.ReadUInt16BigEndian(payload[34..]) != ushort.MaxValue || payload[42] > 32 || payload[43] > 32) return null;

        IpsecTemplate? template = null;
        while (attributes.TryRead(out var attribute))
        {
            if (attribute.Type != TemplateAttribute || attribute.Value.Length != TemplateSize) continue;
            var value = attribute.Value;
            if (MemoryMarshal.Read<uint>(value[44..]) == Association.RequestId && value[20] == Esp && value[48] == Transport && value[50] == 0)
                template = new IpsecTemplate(ReadAddress(value[28..]), ReadAddress(value), BinaryPrimitives.ReadUInt32BigEndian(value[16..]));
        }

        if (action == ActionBlock) template = null;
        else if (template is null) return null;
        var policy = new IpsecPolicy(
            (IpsecDirection)direction,
            new IPv4Prefix(ReadAddress(payload[16..]), payload[43]),
            new IPv4Prefix(ReadAddress(payload), payload[42]),
            BinaryPrimitives.ReadUInt16BigEndian(payload[32..]),
            template);
        return priority == policy.Priority ? policy : null;
    }

    private static IPAddress ReadAddress(ReadOnlySpan<byte> field) => new(field[..4]);
}
