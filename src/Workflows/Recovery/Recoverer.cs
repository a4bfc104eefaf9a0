using Microsoft.Extensions.Logging;

namespace FlannelFlow.Workflows;

/// <summary>Brings the open instances of the journal back: their definitions, their lanes, their mailboxes.</summary>
internal sealed class Recoverer(Journal journal, ActivityCatalog activities, IReadOnlyList<WorkflowDefinition> definitions, ILogger log)
{
    private readonly Dictionary<string, WorkflowDefinition> _byHash = definitions.ToDictionary(d => d.Hash, StringComparer.Ordinal);
    private readonly Dictionary<string, string> _unreadable = new(StringComparer.Ordinal);

    /// <summary>Holders take their lanes first, then those who wait, each in the order of acceptance.</summary>
    public IReadOnlyList<RecoveredInstance> Load(Executor executor)
    {
        var recovered = new List<RecoveredInstance>();
        ILookup<InstanceId, SignalMatch> signals = journal.LoadMatches().ToLookup(m => m.Instance);
        foreach (InstanceState state in journal.LoadOpen().OrderBy(s => s.Status == InstanceStatus.Waiting).ThenBy(s => s.Row))
        {
            WorkflowDefinition definition = Definition(state);
            InstanceRunner runner = executor.Add(definition, state);
            bool granted = executor.EnterLanes(runner, state);
            recovered.Add(new RecoveredInstance(runner, state, First(state, granted), [.. signals[state.Id]]) { IsOrphan = IsOrphan(executor, state) });
        }
        return recovered;
    }

    /// <summary>Nobody waits for it any more: the process ended between the parent's giving it up and its own end.</summary>
    private static bool IsOrphan(Executor executor, InstanceState state) =>
        state.Parent is { } parent && executor.Find(parent.Instance)?.WaitsAt(parent.Seq) != true;

    private InstanceEvent? First(InstanceState state, bool granted)
    {
        _unreadable.TryGetValue(state.DefinitionHash, out string? problem);
        return state.Status switch
        {
            InstanceStatus.Suspended => problem is null && HasOtherBranches(state) ? new InstanceEvent.Recovered() : null,
            _ when problem is not null => new InstanceEvent.Broken(problem),
            InstanceStatus.Waiting => granted ? new InstanceEvent.Granted() : null,
            _ => new InstanceEvent.Recovered(),
        };
    }

    /// <summary>One that broke as a whole has no step that an operator is awaited for: it stands as it is.</summary>
    private static bool HasOtherBranches(InstanceState state) =>
        state.Executions.Any(e => e.AwaitsOperator) && state.Executions.Any(e => e is { IsLive: true, Status: not ExecutionStatus.Entered });

    /// <summary>The one the instance began with, whatever the files say now.</summary>
    private WorkflowDefinition Definition(InstanceState state)
    {
        string hash = state.DefinitionHash;
        if (_byHash.TryGetValue(hash, out WorkflowDefinition? known)) return known;
        var errors = new List<DefinitionError>();
        var file = new DefinitionFile($"{state.DefinitionId}@{hash[..12]}", journal.DefinitionJson(hash) ?? "");
        if (DefinitionLoader.Read(file, activities, errors) is not { } definition)
        {
            definition = WorkflowDefinition.Unreadable(state.DefinitionId, hash);
            _unreadable[hash] = $"the definition it began with does not load: {string.Join("; ", errors)}";
            log.LogError("Open instances of {Definition} {Problem}", state.DefinitionId, _unreadable[hash]);
        }
        return _byHash[hash] = definition;
    }
}

/// <param name="First">What to tell it when executing begins; null if it has to wait.</param>
/// <param name="Signals">That were matched to it, and that it was not told of, or did not come to take.</param>
internal sealed record RecoveredInstance(InstanceRunner Runner, InstanceState State, InstanceEvent? First, IReadOnlyList<SignalMatch> Signals)
{
    /// <summary>A child that nobody waits for any more.</summary>
    public bool IsOrphan { get; init; }

    public void Resume()
    {
        Runner.Begin(accepted: null, State.Row);
        if (First is not null) Runner.Post(First);
        if (IsOrphan) _ = Runner.AskAsync(new Alteration.Cancel(), "the workflow that started it does not wait for it any more");
        foreach (SignalMatch signal in Signals) Runner.Post(new InstanceEvent.Signalled(signal));
    }

    public static RecoveryReport Report(IReadOnlyList<RecoveredInstance> instances, long epoch, string bootId, TimeSpan took)
    {
        var active = instances.Where(i => i.First is InstanceEvent.Recovered).SelectMany(i => i.State.Executions).ToList();
        return new RecoveryReport(
            epoch,
            Open: instances.Count,
            InDoubt: active.Count(e => e.IsUnderWay),
            Scheduled: active.Count(e => e is { IsLive: true, DueAt: not null }),
            Waiting: instances.Count(i => i.State.Status == InstanceStatus.Waiting),
            Suspended: instances.Count(i => i.State.Status == InstanceStatus.Suspended),
            FromAnotherBoot: active.Count(e => e.IsUnderWay && e.BootId != bootId),
            took);
    }
}
