using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace FlannelFlow.Cluster.Addressing;

/// <summary>An IPv4 address as a number in host order. Text form: four decimal parts without leading zeros.</summary>
public readonly record struct IPv4Address(uint Value) : IComparable<IPv4Address>
{
    public static bool operator <(IPv4Address left, IPv4Address right) => left.Value < right.Value;

    public static bool operator >(IPv4Address left, IPv4Address right) => left.Value > right.Value;

    public static bool operator <=(IPv4Address left, IPv4Address right) => left.Value <= right.Value;

    public static bool operator >=(IPv4Address left, IPv4Address right) => left.Value >= right.Value;

    /// <exception cref="FormatException">Names the text.</exception>
    public static IPv4Address Parse(string text) =>
        TryParse(text, out var address) ? address : throw new FormatException($"'{text}' is not an IPv4 address");

    /// <summary>Stricter than IPAddress.Parse, which takes "10", "0x0a.1" and octal parts.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out IPv4Address address)
    {
        address = default;
        if (text is null) return false;
        uint value = 0;
        var rest = text.AsSpan();
        for (var part = 0; part < 4; part++)
        {
            var end = part < 3 ? rest.IndexOf('.') : rest.Length;
            if (end is < 1 or > 3) return false;
            var digits = rest[..end];
            // TryParse passes over NULs at the end (dotnet/runtime: Number.TrailingZeros).
            if ((digits.Length > 1 && digits[0] == '0') || digits.ContainsAnyExceptInRange('0', '9')) return false;
            if (!byte.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) return false;
            value = (value << 8) | number;
            rest = part < 3 ? rest[(end + 1)..] : default;
        }

        address = new IPv4Address(value);
        return true;
    }

    /// <exception cref="ArgumentException">For any other family.</exception>
    public static IPv4Address From(IPAddress address)
    {
        if (address.AddressFamily != AddressFamily.InterNetwork) throw new ArgumentException($"{address} is not an IPv4 address", nameof(address));
        Span<byte> bytes = stackalloc byte[4];
        address.TryWriteBytes(bytes, out _);
        return new IPv4Address(BinaryPrimitives.ReadUInt32BigEndian(bytes));
    }

    public IPAddress ToIPAddress()
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Value);
        return new IPAddress(bytes);
    }

    public int CompareTo(IPv4Address other) => Value.CompareTo(other.Value);

    public override string ToString() => $"{Value >> 24}.{(Value >> 16) & 0xff}.{(Value >> 8) & 0xff}.{Value & 0xff}";
}
