namespace FlannelFlow.Workflows;

public enum JournalEventKind
{
    /// <summary>The instance is durable.</summary>
    Accepted,
    StepStarted,
    StepCompleted,

    /// <summary>An attempt failed and none follows; Detail is the error.</summary>
    StepFaulted,

    /// <summary>An attempt failed; Detail is when the next is due and the error.</summary>
    RetryScheduled,

    /// <summary>The caller's answer is durable.</summary>
    Responded,

    /// <summary>A step's undoing began.</summary>
    CompensationStarted,
    StepCompensated,

    /// <summary>A step's undoing failed and is not tried again.</summary>
    CompensationFaulted,

    /// <summary>Waits for an operator; Detail is the incident.</summary>
    Suspended,
    Finished,

    /// <summary>Failed, and all undone; Detail is the error.</summary>
    Compensated,
    Cancelled,

    /// <summary>An operator changed its course; Detail is what, who and why. What follows from it follows in the same commit.</summary>
    Altered,

    /// <summary>An operator took a step as done; Detail is the outputs given.</summary>
    StepSkipped,

    /// <summary>An operator took a step as undone.</summary>
    CompensationSkipped,

    /// <summary>A container began; Detail of an If is its condition.</summary>
    ScopeEntered,

    /// <summary>A container is done; Detail of a FlowDecision is its port.</summary>
    ScopeLeft,

    /// <summary>A step waits; Detail says for what.</summary>
    StepWaits,

    /// <summary>The deadline of the instance has passed; Detail says when that was.</summary>
    Expired,
}

/// <summary>A committed row of the journal.</summary>
/// <param name="Seq">1, 2, 3 … without gaps, in commit order.</param>
/// <param name="ActivityId">Null for events of the instance as a whole.</param>
/// <param name="Attempt">0 for events of the instance as a whole.</param>
/// <param name="Detail">The kind says what it is.</param>
public sealed record JournalEvent(
    long Seq,
    DateTimeOffset At,
    InstanceId Instance,
    string DefinitionId,
    JournalEventKind Kind,
    string? ActivityId,
    string? ActivityType,
    int Attempt,
    string? Detail);
