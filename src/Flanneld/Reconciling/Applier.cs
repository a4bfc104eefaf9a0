using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Flanneld.Reconciling;

/// <param name="Failed">Hosts not reached, with the reason.</param>
/// <param name="FailedDeletions">Reasons; the next comparison tries them again.</param>
internal sealed record Applied(IReadOnlyList<RemoteHost> Reached, IReadOnlyList<(RemoteHost Host, string Reason)> Failed, IReadOnlyList<string> FailedDeletions);

/// <summary>Carries a plan out, in few system calls. What fails for one host stops nothing of another.</summary>
internal static class Applier
{
    /// <param name="apply"><see cref="RouteNetlink.ApplyAsync"/>: one result per change, in order.</param>
    public static async Task<Applied> ApplyAsync(
        ReconcilePlan plan, Func<IReadOnlyList<RouteNetlinkChange>, CancellationToken, Task<IReadOnlyList<NetlinkException?>>> apply, CancellationToken ct)
    {
        var problems = new Dictionary<RemoteHost, string>();
        // In three rounds, so that a host whose ARP or FDB entry was refused gets no route.
        foreach (var round in Rounds)
        {
            var items = plan.Additions.Where(a => !problems.ContainsKey(a.Host))
                .SelectMany(a => a.Changes.Where(c => Round(c) == round).Select(c => (a.Host, Change: c))).ToList();
            if (items.Count == 0) continue;
            var results = await apply(items.ConvertAll(i => i.Change), ct);
            for (var i = 0; i < items.Count; i++)
                if (results[i] is { } problem) problems[items[i].Host] = problem.Message;
        }

        var failedDeletions = new List<string>();
        if (plan.Deletions.Count > 0)
            failedDeletions.AddRange((await apply(plan.Deletions, ct)).OfType<NetlinkException>().Select(e => e.Message));
        var hosts = plan.Additions.Select(a => a.Host).ToList();
        return new Applied(hosts.FindAll(h => !problems.ContainsKey(h)), hosts.FindAll(problems.ContainsKey).ConvertAll(h => (h, problems[h])), failedDeletions);
    }

    public static string Text(RouteNetlinkChange change) => change switch
    {
        RouteNetlinkChange.EnsureNeighbour { Neighbour: var n } => $"+arp {n.Address} {n.Mac}",
        RouteNetlinkChange.EnsureForwardingEntry { Entry: var f } => $"+fdb {f.Mac} {f.Remote}",
        RouteNetlinkChange.EnsureRoute { Route: var r } => $"+route {r.Destination} via {r.Gateway}",
        RouteNetlinkChange.DeleteNeighbour { Neighbour: var n } => $"-arp {n.Address} {n.Mac}",
        RouteNetlinkChange.DeleteForwardingEntry { Entry: var f } => $"-fdb {f.Mac} {f.Remote}",
        RouteNetlinkChange.DeleteRoute { Route: var r } => $"-route {r.Destination} via {r.Gateway}",
        _ => throw new ArgumentException($"no such change: {change}", nameof(change)),
    };

    private static readonly int[] Rounds = [0, 1, 2];

    private static int Round(RouteNetlinkChange addition) => addition switch
    {
        RouteNetlinkChange.EnsureNeighbour => 0,
        RouteNetlinkChange.EnsureForwardingEntry => 1,
        RouteNetlinkChange.EnsureRoute => 2,
        _ => throw new ArgumentException($"no addition: {addition}", nameof(addition)),
    };
}
