using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Draining;

/// <summary>What goes on in a drain that waits on this host.</summary>
/// <param name="Open">Connections through this host at the last count.</param>
/// <param name="IsHeldOpen">It is the last backend of its service, and gets new connections.</param>
/// <param name="Counts">From the first to the last; of a long drain not each.</param>
public sealed record OpenDrain(int Open, bool IsHeldOpen, DateTimeOffset Deadline, IReadOnlyList<ConnectionCount> Counts);

public sealed record ConnectionCount(DateTimeOffset At, int Open);

/// <summary>The drains that wait on this host: to be seen, and to be ended by a person. In memory only: what must last is in the journal.</summary>
public sealed class OpenDrains
{
    private readonly ConcurrentDictionary<InstanceId, Entry> _entries = new();

    public OpenDrain? Find(InstanceId instance) => _entries.TryGetValue(instance, out var entry) ? entry.Seen : null;

    /// <summary>Ends the wait now, and cuts what is left. False: it does not wait.</summary>
    public bool Force(InstanceId instance) => _entries.TryGetValue(instance, out var entry) && entry.Forced.TrySetResult();

    internal Entry Enter(InstanceId instance) => _entries[instance] = new Entry();

    internal void Leave(InstanceId instance) => _entries.TryRemove(instance, out _);

    internal sealed class Entry
    {
        public TaskCompletionSource Forced { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>A multiple of two.</summary>
        private const int MaximumCounts = 240;
        private ImmutableList<ConnectionCount> _counts = [];

        public OpenDrain? Seen { get; private set; }

        public void See(int open, bool isHeldOpen, DateTimeOffset deadline, DateTimeOffset at)
        {
            // When there are too many, every second one goes: the line keeps its shape.
            if (_counts.Count >= MaximumCounts) _counts = [.. _counts.Where((_, index) => index % 2 == 0)];
            _counts = _counts.Add(new ConnectionCount(at, open));
            Seen = new OpenDrain(open, isHeldOpen, deadline, _counts);
        }
    }
}
