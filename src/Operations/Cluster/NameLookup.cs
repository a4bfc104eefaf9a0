using System.Collections.Immutable;
using System.Net;
using FlannelFlow.Activities.Dns;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Dns.Names;

namespace FlannelFlow.Operations.Cluster;

/// <summary>What a container is answered for a name.</summary>
/// <param name="Networks">Names of the container's networks of ours, in the order in which they are asked.</param>
/// <param name="Outcome">Found; NoAddress: it is ours, and has no address to give now; Unknown: it is not ours, and the container's own servers are asked.</param>
public sealed record NameLookupView(
    string ContainerId, string Container, string Host, string Name, NameKind Outcome, IReadOnlyList<NameLookupAddress> Addresses, IReadOnlyList<string> Networks);

/// <param name="Holder">The name to which the address belongs: a service's or a container's, with its network's.</param>
public sealed record NameLookupAddress(string Address, string? Holder);

/// <summary>Looks names up as a container, by what answers its DNS queries. Pure.</summary>
public static class NameLookup
{
    /// <summary>RFC 1035, 2.3.4.</summary>
    private const int LongestName = 253;

    /// <param name="container">Id, the beginning of it, or name.</param>
    /// <param name="name">Or an address, whose name is looked for.</param>
    /// <remarks>
    /// The container's networks are taken in the order of their names, which is Docker's where no gateway has a priority. Its <c>--dns-option ndots</c> is not known here.
    /// </remarks>
    /// <exception cref="KeyNotFoundException">There is no such container on our networks.</exception>
    /// <exception cref="BadRequestException">No name, or more than one container is meant.</exception>
    public static NameLookupView Of(MirrorState state, string container, string name, MatchMode mode)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(name);
        var asked = name.Trim().TrimEnd('.');
        if (asked.Length is 0 or > LongestName) throw new BadRequestException($"name: 1 to {LongestName} characters");
        var found = Find(state, container);
        var order = found.Networks.Select(network => network.NetworkId)
            .OrderBy(id => state.Networks.GetValueOrDefault(id)?.Name ?? id, StringComparer.Ordinal).ToList();
        var networks = NameResolver.Select(NameIndex.Build(MirrorNames.Of(state)), order);
        IReadOnlyList<string> names = [.. order.Select(id => state.Networks.GetValueOrDefault(id)?.Name ?? id)];
        if (IPAddress.TryParse(asked, out var address) && address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork)
        {
            var holder = NameResolver.FindAddress(NameIndex.Wire(address), networks);
            return new NameLookupView(
                found.Id, found.Name, found.Host, asked, holder is null ? NameKind.Unknown : NameKind.Found, holder is null ? [] : [new NameLookupAddress(address.ToString(), holder)], names);
        }

#pragma warning disable CA1308 // DNS compares without case (RFC 4343), and its canonical form is the lower one (RFC 4034 6.2).
        var answer = NameResolver.Find(asked.ToLowerInvariant(), networks, mode);
#pragma warning restore CA1308
        return new NameLookupView(found.Id, found.Name, found.Host, asked, answer.Kind, [.. Addresses(answer, networks)], names);
    }

    private static IEnumerable<NameLookupAddress> Addresses(NameAnswer answer, ImmutableArray<NetworkNames> networks)
    {
        foreach (var address in answer.Addresses.ToArray())
            yield return new NameLookupAddress(new IPAddress(address).ToString(), NameResolver.FindAddress(address, networks));
    }

    private static ContainerRecord Find(MirrorState state, string container)
    {
        if (string.IsNullOrWhiteSpace(container)) throw new BadRequestException("container: none is given");
        var text = container.Trim();
        var all = state.Containers.Values.Where(one => one.Networks.Length > 0).ToList();
        if (all.FirstOrDefault(one => one.Id == text) is { } exact) return exact;
        var meant = all.Where(one => one.Name == text).ToList();
        if (meant.Count == 0) meant = [.. all.Where(one => one.Id.StartsWith(text, StringComparison.Ordinal))];
        return meant switch
        {
            [var one] => one,
            [] => throw new KeyNotFoundException($"there is no container \"{text}\" on our networks"),
            _ => throw new BadRequestException($"container: \"{text}\" is the name or the beginning of the id of {meant.Count}; give the id"),
        };
    }
}
