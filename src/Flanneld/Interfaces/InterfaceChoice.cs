using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Flanneld.Interfaces;

/// <summary>The present interfaces and their IPv4 addresses, as dumped; the choices among them are pure.</summary>
internal sealed record InterfaceTable(IReadOnlyList<Link> Links, IReadOnlyList<InterfaceAddress> Addresses)
{
    /// <summary>By IPv4 address, if it is one, else by name. Null with what is wrong, in words.</summary>
    public Underlay? ByNameOrAddress(string wanted, out string problem)
    {
        problem = "";
        if (wanted.Count(c => c == '.') == 3 && IPAddress.TryParse(wanted, out var address) && address.AddressFamily == AddressFamily.InterNetwork)
        {
            if (Addresses.FirstOrDefault(a => a.Address.Equals(address)) is { } found && Links.FirstOrDefault(l => l.Index == found.InterfaceIndex) is { } holder)
                return new Underlay(holder.Name, holder.Index, holder.Mtu, address);
            problem = $"no interface has the address {wanted}; present: {Description}";
            return null;
        }
        if (Links.FirstOrDefault(l => l.Name == wanted) is { } link) return Of(link, out problem);
        problem = $"no interface named {wanted}; present: {Names}";
        return null;
    }

    /// <summary>The first interface with an address or, failing that, a name that the pattern matches; flannel's order.</summary>
    public Underlay? ByRegex(string pattern, out string problem)
    {
        var regex = new Regex(pattern, RegexOptions.CultureInvariant);
        var candidates = Links.Select(l => Of(l, out _)).OfType<Underlay>().ToList();
        var found = Addresses.Where(a => regex.IsMatch(a.Address.ToString()))
            .Select(a => Links.FirstOrDefault(l => l.Index == a.InterfaceIndex) is { } l ? new Underlay(l.Name, l.Index, l.Mtu, a.Address) : null)
            .OfType<Underlay>().FirstOrDefault()
            ?? candidates.FirstOrDefault(c => regex.IsMatch(c.Name));
        problem = found is null ? $"no interface with an IPv4 address matches '{pattern}'; present: {Description}" : "";
        return found;
    }

    /// <summary>The interface of the default route with the lowest metric.</summary>
    public Underlay? OfDefaultRoute(IEnumerable<Route> routes, out string problem)
    {
        var route = routes.Where(r => r.Destination == IPv4Prefix.Any && r.Kind == RouteKind.Unicast && r.InterfaceIndex != 0).MinBy(r => r.Metric);
        if (route is not null && Links.FirstOrDefault(l => l.Index == route.InterfaceIndex) is { } link) return Of(link, out problem);
        problem = "there is no default route";
        return null;
    }

    /// <summary>The interface of the kernel's answer to "how to reach"; its source address there is ours.</summary>
    public Underlay? OfRoute(Route route, IPAddress destination, out string problem)
    {
        problem = "";
        if (Links.FirstOrDefault(l => l.Index == route.InterfaceIndex) is not { } link)
        {
            problem = $"the route to {destination} names no interface";
            return null;
        }
        if ((link.Flags & LinkFlags.Loopback) != 0)
        {
            problem = $"{destination} is reached through {link.Name}, which no other host can send to";
            return null;
        }
        return route.PreferredSource is { } source ? new Underlay(link.Name, link.Index, link.Mtu, source) : Of(link, out problem);
    }

    public string Names => string.Join(", ", Links.Select(l => l.Name));

    private string Description => string.Join(", ", Links.Select(l =>
        string.Join(' ', Addresses.Where(a => a.InterfaceIndex == l.Index).Select(a => a.Address.ToString()).Prepend(l.Name))));

    /// <summary>Of several addresses a global one comes before link-local ones, a permanent one before leased ones.</summary>
    private Underlay? Of(Link link, out string problem)
    {
        var address = Addresses.Where(a => a.InterfaceIndex == link.Index).OrderBy(a => a.Scope).ThenByDescending(a => a.IsPermanent).FirstOrDefault();
        problem = address is null ? $"interface {link.Name} has no IPv4 address" : "";
        return address is null ? null : new Underlay(link.Name, link.Index, link.Mtu, address.Address);
    }
}
