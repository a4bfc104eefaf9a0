using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace FlannelFlow.Linux.Netlink;

/// <summary>An Ethernet address; its text is the kernel tools' lower-case colon form, <c>c6:d2:32:6f:8f:44</c>.</summary>
public readonly record struct MacAddress : ISpanParsable<MacAddress>
{
    public const int Size = 6;
    private readonly ulong _bits;

    private MacAddress(ulong bits) => _bits = bits;

    /// <summary>From six bytes in transmission order.</summary>
    public MacAddress(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size) throw new ArgumentException($"a MAC address has {Size} bytes, not {bytes.Length}", nameof(bytes));
        _bits = ((ulong)BinaryPrimitives.ReadUInt16BigEndian(bytes) << 32) | BinaryPrimitives.ReadUInt32BigEndian(bytes[2..]);
    }

    /// <summary>All zero: the vxlan FDB's default destination, and "none" on devices without an address.</summary>
    public bool IsZero => _bits == 0;

    /// <summary>A random unicast, locally administered address, made the way flannel makes it: byte 0 = (b &amp; 0xfe) | 0x02.</summary>
    public static MacAddress Random(Random chance)
    {
        ArgumentNullException.ThrowIfNull(chance);
        Span<byte> bytes = stackalloc byte[Size];
        chance.NextBytes(bytes);
        bytes[0] = (byte)((bytes[0] & 0xfe) | 0x02);
        return new MacAddress(bytes);
    }

    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt16BigEndian(destination, (ushort)(_bits >> 32));
        BinaryPrimitives.WriteUInt32BigEndian(destination[2..], (uint)_bits);
    }

    public byte[] ToBytes()
    {
        var bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    public override string ToString() => string.Create(17, _bits, static (text, bits) =>
    {
        const string digits = "0123456789abcdef";
        for (var i = 0; i < Size; i++)
        {
            var b = (int)(bits >> (40 - 8 * i)) & 0xff;
            text[3 * i] = digits[b >> 4];
            text[3 * i + 1] = digits[b & 15];
            if (i < Size - 1) text[3 * i + 2] = ':';
        }
    });

    public static MacAddress Parse(string s, IFormatProvider? provider = null) => Parse(s.AsSpan(), provider);

    public static MacAddress Parse(ReadOnlySpan<char> s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out var mac) ? mac : throw new FormatException($"not a MAC address: '{s}'");

    public static bool TryParse([NotNullWhen(true)] string? s, out MacAddress result) => TryParse(s.AsSpan(), null, out result);

    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out MacAddress result) =>
        TryParse(s.AsSpan(), provider, out result);

    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out MacAddress result)
    {
        result = default;
        if (s.Length != 17) return false;
        ulong bits = 0;
        for (var i = 0; i < Size; i++)
        {
            if (i < Size - 1 && s[3 * i + 2] != ':') return false;
            if (!byte.TryParse(s.Slice(3 * i, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var b)) return false;
            bits = (bits << 8) | b;
        }
        result = new MacAddress(bits);
        return true;
    }
}
