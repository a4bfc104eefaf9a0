namespace FlannelFlow.Workflows;

/// <summary>A kind of step that definitions can name. One stateless object per type serves all executions, concurrently.</summary>
/// <typeparam name="TInput">A record bound from JSON by property name (camelCase in JSON). A property that is neither nullable nor
/// has a default must be bound by every definition that uses the activity.</typeparam>
/// <typeparam name="TOutput">A record; a definition binds its properties to variables. <see cref="Nothing"/> where there is none.</typeparam>
/// <remarks>
/// The intent (execution row, input, key) is durable before <see cref="ExecuteAsync"/> is called; the result is durable before
/// anything follows from it. After a crash in between the activity runs again with the same input and key and attempt + 1:
/// write effects as "ensure" or "absent".
/// A timeout cancels the token and then waits for the call to return, so that two attempts never overlap: honour the token.
/// </remarks>
public abstract class Activity<TInput, TOutput>
    where TInput : class
    where TOutput : class
{
    /// <summary>The name in definitions, such as "FlannelFlow.StartFlannel".</summary>
    public abstract string Type { get; }

    public virtual RecoveryMode Recovery => RecoveryMode.Reexecute;

    /// <summary>Whether <see cref="CompensateAsync"/> is implemented; a definition that asks compensate of another type does not load.</summary>
    public virtual bool CanCompensate => false;

    public abstract Task<TOutput> ExecuteAsync(TInput input, ActivityExecution execution, CancellationToken ct);

    /// <summary>Whether <see cref="ProbeAsync"/> is implemented; a definition that asks Probe of another type does not load.</summary>
    public virtual bool CanProbe => false;

    /// <summary>
    /// With <see cref="RecoveryMode.Probe"/>: asked before each attempt but the first whether an earlier one had its effect. Must have none itself.
    /// </summary>
    public virtual Task<ProbeResult<TOutput>> ProbeAsync(TInput input, ActivityExecution execution, CancellationToken ct) =>
        throw new InvalidOperationException($"{Type} cannot probe");

    /// <summary>
    /// Undoes the effect of an execution that completed (its output is given) or is in doubt (output null).
    /// Must hold when the effect never happened, and when it was undone before.
    /// </summary>
    public virtual Task CompensateAsync(TInput input, TOutput? output, ActivityExecution execution, CancellationToken ct) =>
        throw new InvalidOperationException($"{Type} cannot compensate");
}

public enum ProbeOutcome
{
    Done,
    NotDone,

    /// <summary>It cannot be told: an operator has to.</summary>
    Unknown,
}

/// <summary>Whether an earlier attempt of an execution had its effect.</summary>
/// <param name="Output">What the attempt would have given; with Done only.</param>
/// <param name="Why">Why it is unknown.</param>
public sealed record ProbeResult<TOutput>(ProbeOutcome Outcome, TOutput? Output = null, string? Why = null)
    where TOutput : class;

/// <summary>What an activity is told about the execution it serves.</summary>
/// <param name="Instance">The instance the step belongs to.</param>
/// <param name="ActivityId">The step's id in its definition.</param>
/// <param name="Attempt">1 for the first call; +1 for each retry and for each re-execution after a crash.</param>
/// <param name="IdempotencyKey">The same for all attempts of one execution, unique among executions of all hosts.</param>
public sealed record ActivityExecution(InstanceId Instance, string ActivityId, int Attempt, string IdempotencyKey)
{
    /// <summary>The boot of the kernel now.</summary>
    public string BootId { get; init; } = "";

    /// <summary>
    /// The kernel was booted since some other step of this instance ran: kernel state that the inputs speak of (a device, a rule, a process)
    /// may be gone, though the journal says it was made. Ensure it again, or refuse.
    /// </summary>
    public bool IsAfterReboot { get; init; }
}

/// <summary>The output of an activity that has none.</summary>
public sealed record Nothing
{
    public static Nothing Instance { get; } = new();
}

/// <summary>What the engine does with an execution that was running when the process died.</summary>
public enum RecoveryMode
{
    /// <summary>Run it again with the same key: the effect is "ensure" or "absent".</summary>
    Reexecute,

    /// <summary>
    /// Ask the activity whether it happened, also before a retry: done is its result, not done runs it again, unknown is an incident.
    /// </summary>
    Probe,

    /// <summary>An incident: an operator says whether to retry, skip or compensate. Also when an attempt gave no result in its time.</summary>
    AtMostOnce,

    /// <summary>The effect is in the journal's own database, committed with the step's completion. Of a <see cref="TransactionalActivity{TInput, TOutput}"/>, and of no other.</summary>
    Transactional,
}
