namespace FlannelFlow.Workflows;

/// <summary>Who holds which lanes, and who waits.</summary>
/// <remarks>
/// An instance is granted all its claims at once, as soon as no instance that came before it holds or awaits a conflicting one: so
/// never a deadlock (waits point to earlier arrivals only), never starvation (later arrivals do not count), and what does not
/// conflict runs in parallel. Nothing is on disk: it is rebuilt from the open instances in the order of their acceptance.
/// Thread-safe under its own lock.
/// </remarks>
internal sealed class LaneTable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedList<Place>> _lanes = new(StringComparer.Ordinal);
    private readonly Dictionary<InstanceId, Entrant> _entrants = [];

    /// <summary>Takes the places; true if granted at once.</summary>
    public bool Enter(InstanceId id, IReadOnlyCollection<LaneClaim> claims)
    {
        lock (_gate)
        {
            var entrant = new Entrant(id);
            _entrants.Add(id, entrant);
            foreach (LaneClaim claim in Merge(claims))
            {
                if (!_lanes.TryGetValue(claim.Key, out LinkedList<Place>? lane)) _lanes.Add(claim.Key, lane = []);
                var place = new Place(entrant, claim);
                entrant.Blockers += lane.Count(earlier => Conflict(earlier.Claim, claim));
                entrant.Places.Add(lane.AddLast(place));
            }
            return entrant.Blockers == 0;
        }
    }

    /// <summary>Gives the places back; the instances that are granted by that, in arrival order per lane.</summary>
    public IReadOnlyList<InstanceId> Leave(InstanceId id)
    {
        lock (_gate)
        {
            if (!_entrants.Remove(id, out Entrant? entrant)) return [];
            var granted = new List<InstanceId>();
            foreach (LinkedListNode<Place> node in entrant.Places)
            {
                for (LinkedListNode<Place>? later = node.Next; later is not null; later = later.Next)
                {
                    if (Conflict(node.Value.Claim, later.Value.Claim) && --later.Value.Entrant.Blockers == 0) granted.Add(later.Value.Entrant.Id);
                }
                LinkedList<Place> lane = node.List!;
                lane.Remove(node);
                if (lane.Count == 0) _lanes.Remove(node.Value.Claim.Key);
            }
            return granted;
        }
    }

    /// <summary>Whether it has what it claims; true too for one that claims nothing.</summary>
    public bool Holds(InstanceId id)
    {
        lock (_gate) return _entrants.TryGetValue(id, out Entrant? entrant) && entrant.Blockers == 0;
    }

    /// <summary>The lanes of an open instance, as they are now.</summary>
    public IReadOnlyList<LaneView> Of(InstanceId id)
    {
        lock (_gate)
        {
            if (!_entrants.TryGetValue(id, out Entrant? entrant)) return [];
            return [.. entrant.Places.Select(node => View(node.Value.Claim, node.List!))];
        }
    }

    /// <summary>By key.</summary>
    public IReadOnlyList<LaneView> All()
    {
        lock (_gate) return [.. _lanes.OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => View(new LaneClaim(l.Key, l.Value.Max(p => p.Claim.Mode)), l.Value))];
    }

    private static LaneView View(LaneClaim claim, LinkedList<Place> lane) => new(
        claim.Key,
        claim.Mode,
        [.. lane.Where(p => p.Entrant.Blockers == 0).Select(p => p.Entrant.Id)],
        [.. lane.Where(p => p.Entrant.Blockers > 0).Select(p => p.Entrant.Id)]);

    private static bool Conflict(LaneClaim a, LaneClaim b) => a.Mode == LaneMode.Exclusive || b.Mode == LaneMode.Exclusive;

    /// <summary>An instance that claims a lane twice claims it once, in the stronger mode.</summary>
    private static IEnumerable<LaneClaim> Merge(IReadOnlyCollection<LaneClaim> claims) =>
        claims.GroupBy(c => c.Key, StringComparer.Ordinal).Select(g => new LaneClaim(g.Key, g.Max(c => c.Mode)));

    private sealed class Entrant(InstanceId id)
    {
        public InstanceId Id => id;
        public List<LinkedListNode<Place>> Places { get; } = [];

        /// <summary>Conflicting places before its own; granted at 0.</summary>
        public int Blockers { get; set; }
    }

    private sealed record Place(Entrant Entrant, LaneClaim Claim);
}
