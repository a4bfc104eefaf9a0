using System.Collections.Immutable;
using System.Diagnostics.Metrics;
using FlannelFlow.Operations.Reconcile;

namespace FlannelFlow.Host.Reconcile;

/// <summary>What differs on this host over time: when a difference counts, when its workflow is due again, and what was mended.</summary>
/// <remarks>
/// A difference counts once two looks in a row have seen it: what is being changed differs for a moment. What does not go although its workflow was
/// begun is begun again later and later, so that what cannot be mended does not fill the journal. Kept in memory: the workflows are the record.
/// Thread safe.
/// </remarks>
public sealed class DriftBook : IDisposable
{
    public const string MeterName = "FlannelFlow.Drift";
    private const int Remembered = 50;

    /// <summary>What loops of their own look at.</summary>
    private static readonly ImmutableArray<DriftKind> LoopKinds = [DriftKind.LoadBalancer, DriftKind.Encryption];
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(10);

    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly Queue<MendedDrift> _mended = new();
    private readonly Dictionary<DriftKind, long> _totals = [];
    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _found;
    private readonly Counter<long> _gone;
    private DateTimeOffset? _looked;
    private string? _trouble;

    public DriftBook(TimeProvider time)
    {
        _time = time;
        _found = _meter.CreateCounter<long>("flannelflow.drift.found", "{difference}", "Differences between Docker, etcd, kernel and files that stood for two comparisons");
        _gone = _meter.CreateCounter<long>("flannelflow.drift.mended", "{difference}", "Of these, those that are gone");
        _meter.CreateObservableGauge("flannelflow.drift.standing", CountStanding, "{difference}", "Of these, those that stand");
    }

    /// <summary>One look at all.</summary>
    /// <param name="trouble">What could not be compared: what was seen of that before still stands. Null: all was.</param>
    /// <returns>Those whose workflow is due.</returns>
    public ImmutableArray<Difference> Looked(IReadOnlyCollection<Difference> found, string? trouble)
    {
        lock (_gate)
        {
            var now = _time.GetUtcNow();
            (_looked, _trouble) = (trouble is null ? now : _looked, trouble);
            foreach (var difference in found) SeenLocked(difference, now);
            if (trouble is null) EndLocked(found, loop: null, now);
            return [.. _entries.Values.Where(entry => entry.Looks >= 2 && entry.Difference.Mend is not null && now >= entry.DueAt).Select(entry => entry.Difference)];
        }
    }

    /// <summary>
    /// What a loop of its own (<see cref="LoopKinds"/>) found to have drifted, and mends at once, by the workflows that are named; what is not among it is gone.
    /// </summary>
    public void LoopLooked(DriftKind loop, IReadOnlyCollection<(Difference Difference, string? Workflow)> found)
    {
        lock (_gate)
        {
            var now = _time.GetUtcNow();
            foreach (var (difference, workflow) in found)
            {
                if (!_entries.ContainsKey(difference.Key)) SeenLocked(difference, now);
                SeenLocked(difference, now);
                _entries[difference.Key].Workflow = workflow;
            }

            EndLocked(found.Select(one => one.Difference), loop, now);
        }
    }

    /// <summary>Whether its workflow may be begun: it counts, and was not begun too recently.</summary>
    public bool IsDue(string key)
    {
        lock (_gate) return _entries.TryGetValue(key, out var entry) && entry.Looks >= 2 && _time.GetUtcNow() >= entry.DueAt;
    }

    public void Begun(string key, string workflow)
    {
        lock (_gate)
        {
            if (!_entries.TryGetValue(key, out var entry)) return;
            entry.Workflow = workflow;
            var pause = FirstPause * Math.Pow(2, Math.Min(entry.Begun++, 10));
            entry.DueAt = _time.GetUtcNow() + (pause < LongestPause ? pause : LongestPause);
        }
    }

    public DriftView View()
    {
        lock (_gate)
        {
            return new DriftView(
                _looked,
                _trouble,
                [
                    .. _entries.Values.Where(entry => entry.Looks >= 2).OrderBy(entry => entry.Since).ThenBy(entry => entry.Difference.Key, StringComparer.Ordinal)
                        .Select(entry => new StandingDrift(
                            entry.Difference.Kind, entry.Difference.Subject, entry.Difference.Text, entry.Since, entry.Workflow, entry.Difference.Command, entry.Begun)),
                ],
                [.. _mended.Reverse()],
                [.. _totals.OrderBy(total => total.Key).Select(total => new DriftTotal(total.Key, total.Value))]);
        }
    }

    /// <summary>How many differences count, and are there.</summary>
    public int CountStanding()
    {
        lock (_gate) return _entries.Values.Count(entry => entry.Looks >= 2);
    }

    public void Dispose() => _meter.Dispose();

    private void SeenLocked(Difference difference, DateTimeOffset now)
    {
        if (!_entries.TryGetValue(difference.Key, out var entry)) _entries[difference.Key] = entry = new Entry(difference, now);
        entry.Difference = difference;
        if (++entry.Looks != 2) return;
        _totals[difference.Kind] = _totals.GetValueOrDefault(difference.Kind) + 1;
        _found.Add(1, new KeyValuePair<string, object?>("kind", difference.Kind.ToString()));
    }

    /// <param name="loop">Whose differences may have ended; null: those of the comparison of all.</param>
    private void EndLocked(IEnumerable<Difference> standing, DriftKind? loop, DateTimeOffset now)
    {
        var seen = standing.Select(difference => difference.Key).ToHashSet(StringComparer.Ordinal);
        foreach (var entry in _entries.Values.Where(entry => LoopOf(entry.Difference.Kind) == loop && !seen.Contains(entry.Difference.Key)).ToList())
            GoneLocked(entry, now);
    }

    private static DriftKind? LoopOf(DriftKind kind) => LoopKinds.Contains(kind) ? kind : null;

    private void GoneLocked(Entry entry, DateTimeOffset now)
    {
        _entries.Remove(entry.Difference.Key);
        if (entry.Looks < 2) return;
        _gone.Add(1, new KeyValuePair<string, object?>("kind", entry.Difference.Kind.ToString()));
        _mended.Enqueue(new MendedDrift(entry.Difference.Kind, entry.Difference.Subject, entry.Difference.Text, entry.Since, now - entry.Since, entry.Workflow));
        if (_mended.Count > Remembered) _mended.Dequeue();
    }

    private sealed class Entry(Difference difference, DateTimeOffset since)
    {
        public Difference Difference { get; set; } = difference;

        public DateTimeOffset Since { get; } = since;

        public int Looks { get; set; }

        public int Begun { get; set; }

        public string? Workflow { get; set; }

        public DateTimeOffset DueAt { get; set; } = DateTimeOffset.MinValue;
    }
}
