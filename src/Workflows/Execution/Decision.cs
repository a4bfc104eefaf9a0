namespace FlannelFlow.Workflows;

/// <summary>What follows from an event: the next state, what must be durable with it, and what to do once it is.</summary>
/// <param name="Commit">Null if nothing is to be made durable.</param>
internal sealed record Decision(InstanceState State, InstanceCommit? Commit, IReadOnlyList<Effect> Effects);

/// <summary>The journal rows of one decision; all or none.</summary>
/// <param name="State">After it. Its Rev is one above the revision that must be in the journal.</param>
/// <param name="Executions">Those that are new or changed.</param>
internal sealed record InstanceCommit(
    InstanceState State, IReadOnlyList<ExecutionState> Executions, IReadOnlyList<EventDraft> Events, IReadOnlyList<IncidentDraft> Incidents, DateTimeOffset At)
{
    /// <summary>Those open before this commit; not its own.</summary>
    public bool ClosesIncidents { get; init; }

    /// <summary>Executions whose incidents close.</summary>
    public IReadOnlyCollection<int> Mended { get; init; } = [];

    public AuditDraft? Audit { get; init; }

    /// <summary>Of the executions that wait for signals, or have ceased to.</summary>
    public IReadOnlyList<BookmarkDraft> Bookmarks { get; init; } = [];
}

/// <summary>A journal event before the writer numbers it.</summary>
internal sealed record EventDraft(JournalEventKind Kind, string? ActivityId, string? ActivityType, int Attempt, string? Detail);

internal sealed record IncidentDraft(int? ExecutionSeq, string? ActivityId, IncidentKind Kind, int Failures, string Message);

/// <param name="Detail">JSON object.</param>
internal sealed record AuditDraft(string Alteration, string? ActivityId, string Detail, string Who, string Why);

/// <summary>What to do after the commit.</summary>
internal abstract record Effect
{
    /// <summary>Run the execution's attempt, or its undoing; an attempt still under way is cancelled and awaited first.</summary>
    public sealed record Attempt(ExecutionState Execution) : Effect;

    /// <summary>Cancel and await the execution's attempt, and forget its timer.</summary>
    public sealed record GiveUp(int Seq) : Effect;

    /// <summary>Post <see cref="InstanceEvent.Due"/> at that time.</summary>
    /// <param name="IsRecovered">Set at start: if it is overdue, so may be many.</param>
    public sealed record Wake(int Seq, DateTimeOffset At, bool IsRecovered = false) : Effect;

    /// <summary>The instance is terminal: end what runs, give back its lanes and close its mailbox.</summary>
    public sealed record Leave : Effect;
}
