using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;

namespace FlannelFlow.Dns.Upstreams;

/// <summary>The part of a resolv.conf(5) that matters to a server.</summary>
public sealed record ResolverConfig(ImmutableArray<IPAddress> Servers)
{
    public static ResolverConfig Empty { get; } = new([]);

    /// <summary>What is no address is left out, as the C library does.</summary>
    public static ResolverConfig Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var servers = text.Split('\n')
            .Select(line => line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            .Where(words => words is ["nameserver", _, ..])
            .Select(words => IPAddress.TryParse(words[1], out var address) ? address : null);
        return new ResolverConfig([.. servers.OfType<IPAddress>()]);
    }

    public bool Equals(ResolverConfig? other) => other is not null && Servers.SequenceEqual(other.Servers);

    public override int GetHashCode() => Servers.Length;
}

/// <summary>Decides which upstreams a container has.</summary>
public static class UpstreamChoice
{
    /// <summary>As with Docker and with the C library (MAXNS in resolv.h).</summary>
    public const int Most = 3;

    /// <summary>Docker's resolver, for a container that is in other networks than ours too: it knows their names, and the container's upstreams.</summary>
    public static UpstreamModel DockersResolver { get; } = new(new IPEndPoint(IPAddress.Parse("127.0.0.11"), UpstreamModel.Port), UpstreamSide.PastRedirect);

    /// <param name="own">The container's <c>--dns</c>; empty: the host's are used.</param>
    /// <param name="host">The host's resolv.conf.</param>
    /// <param name="isInternal">All the container's networks are <c>--internal</c>: nothing of it may leave by way of the host's servers.</param>
    /// <remarks>
    /// A loopback address that the user gave to the container means the container's own; one of the host's resolv.conf means the host's, and so
    /// is asked from there. IPv6 servers of the host also are, as sandboxes have IPv4 only.
    /// </remarks>
    public static ImmutableArray<UpstreamModel> Of(IReadOnlyCollection<IPAddress> own, ResolverConfig host, bool isInternal)
    {
        ArgumentNullException.ThrowIfNull(own);
        ArgumentNullException.ThrowIfNull(host);
        if (own.Count > 0)
            return [.. own.Take(Most).Select(server => new UpstreamModel(new IPEndPoint(server, UpstreamModel.Port), UpstreamSide.Sandbox))];
        if (isInternal) return [];
        return
        [
            .. host.Servers.Take(Most).Select(server => new UpstreamModel(
                new IPEndPoint(server, UpstreamModel.Port),
                IPAddress.IsLoopback(server) || server.AddressFamily == AddressFamily.InterNetworkV6 ? UpstreamSide.Host : UpstreamSide.Sandbox)),
        ];
    }
}
