using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace FlannelFlow.Linux.Netlink;

/// <summary>An IPv4 network in CIDR form, <c>10.1.2.0/24</c>; host bits are always zero. <c>default</c> is 0.0.0.0/0.</summary>
public readonly record struct IPv4Prefix : ISpanParsable<IPv4Prefix>, IComparable<IPv4Prefix>
{
    /// <summary>0.0.0.0/0, the default route's destination.</summary>
    public static readonly IPv4Prefix Any;

    private readonly uint _first;

    /// <summary>The network that <paramref name="address"/> is in; host bits are cut.</summary>
    public IPv4Prefix(IPAddress address, int length)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (address.AddressFamily != AddressFamily.InterNetwork) throw new ArgumentException($"{address} is not an IPv4 address", nameof(address));
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, 32);
        Length = length;
        _first = ToBits(address) & Mask;
    }

    private IPv4Prefix(uint bits, int length)
    {
        Length = length;
        _first = bits & Mask;
    }

    /// <summary>Bits of the network part, 0 to 32.</summary>
    public int Length { get; }

    public IPAddress Network => ToAddress(_first);

    private uint Mask => Length == 0 ? 0 : uint.MaxValue << (32 - Length);

    /// <summary>One address as a /32.</summary>
    public static IPv4Prefix Host(IPAddress address) => new(address, 32);

    public bool Contains(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return address.AddressFamily == AddressFamily.InterNetwork && (ToBits(address) & Mask) == _first;
    }

    public bool Contains(IPv4Prefix other) => other.Length >= Length && (other._first & Mask) == _first;

    public bool Overlaps(IPv4Prefix other) => Contains(other) || other.Contains(this);

    public int CompareTo(IPv4Prefix other) => (_first, Length).CompareTo((other._first, other.Length));

    public static bool operator <(IPv4Prefix left, IPv4Prefix right) => left.CompareTo(right) < 0;

    public static bool operator >(IPv4Prefix left, IPv4Prefix right) => left.CompareTo(right) > 0;

    public static bool operator <=(IPv4Prefix left, IPv4Prefix right) => left.CompareTo(right) <= 0;

    public static bool operator >=(IPv4Prefix left, IPv4Prefix right) => left.CompareTo(right) >= 0;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Network}/{Length}");

    public static IPv4Prefix Parse(string s, IFormatProvider? provider = null) => Parse(s.AsSpan(), provider);

    public static IPv4Prefix Parse(ReadOnlySpan<char> s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out var prefix) ? prefix : throw new FormatException($"not an IPv4 network in CIDR form: '{s}'");

    public static bool TryParse([NotNullWhen(true)] string? s, out IPv4Prefix result) => TryParse(s.AsSpan(), null, out result);

    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out IPv4Prefix result) =>
        TryParse(s.AsSpan(), provider, out result);

    /// <summary>Takes <c>a.b.c.d/len</c> with all four octets; host bits are cut, as Go's net.ParseCIDR does.</summary>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out IPv4Prefix result)
    {
        result = default;
        var slash = s.IndexOf('/');
        if (slash < 0 || s[..slash].Count('.') != 3) return false;   // IPAddress.TryParse takes "10.1" for 10.0.0.1
        if (!IPAddress.TryParse(s[..slash], out var address) || address.AddressFamily != AddressFamily.InterNetwork) return false;
        if (!int.TryParse(s[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var length) || length > 32) return false;
        result = new IPv4Prefix(ToBits(address), length);
        return true;
    }

    private static uint ToBits(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[4];
        address.TryWriteBytes(bytes, out _);
        return BinaryPrimitives.ReadUInt32BigEndian(bytes);
    }

    private static IPAddress ToAddress(uint bits)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, bits);
        return new IPAddress(bytes);
    }
}
