namespace FlannelFlow.Workflows;

/// <summary>A decision in the making; lives only inside one call of <see cref="Decider"/>.</summary>
internal sealed class Turn(WorkflowDefinition definition, InstanceState state, DecisionContext context)
{
    private readonly SortedSet<int> _touched = [];
    private readonly List<EventDraft> _events = [];
    private readonly List<Effect> _effects = [];
    private IncidentDraft? _incident;
    private AuditDraft? _audit;
    private bool _closesIncidents;

    public WorkflowDefinition Definition { get; } = definition;
    public DecisionContext Context { get; } = context;
    public InstanceState State { get; private set; } = state;

    public void Set(InstanceState next) => State = next;

    public void Set(ExecutionState execution)
    {
        State = State.With(execution);
        _touched.Add(execution.Seq);
    }

    public void Announce(JournalEventKind kind, ExecutionState execution, string? detail = null) =>
        _events.Add(new EventDraft(kind, execution.ActivityId, execution.ActivityType, execution.Attempt, detail));

    public void Announce(JournalEventKind kind, string? detail = null) => _events.Add(new EventDraft(kind, null, null, 0, detail));

    public void Open(IncidentDraft incident) => _incident = incident;

    public void CloseIncidents() => _closesIncidents = true;

    public void Record(AuditDraft audit) => _audit = audit;

    public void Then(Effect effect) => _effects.Add(effect);

    public Decision End()
    {
        if (_events.Count == 0) return new Decision(State, null, _effects);
        State = State with { Rev = State.Rev + 1 };
        return new Decision(
            State,
            new InstanceCommit(State, [.. _touched.Select(State.Execution)], _events, _incident, Context.Now)
            {
                ClosesIncidents = _closesIncidents,
                Audit = _audit,
            },
            _effects);
    }
}

/// <summary>What a decision may depend on beside state and event.</summary>
internal readonly record struct DecisionContext(DateTimeOffset Now, string BootId);
