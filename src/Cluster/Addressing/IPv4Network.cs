using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace FlannelFlow.Cluster.Addressing;

/// <summary>An IPv4 network in CIDR form. Invariant: no bit is set below the prefix length.</summary>
public readonly record struct IPv4Network : IComparable<IPv4Network>
{
    private IPv4Network(uint first, int length)
    {
        First = new IPv4Address(first);
        Length = length;
    }

    /// <summary>The network address.</summary>
    public IPv4Address First { get; }

    /// <summary>The prefix length, 0 to 32.</summary>
    public int Length { get; }

    /// <summary>The broadcast address (of a /31 or /32 the last address).</summary>
    public IPv4Address Last => new(First.Value | ~Mask(Length));

    public long Size => 1L << (32 - Length);

    public IPv4Address FirstUsable => Length >= 31 ? First : new(First.Value + 1);

    public IPv4Address LastUsable => Length >= 31 ? Last : new(Last.Value - 1);

    /// <summary>As it stands in etcd keys: <c>10.1.0.0-20</c>.</summary>
    public string PathForm => $"{First}-{Length}";

    public static bool operator <(IPv4Network left, IPv4Network right) => left.CompareTo(right) < 0;

    public static bool operator >(IPv4Network left, IPv4Network right) => left.CompareTo(right) > 0;

    public static bool operator <=(IPv4Network left, IPv4Network right) => left.CompareTo(right) <= 0;

    public static bool operator >=(IPv4Network left, IPv4Network right) => left.CompareTo(right) >= 0;

    /// <exception cref="FormatException">Says what is wrong: form, length, or host bits.</exception>
    public static IPv4Network Parse(string text) => TryParse(text, out var network, out var problem) ? network : throw new FormatException(problem);

    public static bool TryParse([NotNullWhen(true)] string? text, out IPv4Network network, [NotNullWhen(false)] out string? problem) =>
        TryParse(text, '/', strict: true, out network, out problem);

    /// <summary>The network that contains the address: host bits are cut off, as Go's net.ParseCIDR does.</summary>
    public static bool TryParseMasked([NotNullWhen(true)] string? text, out IPv4Network network, [NotNullWhen(false)] out string? problem) =>
        TryParse(text, '/', strict: false, out network, out problem);

    /// <summary>Parses <c>10.1.0.0-20</c>.</summary>
    public static bool TryParsePathForm([NotNullWhen(true)] string? text, out IPv4Network network) =>
        TryParse(text, '-', strict: true, out network, out _);

    /// <summary>The network of the given length that contains the address.</summary>
    public static IPv4Network Containing(IPv4Address address, int length)
    {
        if (length is < 0 or > 32) throw new ArgumentOutOfRangeException(nameof(length), length, "a prefix length is 0 to 32");
        return new IPv4Network(address.Value & Mask(length), length);
    }

    public bool Contains(IPv4Address address) => (address.Value & Mask(Length)) == First.Value;

    public bool Contains(IPv4Network other) => other.Length >= Length && Contains(other.First);

    public bool Overlaps(IPv4Network other) => Contains(other.First) || other.Contains(First);

    /// <summary>How many networks of the length fit in.</summary>
    public long CountOf(int length) => length < Length ? 0 : 1L << (length - Length);

    /// <summary>All networks of the length inside this one, ascending; none if the length is shorter than ours.</summary>
    public IEnumerable<IPv4Network> Split(int length)
    {
        if (length is < 0 or > 32) throw new ArgumentOutOfRangeException(nameof(length), length, "a prefix length is 0 to 32");
        var count = CountOf(length);
        for (long i = 0; i < count; i++) yield return new IPv4Network((uint)(First.Value + (i << (32 - length))), length);
    }

    public int CompareTo(IPv4Network other)
    {
        var byAddress = First.CompareTo(other.First);
        return byAddress != 0 ? byAddress : Length.CompareTo(other.Length);
    }

    public override string ToString() => $"{First}/{Length}";

    private static uint Mask(int length) => length == 0 ? 0 : uint.MaxValue << (32 - length);

    private static bool TryParse(string? text, char separator, bool strict, out IPv4Network network, [NotNullWhen(false)] out string? problem)
    {
        network = default;
        var cut = text?.LastIndexOf(separator) ?? -1;
        if (cut < 0 || !IPv4Address.TryParse(text![..cut], out var address))
        {
            problem = text is not null && text.Contains(':', StringComparison.Ordinal)
                ? $"'{text}' is an IPv6 network; only IPv4 networks such as 10.1.0.0/20 are supported"
                : $"'{text}' is not an IPv4 network such as 10.1.0.0/20";
            return false;
        }

        var digits = text.AsSpan(cut + 1);
        if (digits.ContainsAnyExceptInRange('0', '9')
            || !int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var length) || length > 32 || (digits.Length > 1 && digits[0] == '0'))
        {
            problem = $"'{text}' has no prefix length from 0 to 32";
            return false;
        }

        network = Containing(address, length);
        if (strict && network.First != address)
        {
            problem = $"'{text}' has host bits set: the network is {network}";
            network = default;
            return false;
        }

        problem = null;
        return true;
    }
}
