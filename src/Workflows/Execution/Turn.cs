namespace FlannelFlow.Workflows;

/// <summary>A decision in the making; lives only inside one call of <see cref="Decider"/>.</summary>
internal sealed class Turn(WorkflowDefinition definition, InstanceState state, DecisionContext context)
{
    private readonly SortedSet<int> _touched = [];
    private readonly List<EventDraft> _events = [];
    private readonly List<Effect> _effects = [];
    private readonly List<IncidentDraft> _incidents = [];
    private readonly SortedSet<int> _mended = [];
    private readonly Stack<Move> _moves = [];
    private AuditDraft? _audit;
    private bool _closesIncidents;

    /// <summary>Another one after a migration.</summary>
    public WorkflowDefinition Definition { get; set; } = definition;

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

    /// <summary>Ended forward: completed, or in doubt.</summary>
    public ExecutionState Over(ExecutionState execution, ExecutionStatus status) => execution with
    {
        Status = status,
        DueAt = null,
        EndedAt = Context.Now,
        Ended = State.LastEnded + 1,
        AwaitsOperator = false,
    };

    public void Open(IncidentDraft incident) => _incidents.Add(incident);

    public void CloseIncidents() => _closesIncidents = true;

    /// <summary>Those of this execution only.</summary>
    public void CloseIncidents(int seq) => _mended.Add(seq);

    /// <summary>The next step of the way through the tree; the last pushed is made first.</summary>
    public void Push(Move move) => _moves.Push(move);

    public bool TryPop(out Move move) => _moves.TryPop(out move);

    public void Record(AuditDraft audit) => _audit = audit;

    public void Then(Effect effect) => _effects.Add(effect);

    public Decision End()
    {
        if (_events.Count == 0) return new Decision(State, null, _effects);
        State = State with { Rev = State.Rev + 1 };
        return new Decision(
            State,
            new InstanceCommit(State, [.. _touched.Select(State.Execution)], _events, _incidents, Context.Now)
            {
                ClosesIncidents = _closesIncidents,
                Mended = _mended,
                Audit = _audit,
                Bookmarks = [.. _touched.Select(State.Execution).Where(e => e.ActivityType == ElsaTypes.Event).Select(e => BookmarkDraft.Of(State, e))],
            },
            _effects);
    }
}

/// <summary>A step on the way through the tree: into a node, or out of it by a port.</summary>
/// <param name="Scope">Seq of the container's execution around it.</param>
/// <param name="Port">Null is into it.</param>
internal readonly record struct Move(ActivityDefinition Node, int? Scope, string? Port);

/// <summary>What a decision may depend on beside state and event.</summary>
internal readonly record struct DecisionContext(DateTimeOffset Now, string BootId);
