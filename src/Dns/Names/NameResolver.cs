using System.Collections.Immutable;

namespace FlannelFlow.Dns.Names;

/// <summary>Which of several matches count.</summary>
public enum MatchMode
{
    /// <summary>As Docker's resolver: those of the first of the sandbox's networks that has one.</summary>
    FirstNetwork,

    /// <summary>Those of all the sandbox's networks.</summary>
    AllNetworks,
}

public enum NameKind
{
    /// <summary>Nothing of ours has this name, as far as this sandbox may know.</summary>
    Unknown,

    /// <summary>Has the name, and no address to give.</summary>
    NoAddress,
    Found,
}

/// <param name="Addresses">As in <see cref="NetworkNames"/>; without duplicates.</param>
public readonly record struct NameAnswer(NameKind Kind, ReadOnlyMemory<uint> Addresses);

/// <summary>Finds names for a sandbox. Pure: what it knows are its arguments.</summary>
public static class NameResolver
{
    /// <summary>The networks of a sandbox in its order; those that are not known (yet) are left out.</summary>
    public static ImmutableArray<NetworkNames> Select(NameIndex index, IEnumerable<string> networkIds)
    {
        ArgumentNullException.ThrowIfNull(index);
        return [.. networkIds.Select(index.Network).OfType<NetworkNames>()];
    }

    /// <summary>Looks a name up in levels; the first level with an address decides.</summary>
    /// <param name="name">Lower case, without a dot at its end.</param>
    /// <param name="networks">Of the sandbox, in Docker's order.</param>
    /// <param name="served">Names with nothing ready behind them have no address; otherwise a service's is its VIP in any case.</param>
    /// <remarks>
    /// Names of containers, services and networks may hold dots. So a.b.c is, in this order (moby: daemon/libnetwork/sandbox.go ResolveName):
    /// <list type="number">
    /// <item>a.b.c in any network,</item>
    /// <item>a.b in the network c,</item>
    /// <item>a in the network b.c.</item>
    /// </list>
    /// </remarks>
    public static NameAnswer Find(ReadOnlySpan<char> name, ImmutableArray<NetworkNames> networks, MatchMode mode, bool served = false)
    {
        var known = false;
        var level = Level(name, default, networks, mode, served, ref known);
        for (var dot = name.LastIndexOf('.'); level.IsEmpty && dot > 0; dot = name[..dot].LastIndexOf('.'))
            level = Level(name[..dot], name[(dot + 1)..], networks, mode, served, ref known);
        return !level.IsEmpty ? new(NameKind.Found, level) : new(known ? NameKind.NoAddress : NameKind.Unknown, default);
    }

    /// <summary>The name to which an address belongs; null if it is none of the sandbox's networks'.</summary>
    public static string? FindAddress(uint address, ImmutableArray<NetworkNames> networks)
    {
        foreach (var network in networks)
        {
            if (network.NameOf(address) is { } name) return name;
        }

        return null;
    }

    /// <param name="only">The network's name; empty: any network.</param>
    private static ReadOnlyMemory<uint> Level(
        ReadOnlySpan<char> name, ReadOnlySpan<char> only, ImmutableArray<NetworkNames> networks, MatchMode mode, bool served, ref bool known)
    {
        ReadOnlyMemory<uint> found = default;
        foreach (var network in networks)
        {
            if (!only.IsEmpty && !only.SequenceEqual(network.Name)) continue;
            if (!network.TryFind(name, out var addresses)) continue;
            known = true;
            if (addresses.Length == 0 || (served && !network.IsServed(addresses))) continue;
            if (found.IsEmpty) found = addresses;
            else found = found.ToArray().Union(addresses).ToArray();
            if (mode == MatchMode.FirstNetwork) break;
        }

        return found;
    }
}
