using System.Collections.Concurrent;

namespace FlannelFlow.Workflows.Tests.Kit;

/// <summary>What effects are made in: a set of named things, printed as text, and how often each execution touched it.</summary>
/// <remarks>It outlives the runtimes of a test, as a kernel outlives daemons.</remarks>
public sealed class FakeKernel
{
    private readonly Lock _gate = new();
    private readonly SortedSet<string> _things = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _effects = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _faulted = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _callers = new(StringComparer.Ordinal);
    private readonly List<string> _calls = [];

    /// <summary>Faults to come, by thing and verb ("+bridge", "-bridge"): the next calls throw these.</summary>
    public ConcurrentDictionary<string, ConcurrentQueue<Exception>> Faults { get; } = new();

    public string Text
    {
        get
        {
            lock (_gate) return string.Join(' ', _things);
        }
    }

    public IReadOnlyList<string> Things
    {
        get
        {
            lock (_gate) return [.. _things];
        }
    }

    /// <summary>In order: "+bridge#1" (ensure, attempt 1), "-bridge#2" (undo, attempt 2).</summary>
    public IReadOnlyList<string> Calls
    {
        get
        {
            lock (_gate) return [.. _calls];
        }
    }

    public IReadOnlyDictionary<string, int> EffectsByKey
    {
        get
        {
            lock (_gate) return new Dictionary<string, int>(_effects);
        }
    }

    /// <summary>By call ("+bridge"): the step that made it.</summary>
    public IReadOnlyDictionary<string, string> Callers
    {
        get
        {
            lock (_gate) return new Dictionary<string, string>(_callers);
        }
    }

    /// <summary>How many of the calls with a key threw.</summary>
    public IReadOnlyDictionary<string, int> FaultsByKey
    {
        get
        {
            lock (_gate) return new Dictionary<string, int>(_faulted);
        }
    }

    /// <summary>As it is now, apart from this one from now on.</summary>
    public FakeKernel Copy()
    {
        var copy = new FakeKernel();
        lock (_gate)
        {
            copy._things.UnionWith(_things);
            copy._calls.AddRange(_calls);
            foreach ((string key, int effects) in _effects) copy._effects.Add(key, effects);
            foreach ((string key, int times) in _faulted) copy._faulted.Add(key, times);
            foreach ((string call, var faults) in Faults) copy.Faults[call] = new(faults);
        }
        return copy;
    }

    /// <summary>It was there before.</summary>
    public void Have(string thing)
    {
        lock (_gate) _things.Add(thing);
    }

    public void FailNext(string call, params Exception[] faults) => Faults[call] = new(faults);

    public void Ensure(string thing, ActivityExecution execution) => Touch("+" + thing, execution, () => _things.Add(thing));

    public void EnsureNot(string thing, ActivityExecution execution) => Touch("-" + thing, execution, () => _things.Remove(thing));

    /// <summary>The call that this execution just made counts as one that threw.</summary>
    public void CountFault(ActivityExecution execution)
    {
        lock (_gate) _faulted[execution.IdempotencyKey] = _faulted.GetValueOrDefault(execution.IdempotencyKey) + 1;
    }

    /// <summary>An effect that leaves nothing behind.</summary>
    public void Look(string thing, ActivityExecution execution) => Touch("?" + thing, execution, () => { });

    public bool Has(string thing)
    {
        lock (_gate) return _things.Contains(thing);
    }

    private void Touch(string call, ActivityExecution execution, Action effect)
    {
        lock (_gate)
        {
            _calls.Add($"{call}#{execution.Attempt}");
            _callers[call] = execution.ActivityId;
            _effects[execution.IdempotencyKey] = _effects.GetValueOrDefault(execution.IdempotencyKey) + 1;
            // A refusal stands; other faults pass.
            if (Faults.TryGetValue(call, out var faults) && faults.TryPeek(out Exception? fault))
            {
                if (fault is not RefusalException) faults.TryDequeue(out _);
                _faulted[execution.IdempotencyKey] = _faulted.GetValueOrDefault(execution.IdempotencyKey) + 1;
                throw fault;
            }
            effect();
        }
    }
}
