using System.Net;
using System.Net.Sockets;
using FlannelFlow.Flanneld.CommandLine;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Flanneld.Interfaces;

/// <summary>
/// Finds the interface to send through: -iface, else -iface-regex, else -iface-can-reach, else the default route's, else (a lab
/// without a default route) the one that the kernel reaches the first etcd endpoint through.
/// </summary>
internal sealed class UnderlayFinder(RouteNetlink kernel)
{
    /// <exception cref="FlanneldException">None fits; says all that was tried.</exception>
    public async Task<Underlay> FindAsync(FlanneldOptions options, CancellationToken ct)
    {
        var table = new InterfaceTable(await kernel.ListLinksAsync(ct), await kernel.ListAddressesAsync(null, ct));
        var problems = new List<string>();
        Underlay? Tried(Underlay? found, string problem)
        {
            if (found is null) problems.Add(problem);
            return found;
        }

        foreach (var wanted in options.Interfaces)
            if (Tried(table.ByNameOrAddress(wanted, out var problem), problem) is { } found) return found;
        foreach (var pattern in options.InterfaceRegexes)
            if (Tried(table.ByRegex(pattern, out var problem), problem) is { } found) return found;
        if (options.InterfaceCanReach is { } destination)
        {
            if (await ReachingAsync(table, destination, problems, ct) is { } found) return found;
        }
        else if (options.Interfaces.Count + options.InterfaceRegexes.Count == 0)
        {
            var routes = await kernel.ListRoutesAsync(new RouteFilter(), ct);
            if (Tried(table.OfDefaultRoute(routes, out var problem), problem) is { } found) return found;
            if (await ReachingEtcdAsync(table, options.EtcdEndpoints[0], problems, ct) is { } reaching) return reaching;
        }
        throw new FlanneldException(ExitCodes.Failed, $"choosing the interface: {string.Join("; ", problems)}");
    }

    private async Task<Underlay?> ReachingEtcdAsync(InterfaceTable table, Uri endpoint, List<string> problems, CancellationToken ct)
    {
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(endpoint.DnsSafeHost, AddressFamily.InterNetwork, ct);
            if (addresses.Length > 0) return await ReachingAsync(table, addresses[0], problems, ct);
            problems.Add($"{endpoint.DnsSafeHost} has no IPv4 address");
        }
        catch (SocketException e)
        {
            problems.Add($"looking up {endpoint.DnsSafeHost}: {e.Message}");
        }
        return null;
    }

    private async Task<Underlay?> ReachingAsync(InterfaceTable table, IPAddress destination, List<string> problems, CancellationToken ct)
    {
        try
        {
            if (table.OfRoute(await kernel.GetRouteToAsync(destination, ct), destination, out var problem) is { } found) return found;
            problems.Add(problem);
        }
        catch (NetlinkException e)
        {
            problems.Add(e.Message);
        }
        return null;
    }
}
