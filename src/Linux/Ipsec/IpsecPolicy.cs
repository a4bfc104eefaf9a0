using System.Globalization;
using System.Net;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Ipsec;

/// <summary>XFRM_POLICY_IN, XFRM_POLICY_OUT.</summary>
public enum IpsecDirection : byte
{
    In = 0,
    Out = 1,
}

/// <summary>What must protect a packet that a policy selects: ESP in transport mode, by an association of ours.</summary>
/// <param name="Source">0.0.0.0: anybody.</param>
/// <param name="Destination">0.0.0.0: anybody.</param>
/// <param name="Spi">Of the one association that may; 0: any.</param>
public sealed record IpsecTemplate(IPAddress Source, IPAddress Destination, uint Spi)
{
    public static IpsecTemplate Any { get; } = new(IPAddress.Any, IPAddress.Any, 0);
}

/// <summary>A policy for UDP to one port, IPv4.</summary>
/// <remarks>
/// The kernel holds one per direction and selector; of several that select a packet, the one with the lowest priority decides. Ours are known by
/// <see cref="Association.RequestId"/> and, where they have no template, by their priority.
/// </remarks>
/// <param name="Template">Null: the packet is dropped.</param>
public sealed record IpsecPolicy(IpsecDirection Direction, IPv4Prefix Source, IPv4Prefix Destination, int Port, IpsecTemplate? Template)
{
    /// <summary>Below those of strongSwan and libreswan, which begin at some 100,000: theirs must not let clear packets pass ours.</summary>
    public const uint PeerPriority = 8471, GuardPriority = 8473;

    public uint Priority => Destination == IPv4Prefix.Any ? GuardPriority : PeerPriority;

    /// <summary>What no other policy takes is dropped instead of sent in clear.</summary>
    public static IpsecPolicy DropOutgoing(int port) => new(IpsecDirection.Out, IPv4Prefix.Any, IPv4Prefix.Any, port, Template: null);

    /// <summary>What came in clear is dropped.</summary>
    public static IpsecPolicy RequireIncoming(int port) => new(IpsecDirection.In, IPv4Prefix.Any, IPv4Prefix.Any, port, IpsecTemplate.Any);

    /// <summary>To one host, by one association.</summary>
    public static IpsecPolicy Protect(IPAddress local, IPAddress peer, int port, uint spi) =>
        new(IpsecDirection.Out, IPv4Prefix.Host(local), IPv4Prefix.Host(peer), port, new IpsecTemplate(local, peer, spi));

    /// <summary>Whether one takes the place of the other.</summary>
    public bool IsInPlaceOf(IpsecPolicy other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return (Direction, Source, Destination, Port) == (other.Direction, other.Source, other.Destination, other.Port);
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"IPsec policy {(Direction == IpsecDirection.In ? "in" : "out")} {Source} to {Destination} UDP port {Port}{(Template is null ? ", drop" : Template.Spi == 0 ? ", ESP" : $", ESP SPI {Template.Spi:x8}")}");
}

/// <summary>Names an ESP association of ours in transport mode: its kernel wants no two with one destination and SPI.</summary>
public sealed record Association(IPAddress Source, IPAddress Destination, uint Spi)
{
    /// <summary>reqid of all associations and templates of ours, "flow".</summary>
    public const uint RequestId = 0x666c6f77;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"ESP association {Spi:x8} from {Source} to {Destination}");
}

/// <param name="Packets">That it has carried.</param>
public sealed record InstalledAssociation(Association Association, ulong Packets);

/// <summary>A key of rfc4106(gcm(aes)): 32 bytes for AES-256 and 4 of salt (RFC 4106, section 8.1). It prints as nothing but that.</summary>
public sealed class IpsecKey
{
    public const int Size = 36;
    private readonly byte[] _bytes;

    public IpsecKey(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size) throw new ArgumentException($"a key has {Size} bytes, not {bytes.Length}", nameof(bytes));
        _bytes = bytes.ToArray();
    }

    public ReadOnlySpan<byte> Bytes => _bytes;

    public override string ToString() => "(key)";
}

/// <summary>One change of a batch (<see cref="XfrmNetlink.ApplyAsync"/>).</summary>
/// <param name="Act">For messages.</param>
public abstract record IpsecChange(string Act)
{
    /// <summary>EEXIST if there is one with its destination and SPI.</summary>
    public sealed record AddAssociation(Association Association, IpsecKey Key) : IpsecChange($"adding {Association}");

    /// <summary>Success if there is none.</summary>
    public sealed record DeleteAssociation(Association Association) : IpsecChange($"deleting {Association}");

    /// <summary>Adds it, or puts it in the place of another at once: no packet finds neither.</summary>
    public sealed record SetPolicy(IpsecPolicy Policy) : IpsecChange($"setting {Policy}");

    /// <summary>Success if there is none.</summary>
    public sealed record DeletePolicy(IpsecPolicy Policy) : IpsecChange($"deleting {Policy}");
}
