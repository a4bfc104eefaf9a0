using System.Net;
using FlannelFlow.Linux.Interop;

namespace FlannelFlow.Linux.Netlink;

public sealed partial class RouteNetlink
{
    /// <param name="interfaceIndex">Null: of all interfaces. Of an interface that does not exist the list is empty.</param>
    public async Task<IReadOnlyList<InterfaceAddress>> ListAddressesAsync(int? interfaceIndex, CancellationToken ct)
    {
        var all = await DumpUnlessAbsentAsync("listing addresses", RouteCodec.ListAddresses(interfaceIndex), RouteCodec.ParseAddress, ct);
        return interfaceIndex is { } index ? all.FindAll(a => a.InterfaceIndex == index) : all;
    }

    /// <returns>False if it was there.</returns>
    public Task<bool> EnsureAddressAsync(InterfaceAddress address, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(address);
        return ApplyOneAsync(new RouteNetlinkChange.EnsureAddress(address), ct);
    }

    /// <returns>False if it was not there.</returns>
    public Task<bool> DeleteAddressAsync(InterfaceAddress address, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(address);
        return ApplyOneAsync(new RouteNetlinkChange.DeleteAddress(address), ct);
    }

    private string Text(InterfaceAddress address) => $"address {address.Address}/{address.PrefixLength} on {NameOf(address.InterfaceIndex)}";

    /// <summary>Multipath routes come without their gateways; FlannelFlow makes none.</summary>
    public async Task<IReadOnlyList<Route>> ListRoutesAsync(RouteFilter filter, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(filter);
        var all = await DumpUnlessAbsentAsync("listing routes", RouteCodec.ListRoutes(filter), RouteCodec.ParseRoute, ct);
        return all.FindAll(r =>
            (filter.Table ?? r.Table) == r.Table
            && (filter.InterfaceIndex ?? r.InterfaceIndex) == r.InterfaceIndex
            && (filter.Protocol ?? r.Protocol) == r.Protocol);
    }

    /// <summary>Adds it, or replaces the one with the same destination, metric and table.</summary>
    public Task EnsureRouteAsync(Route route, CancellationToken ct) => ApplyOneAsync(new RouteNetlinkChange.EnsureRoute(route), ct);

    /// <returns>False if there was none.</returns>
    public Task<bool> DeleteRouteAsync(Route route, CancellationToken ct) => ApplyOneAsync(new RouteNetlinkChange.DeleteRoute(route), ct);

    /// <summary>How the kernel would send to <paramref name="destination"/>: interface, gateway (null: on the link), preferred source.</summary>
    /// <exception cref="NetlinkException">ENETUNREACH if there is no way.</exception>
    public async Task<Route> GetRouteToAsync(IPAddress destination, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var act = $"finding the route to {destination}";
        var routes = await _socket.RequestAsync(act, RouteCodec.GetRouteTo(destination), RouteCodec.ParseRoute, ct);
        return routes.Count > 0 ? routes[0] : throw new NetlinkException(act, Errno.EPROTO, "the kernel gave no route and no error");
    }

    /// <summary>ARP entries in all states, also those without a MAC.</summary>
    public async Task<IReadOnlyList<Neighbour>> ListNeighboursAsync(int? interfaceIndex, CancellationToken ct)
    {
        var all = await DumpUnlessAbsentAsync("listing neighbours", NeighbourCodec.ListNeighbours(interfaceIndex), NeighbourCodec.ParseNeighbour, ct);
        return interfaceIndex is { } index ? all.FindAll(n => n.InterfaceIndex == index) : all;
    }

    /// <summary>Adds it, or gives the address its new MAC and state.</summary>
    public Task EnsureNeighbourAsync(Neighbour neighbour, CancellationToken ct) => ApplyOneAsync(new RouteNetlinkChange.EnsureNeighbour(neighbour), ct);

    /// <returns>False if there was none.</returns>
    public Task<bool> DeleteNeighbourAsync(Neighbour neighbour, CancellationToken ct) =>
        ApplyOneAsync(new RouteNetlinkChange.DeleteNeighbour(neighbour), ct);

    public async Task<IReadOnlyList<ForwardingEntry>> ListForwardingEntriesAsync(int? interfaceIndex, CancellationToken ct)
    {
        var all = await DumpUnlessAbsentAsync("listing forwarding entries", NeighbourCodec.ListForwarding(interfaceIndex), NeighbourCodec.ParseForwarding, ct);
        return interfaceIndex is { } index ? all.FindAll(e => e.InterfaceIndex == index) : all;
    }

    /// <summary>Adds it, or makes the MAC lead to the new host. An all-zero or multicast MAC leads to many: a destination is added.</summary>
    public Task EnsureForwardingEntryAsync(ForwardingEntry entry, CancellationToken ct) =>
        ApplyOneAsync(new RouteNetlinkChange.EnsureForwardingEntry(entry), ct);

    /// <returns>False if there was none.</returns>
    public Task<bool> DeleteForwardingEntryAsync(ForwardingEntry entry, CancellationToken ct) =>
        ApplyOneAsync(new RouteNetlinkChange.DeleteForwardingEntry(entry), ct);

    /// <summary>With strict checks, a dump filtered by a device (ENODEV) or table (ENOENT) that does not exist is refused: that is an empty list.</summary>
    private async Task<List<T>> DumpUnlessAbsentAsync<T>(string act, NetlinkRequest request, ReplyParser<T> parse, CancellationToken ct) where T : class
    {
        try
        {
            return await _socket.DumpAsync(act, request, parse, ct);
        }
        catch (NetlinkException e) when (e.Errno is Errno.ENODEV or Errno.ENOENT)
        {
            return [];
        }
    }
}
