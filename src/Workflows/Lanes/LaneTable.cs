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
    private readonly Dictionary<string, Lane> _lanes = new(StringComparer.Ordinal);
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
                if (!_lanes.TryGetValue(claim.Key, out Lane? lane)) _lanes.Add(claim.Key, lane = new Lane());
                entrant.Blockers += lane.CountConflicting(claim);
                entrant.Places.Add(lane.Add(entrant, claim));
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
            foreach (Place place in entrant.Places)
            {
                foreach (Place later in place.Lane.ConflictingAfter(place))
                {
                    if (--later.Entrant.Blockers == 0) granted.Add(later.Entrant.Id);
                }
                place.Lane.Remove(place);
                if (place.Lane.IsEmpty) _lanes.Remove(place.Claim.Key);
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
            return [.. entrant.Places.Select(place => View(place.Claim, place.Lane))];
        }
    }

    /// <summary>By key.</summary>
    public IReadOnlyList<LaneView> All()
    {
        lock (_gate) return [.. _lanes.OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => View(new LaneClaim(l.Key, l.Value.Places.Max(p => p.Claim.Mode)), l.Value))];
    }

    private static LaneView View(LaneClaim claim, Lane lane) => new(
        claim.Key,
        claim.Mode,
        [.. lane.Places.Where(p => p.Entrant.Blockers == 0).Select(p => p.Entrant.Id)],
        [.. lane.Places.Where(p => p.Entrant.Blockers > 0).Select(p => p.Entrant.Id)]);

    /// <summary>An instance that claims a lane twice claims it once, in the stronger mode.</summary>
    private static IEnumerable<LaneClaim> Merge(IReadOnlyCollection<LaneClaim> claims) =>
        claims.GroupBy(c => c.Key, StringComparer.Ordinal).Select(g => new LaneClaim(g.Key, g.Max(c => c.Mode)));

    private sealed class Entrant(InstanceId id)
    {
        public InstanceId Id => id;
        public List<Place> Places { get; } = [];

        /// <summary>Conflicting places before its own; granted at 0.</summary>
        public int Blockers { get; set; }
    }

    /// <summary>The places in one lane. Two conflict if one of them is exclusive, so thousands that share a lane cost each other nothing.</summary>
    private sealed class Lane
    {
        private readonly LinkedList<Place> _places = [];
        private readonly LinkedList<Place> _exclusive = [];
        private long _arrivals;

        public bool IsEmpty => _places.Count == 0;

        /// <summary>In the order of arrival.</summary>
        public IEnumerable<Place> Places => _places;

        public int CountConflicting(LaneClaim claim) => claim.Mode == LaneMode.Exclusive ? _places.Count : _exclusive.Count;

        public Place Add(Entrant entrant, LaneClaim claim)
        {
            var place = new Place(entrant, claim, this, _arrivals++);
            place.InLane = _places.AddLast(place);
            if (claim.Mode == LaneMode.Exclusive) place.InExclusive = _exclusive.AddLast(place);
            return place;
        }

        /// <summary>In the order of arrival.</summary>
        public IEnumerable<Place> ConflictingAfter(Place place)
        {
            if (place.InExclusive is null) return _exclusive.SkipWhile(other => other.Arrival < place.Arrival);
            return After(place.InLane!);
        }

        public void Remove(Place place)
        {
            _places.Remove(place.InLane!);
            if (place.InExclusive is not null) _exclusive.Remove(place.InExclusive);
        }

        private static IEnumerable<Place> After(LinkedListNode<Place> node)
        {
            for (LinkedListNode<Place>? later = node.Next; later is not null; later = later.Next) yield return later.Value;
        }
    }

    private sealed class Place(Entrant entrant, LaneClaim claim, Lane lane, long arrival)
    {
        public Entrant Entrant => entrant;
        public LaneClaim Claim => claim;
        public Lane Lane => lane;
        public long Arrival => arrival;
        public LinkedListNode<Place>? InLane { get; set; }

        /// <summary>Null for a shared one.</summary>
        public LinkedListNode<Place>? InExclusive { get; set; }
    }
}
