using System.Diagnostics.CodeAnalysis;

namespace FlannelFlow.Dns.Names;

/// <summary>The names of one network, ready to be looked up. Immutable once built.</summary>
/// <remarks>Keys are lower case. Addresses are as on the wire: the uint's bytes in memory are those of the IPv4 address.</remarks>
public sealed class NetworkNames
{
    private readonly Dictionary<string, uint[]> _addresses;
    private readonly Dictionary<string, uint[]>.AlternateLookup<ReadOnlySpan<char>> _byText;
    private readonly Dictionary<uint, string> _names;
    private readonly HashSet<uint> _idleVips;

    /// <param name="idleVips">Of services that have no ready task here.</param>
    internal NetworkNames(string id, string name, Dictionary<string, uint[]> addresses, Dictionary<uint, string> names, HashSet<uint> idleVips)
    {
        Id = id;
        Name = name;
        _addresses = addresses;
        _byText = addresses.GetAlternateLookup<ReadOnlySpan<char>>();
        _names = names;
        _idleVips = idleVips;
    }

    public string Id { get; }

    /// <summary>Lower case.</summary>
    public string Name { get; }

    public int Count => _addresses.Count;

    /// <param name="name">Lower case, without a dot at its end.</param>
    /// <param name="addresses">Without duplicates. Empty: the name is one, but nothing ready stands behind it.</param>
    public bool TryFind(ReadOnlySpan<char> name, [NotNullWhen(true)] out uint[]? addresses) => _byText.TryGetValue(name, out addresses);

    /// <summary>Whether something that is ready stands behind one of the addresses: not, if all are VIPs of services without a ready task.</summary>
    public bool IsServed(ReadOnlySpan<uint> addresses)
    {
        foreach (var address in addresses)
        {
            if (!_idleVips.Contains(address)) return true;
        }

        return false;
    }

    /// <summary>The whole name, with the network's, of what has the address here; null if nothing has.</summary>
    public string? NameOf(uint address) => _names.GetValueOrDefault(address);
}
