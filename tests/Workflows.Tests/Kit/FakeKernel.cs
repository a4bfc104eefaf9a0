using System.Collections.Concurrent;

namespace FlannelFlow.Workflows.Tests.Kit;

/// <summary>What effects are made in: a set of named things, printed as text, and how often each execution touched it.</summary>
/// <remarks>It outlives the runtimes of a test, as a kernel outlives daemons.</remarks>
public sealed class FakeKernel
{
    private readonly Lock _gate = new();
    private readonly SortedSet<string> _things = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _effects = new(StringComparer.Ordinal);
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

    public void FailNext(string call, params Exception[] faults) => Faults[call] = new(faults);

    public void Ensure(string thing, ActivityExecution execution) => Touch("+" + thing, execution, () => _things.Add(thing));

    public void EnsureNot(string thing, ActivityExecution execution) => Touch("-" + thing, execution, () => _things.Remove(thing));

    private void Touch(string call, ActivityExecution execution, Action effect)
    {
        lock (_gate)
        {
            _calls.Add($"{call}#{execution.Attempt}");
            _effects[execution.IdempotencyKey] = _effects.GetValueOrDefault(execution.IdempotencyKey) + 1;
            // A refusal stands; other faults pass.
            if (Faults.TryGetValue(call, out var faults) && faults.TryPeek(out Exception? fault))
            {
                if (fault is not RefusalException) faults.TryDequeue(out _);
                throw fault;
            }
            effect();
        }
    }
}
