namespace FlannelFlow.Workflows;

public enum InstanceStatus
{
    /// <summary>Accepted; its lanes are held by others.</summary>
    Waiting,
    Running,
    Compensating,

    /// <summary>Waits for an operator, with an open incident.</summary>
    Suspended,
    Finished,
    Compensated,
    Cancelled,
}

public enum ExecutionStatus
{
    Running,
    RetryScheduled,
    Completed,
    Faulted,
    Compensating,
    CompensationScheduled,
    Compensated,
    CompensationFaulted,

    /// <summary>Taken as done by an operator; compensation covers it as one in doubt.</summary>
    Skipped,

    /// <summary>Taken as undone by an operator.</summary>
    CompensationSkipped,

    /// <summary>A container whose children run.</summary>
    Entered,

    /// <summary>Waits for a time or a signal.</summary>
    Waiting,

    /// <summary>Given up before it had an effect: a container, or one that waited.</summary>
    Cancelled,
}

/// <param name="DefinitionId">Null for all.</param>
/// <param name="Status">Null for all.</param>
/// <param name="BeforeRow">Row of the last instance of the page before; newest first.</param>
public sealed record InstanceFilter(string? DefinitionId, InstanceStatus? Status, long BeforeRow = long.MaxValue, int Limit = 100)
{
    /// <summary>The idempotency key it was started with; null for all.</summary>
    public string? Key { get; init; }

    /// <summary>Only the children of this one.</summary>
    public InstanceId? Parent { get; init; }

    /// <summary>Only those that an operator is awaited for.</summary>
    public bool WithOpenIncident { get; init; }

    /// <summary>Accepted then or later.</summary>
    public DateTimeOffset Since { get; init; } = DateTimeOffset.MinValue;

    /// <summary>Accepted before.</summary>
    public DateTimeOffset Until { get; init; } = DateTimeOffset.MaxValue;

    /// <summary>One of these; null for all.</summary>
    public IReadOnlyList<InstanceStatus>? Statuses { get; init; }

    /// <summary>So many of the newest are left out: for pages by number, where those by key cannot be had.</summary>
    public int Skip { get; init; }

    /// <summary>Occurs, in this case, in the id, the definition's id, the key, the input or the error; null for all.</summary>
    public string? Text { get; init; }
}

/// <param name="Row">Grows with each accepted instance of this journal; the key for paging.</param>
/// <param name="Answer">JSON given by Respond.</param>
/// <param name="Output">JSON of the definition's outputs, once finished.</param>
/// <param name="Parent">The instance that waits, or waited, for this one.</param>
/// <param name="ParentSeq">Its execution.</param>
/// <param name="FaultKind">Of the fault that led to undoing, if one did.</param>
public sealed record InstanceRow(
    long Row,
    InstanceId Id,
    string DefinitionId,
    string DefinitionHash,
    string IdempotencyKey,
    InstanceStatus Status,
    string Input,
    string Variables,
    string? Answer,
    string? Output,
    string? Error,
    DateTimeOffset AcceptedAt,
    DateTimeOffset UpdatedAt,
    DateTimeOffset? FinishedAt,
    InstanceId? Parent,
    int? ParentSeq,
    DateTimeOffset? Deadline,
    FaultKind? FaultKind)
{
    /// <summary>What the caller can be told; null while nothing is decided.</summary>
    public WorkflowAnswer? ToAnswer() => WorkflowAnswer.Of(Id, Status, Answer, Output, Error);
}

/// <param name="Seq">1, 2, 3 … in the order the instance's executions began.</param>
/// <param name="Attempt">Of the present phase: it begins again at 1 when compensation begins.</param>
/// <param name="BootId">Of the kernel under which the last attempt began.</param>
/// <param name="Scope">Seq of the container's execution it runs in; null at the top.</param>
/// <param name="Ended">1, 2, 3 … in the order in which executions completed or were given up; 0 before.</param>
/// <param name="AwaitsOperator">It stopped with an incident.</param>
public sealed record ExecutionRow(
    InstanceId Instance,
    int Seq,
    string ActivityId,
    string ActivityType,
    ExecutionStatus Status,
    int Attempt,
    int Failures,
    string Input,
    string? Output,
    string? Error,
    DateTimeOffset? DueAt,
    string BootId,
    DateTimeOffset StartedAt,
    DateTimeOffset? EndedAt,
    int? Scope = null,
    string? Progress = null,
    int Ended = 0,
    bool AwaitsOperator = false);

public enum IncidentKind
{
    /// <summary>A step faulted, and its policy or the kind of the fault suspends.</summary>
    Fault,

    /// <summary>The undoing of a step faulted.</summary>
    Undoing,

    /// <summary>A step that must not run twice by itself was under way when the process ended.</summary>
    InDoubt,
    CrashLoop,

    /// <summary>The definition does not load any more, or the engine met what cannot be.</summary>
    Broken,

    /// <summary>It was not over in the time that its definition gives it.</summary>
    Deadline,
}

/// <param name="Failures">How often the step (or its undoing) had failed by then.</param>
/// <param name="ClosedAt">Null while an operator is awaited.</param>
public sealed record IncidentRow(
    long Id, InstanceId Instance, int? ExecutionSeq, string? ActivityId, IncidentKind Kind, int Failures, string Message, DateTimeOffset OpenedAt,
    DateTimeOffset? ClosedAt);

/// <summary>A definition by its content: the same canonical text is the same version, whatever the file says.</summary>
/// <param name="Version">As written in the file.</param>
/// <param name="Revision">1, 2, 3 … of the contents of this id, in the order in which they appeared.</param>
/// <param name="Open">Instances that go on with it.</param>
/// <param name="IsReused">Another content had the same id and version number before.</param>
public sealed record DefinitionVersion(string DefinitionId, int Version, int Revision, string Hash, DateTimeOffset FirstSeen, int Open, bool IsReused);

/// <param name="OpenOnly">Whether to leave out those that are closed.</param>
/// <param name="BeforeId">Id of the last incident of the page before; newest first.</param>
public sealed record IncidentFilter(bool OpenOnly, InstanceId? Instance = null, long BeforeId = long.MaxValue, int Limit = 100);
