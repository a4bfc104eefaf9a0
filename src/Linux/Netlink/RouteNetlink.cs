using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using FlannelFlow.Linux.Interop;
using FlannelFlow.Linux.Namespaces;

namespace FlannelFlow.Linux.Netlink;

/// <summary>
/// Links, addresses, routes and neighbours of one network namespace, by rtnetlink(7). IPv4 only. Ensure and Delete methods take a state
/// that already holds for success; all else the kernel refuses is a <see cref="NetlinkException"/>.
/// </summary>
/// <remarks>Safe for concurrent callers: requests are sent one after the other. A request once sent is not cancelled.</remarks>
public sealed partial class RouteNetlink : IDisposable
{
    private readonly NetlinkSocket _socket;

    /// <summary>For messages only: the last name seen of an index.</summary>
    private readonly ConcurrentDictionary<int, string> _names = new();

    private RouteNetlink(NetlinkSocket socket) => _socket = socket;

    /// <summary>In the calling thread's namespace.</summary>
    public static RouteNetlink Open() => new(NetlinkSocket.Open(NetlinkProtocol.Route, networkNamespace: null));

    /// <summary>The socket stays in that namespace, whichever thread uses it, and keeps the namespace alive.</summary>
    public static RouteNetlink OpenIn(NetworkNamespace networkNamespace)
    {
        ArgumentNullException.ThrowIfNull(networkNamespace);
        return new RouteNetlink(NetlinkSocket.Open(NetlinkProtocol.Route, networkNamespace));
    }

    public void Dispose() => _socket.Dispose();

    private string NameOf(int index) =>
        _names.TryGetValue(index, out var name) ? name : string.Create(CultureInfo.InvariantCulture, $"interface {index}");

    private Link Remember(Link link)
    {
        _names[link.Index] = link.Name;
        return link;
    }

    /// <returns>True, or false if the kernel answered one of <paramref name="already"/>, which mean that nothing had to be done.</returns>
    private async Task<bool> RequestUnlessAsync(string act, NetlinkRequest request, IReadOnlyList<int> already, CancellationToken ct)
    {
        try
        {
            await _socket.RequestAsync(act, request, ct);
            return true;
        }
        catch (NetlinkException e) when (already.Contains(e.Errno))
        {
            return false;
        }
    }

    private static NetlinkRequest Acked(Action<NetlinkRequest, ushort> write)
    {
        var request = new NetlinkRequest();
        write(request, NetlinkProtocol.Ack);
        return request;
    }

    private static readonly int[] Present = [Errno.EEXIST];
    private static readonly int[] Absent = [Errno.ENOENT, Errno.ESRCH, Errno.ENODEV, Errno.EADDRNOTAVAIL];

    private sealed record Change(string Act, Action<NetlinkRequest, ushort> Write, IReadOnlyList<int> Already);

    private Change Describe(RouteNetlinkChange change) => change switch
    {
        RouteNetlinkChange.EnsureAddress { Address: var a } => new($"adding {Text(a)}", (q, f) => RouteCodec.AddAddress(q, a, f), Present),
        RouteNetlinkChange.DeleteAddress { Address: var a } => new($"deleting {Text(a)}", (q, f) => RouteCodec.DeleteAddress(q, a, f), Absent),
        RouteNetlinkChange.EnsureRoute { Route: var r } => new($"adding {Text(r)}", (q, f) => RouteCodec.Ensure(q, r, f), Present),
        RouteNetlinkChange.DeleteRoute { Route: var r } => new($"deleting {Text(r)}", (q, f) => RouteCodec.Delete(q, r, f), Absent),
        RouteNetlinkChange.EnsureNeighbour { Neighbour: var n } => new($"adding {Text(n)}", (q, f) => NeighbourCodec.Ensure(q, n, f), Present),
        RouteNetlinkChange.DeleteNeighbour { Neighbour: var n } => new($"deleting {Text(n)}", (q, f) => NeighbourCodec.Delete(q, n, f), Absent),
        RouteNetlinkChange.EnsureForwardingEntry { Entry: var e } => new($"adding {Text(e)}", (q, f) => NeighbourCodec.Ensure(q, e, f), Present),
        RouteNetlinkChange.DeleteForwardingEntry { Entry: var e } => new($"deleting {Text(e)}", (q, f) => NeighbourCodec.Delete(q, e, f), Absent),
        _ => throw new ArgumentException($"no such change: {change.GetType().Name}", nameof(change)),
    };

    private Task<bool> ApplyOneAsync(RouteNetlinkChange change, CancellationToken ct)
    {
        var (act, write, already) = Describe(change);
        return RequestUnlessAsync(act, Acked(write), already, ct);
    }

    /// <summary>Many changes in few system calls; one result per change, in order: null is success (including "was so already").</summary>
    public async Task<IReadOnlyList<NetlinkException?>> ApplyAsync(IReadOnlyList<RouteNetlinkChange> changes, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(changes);
        var described = changes.Select(Describe).ToList();
        var results = await _socket.BatchAsync([.. described.Select(c => (c.Act, c.Write))], ct);
        for (var i = 0; i < results.Length; i++)
        {
            if (results[i] is { } error && described[i].Already.Contains(error.Errno)) results[i] = null;
        }
        return results;
    }

    private string Text(Route route)
    {
        var text = $"route {route.Destination}";
        if (route.Kind is not (RouteKind.Unicast or RouteKind.Unspecified)) text += $" ({route.Kind})";
        if (route.InterfaceIndex != 0) return $"{text} via {NameOf(route.InterfaceIndex)}";
        return route.Gateway is null ? text : $"{text} via {route.Gateway}";
    }

    private string Text(Neighbour neighbour) => $"neighbour {neighbour.Address} ({neighbour.Mac}) on {NameOf(neighbour.InterfaceIndex)}";

    private string Text(ForwardingEntry entry) => $"forwarding entry {entry.Mac} to {entry.Remote} on {NameOf(entry.InterfaceIndex)}";
}

/// <summary>One change of a batch (<see cref="RouteNetlink.ApplyAsync"/>).</summary>
public abstract record RouteNetlinkChange
{
    public sealed record EnsureAddress(InterfaceAddress Address) : RouteNetlinkChange;
    public sealed record DeleteAddress(InterfaceAddress Address) : RouteNetlinkChange;
    public sealed record EnsureRoute(Route Route) : RouteNetlinkChange;
    public sealed record DeleteRoute(Route Route) : RouteNetlinkChange;
    public sealed record EnsureNeighbour(Neighbour Neighbour) : RouteNetlinkChange;
    public sealed record DeleteNeighbour(Neighbour Neighbour) : RouteNetlinkChange;
    public sealed record EnsureForwardingEntry(ForwardingEntry Entry) : RouteNetlinkChange;
    public sealed record DeleteForwardingEntry(ForwardingEntry Entry) : RouteNetlinkChange;
}
