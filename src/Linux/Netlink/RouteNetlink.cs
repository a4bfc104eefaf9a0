#pragma warning disable CA1822, IDE0060 // skeleton: bodies follow
using System.Net;
using FlannelFlow.Linux.Namespaces;

namespace FlannelFlow.Linux.Netlink;

public sealed class RouteNetlink : IDisposable
{
    public static RouteNetlink Open() => throw new NotImplementedException();
    public static RouteNetlink OpenIn(NetworkNamespace networkNamespace) => throw new NotImplementedException();

    public Task<IReadOnlyList<Link>> ListLinksAsync(CancellationToken ct) => throw new NotImplementedException();
    public Task<Link?> FindLinkAsync(string name, CancellationToken ct) => throw new NotImplementedException();
    public Task<Link?> FindLinkAsync(int index, CancellationToken ct) => throw new NotImplementedException();
    /// <exception cref="NetlinkException">ENODEV if there is none.</exception>
    public Task<Link> GetLinkAsync(string name, CancellationToken ct) => throw new NotImplementedException();
    /// <summary>Makes it; EEXIST throws.</summary>
    public Task<Link> AddLinkAsync(LinkConfig config, CancellationToken ct) => throw new NotImplementedException();
    /// <summary>Makes it, or brings an existing one of the same kind to the wanted MTU, MAC, alias and state. Vxlan: an incompatible one is replaced. EEXIST if a device of another kind has the name.</summary>
    public Task<EnsuredLink> EnsureLinkAsync(LinkConfig config, CancellationToken ct) => throw new NotImplementedException();
    public Task ChangeLinkAsync(int index, LinkChange change, CancellationToken ct) => throw new NotImplementedException();
    /// <returns>False if there was none.</returns>
    public Task<bool> DeleteLinkAsync(string name, CancellationToken ct) => throw new NotImplementedException();
    public Task<bool> DeleteLinkAsync(int index, CancellationToken ct) => throw new NotImplementedException();

    public Task<IReadOnlyList<InterfaceAddress>> ListAddressesAsync(int? interfaceIndex, CancellationToken ct) => throw new NotImplementedException();
    /// <returns>False if it was there.</returns>
    public Task<bool> EnsureAddressAsync(InterfaceAddress address, CancellationToken ct) => throw new NotImplementedException();
    public Task<bool> DeleteAddressAsync(InterfaceAddress address, CancellationToken ct) => throw new NotImplementedException();

    public Task<IReadOnlyList<Route>> ListRoutesAsync(RouteFilter filter, CancellationToken ct) => throw new NotImplementedException();
    /// <summary>Adds it, or replaces the one with the same destination, metric and table.</summary>
    public Task EnsureRouteAsync(Route route, CancellationToken ct) => throw new NotImplementedException();
    public Task<bool> DeleteRouteAsync(Route route, CancellationToken ct) => throw new NotImplementedException();
    /// <summary>How the kernel would send to <paramref name="destination"/>: interface, gateway, preferred source.</summary>
    public Task<Route> GetRouteToAsync(IPAddress destination, CancellationToken ct) => throw new NotImplementedException();

    public Task<IReadOnlyList<Neighbour>> ListNeighboursAsync(int? interfaceIndex, CancellationToken ct) => throw new NotImplementedException();
    public Task EnsureNeighbourAsync(Neighbour neighbour, CancellationToken ct) => throw new NotImplementedException();
    public Task<bool> DeleteNeighbourAsync(Neighbour neighbour, CancellationToken ct) => throw new NotImplementedException();
    public Task<IReadOnlyList<ForwardingEntry>> ListForwardingEntriesAsync(int? interfaceIndex, CancellationToken ct) => throw new NotImplementedException();
    public Task EnsureForwardingEntryAsync(ForwardingEntry entry, CancellationToken ct) => throw new NotImplementedException();
    public Task<bool> DeleteForwardingEntryAsync(ForwardingEntry entry, CancellationToken ct) => throw new NotImplementedException();

    /// <summary>Many changes in few system calls; one result per change, in order: null is success (including "was so already").</summary>
    public Task<IReadOnlyList<NetlinkException?>> ApplyAsync(IReadOnlyList<RouteNetlinkChange> changes, CancellationToken ct) => throw new NotImplementedException();

    public void Dispose() { }
}

/// <summary>One change of a batch (<see cref="RouteNetlink.ApplyAsync"/>).</summary>
public abstract record RouteNetlinkChange
{
    public sealed record EnsureRoute(Route Route) : RouteNetlinkChange;
    public sealed record DeleteRoute(Route Route) : RouteNetlinkChange;
    public sealed record EnsureNeighbour(Neighbour Neighbour) : RouteNetlinkChange;
    public sealed record DeleteNeighbour(Neighbour Neighbour) : RouteNetlinkChange;
    public sealed record EnsureForwardingEntry(ForwardingEntry Entry) : RouteNetlinkChange;
    public sealed record DeleteForwardingEntry(ForwardingEntry Entry) : RouteNetlinkChange;
}

/// <summary>A subscription to the kernel's changes; begins to collect at <see cref="Open"/>, so: open, dump, then read.</summary>
public sealed class RouteEventSocket : IDisposable
{
    public static RouteEventSocket Open(RouteEventGroups groups) => throw new NotImplementedException();
    public static RouteEventSocket OpenIn(NetworkNamespace networkNamespace, RouteEventGroups groups) => throw new NotImplementedException();
    public IAsyncEnumerable<RouteEvent> ReadAsync(CancellationToken ct) => throw new NotImplementedException();
    public void Dispose() { }
}
