using System.Collections.Immutable;
using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>All that the engine knows of an open instance: exactly what its journal rows say at revision <see cref="Rev"/>.</summary>
/// <remarks>
/// Owned by the instance's mailbox. A decision yields the next state; it becomes the current one when its commit is durable.
/// Several executions can be live at once, in branches; undoing is serial: at most one is Compensating or CompensationScheduled.
/// </remarks>
internal sealed record InstanceState
{
    public required InstanceId Id { get; init; }
    public required string DefinitionId { get; init; }
    public required string DefinitionHash { get; init; }
    public required string IdempotencyKey { get; init; }
    public required ImmutableDictionary<string, JsonElement> Inputs { get; init; }
    public required ImmutableArray<LaneClaim> Claims { get; init; }
    public required DateTimeOffset AcceptedAt { get; init; }

    /// <summary>The step that waits for this instance, if one does: it runs within the lanes of that step's instance.</summary>
    public ParentLink? Parent { get; init; }

    /// <summary>When it is to be over; null is never, and once it has passed.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>Of <see cref="Error"/>, if a fault led to undoing.</summary>
    public FaultKind? FaultKind { get; init; }

    /// <summary>Primary key in the journal; 0 before the accept commit.</summary>
    public long Row { get; init; }

    public long Rev { get; init; }
    public InstanceStatus Status { get; init; } = InstanceStatus.Waiting;
    public ImmutableDictionary<string, JsonElement> Variables { get; init; } = ImmutableDictionary<string, JsonElement>.Empty;

    /// <summary>By Seq, which is the index + 1.</summary>
    public ImmutableList<ExecutionState> Executions { get; init; } = [];

    /// <summary>JSON object given by Respond.</summary>
    public string? AnswerJson { get; init; }

    /// <summary>JSON object of the definition's outputs, once Finished.</summary>
    public string? OutputJson { get; init; }

    /// <summary>The fault that led to compensation or suspension.</summary>
    public string? Error { get; init; }

    /// <summary>Once undone it ends Cancelled, not Compensated.</summary>
    public bool IsCancelled { get; init; }

    /// <summary>Of the execution that ended last, see <see cref="ExecutionState.Ended"/>.</summary>
    public int LastEnded { get; init; }

    /// <summary>When it was found in doubt at a start, the latest last; no older than <see cref="Decider.CrashLoopWindow"/> when written.</summary>
    public ImmutableArray<DateTimeOffset> Recoveries { get; init; } = [];

    public bool IsTerminal => Status is InstanceStatus.Finished or InstanceStatus.Compensated or InstanceStatus.Cancelled;

    public ExecutionState Execution(int seq) => Executions[seq - 1];

    public InstanceState With(ExecutionState execution) =>
        this with
        {
            Executions = execution.Seq > Executions.Count ? Executions.Add(execution) : Executions.SetItem(execution.Seq - 1, execution),
            LastEnded = Math.Max(LastEnded, execution.Ended),
        };

    /// <summary>What the caller can be told; null while nothing is decided.</summary>
    public WorkflowAnswer? Answer() => WorkflowAnswer.Of(Id, Status, AnswerJson, OutputJson, Error);
}

/// <summary>One run of a step, with all its attempts and its undoing; or of a container that has a state of its own.</summary>
internal sealed record ExecutionState
{
    public required int Seq { get; init; }
    public required string ActivityId { get; init; }
    public required string ActivityType { get; init; }

    /// <summary>JSON object, resolved once: every attempt gets the same.</summary>
    public required string Input { get; init; }

    public required DateTimeOffset StartedAt { get; init; }
    public ExecutionStatus Status { get; init; } = ExecutionStatus.Running;

    /// <summary>Seq of the container's execution it runs in; null at the top. Sequences have no executions.</summary>
    public int? Scope { get; init; }

    /// <summary>How far a container is.</summary>
    public Progress? Progress { get; init; }

    /// <summary>1, 2, 3 … in the order in which executions ended forward (completed or in doubt); 0 before. Undoing runs in reverse of it.</summary>
    public int Ended { get; init; }

    /// <summary>It stopped, and an operator says how it goes on; its incident is open.</summary>
    public bool AwaitsOperator { get; init; }

    /// <summary>Of the present phase (forward or undoing), crashes included.</summary>
    public int Attempt { get; init; } = 1;

    /// <summary>Attempts of the present phase that ended in a fault; what the retry policy counts.</summary>
    public int Failures { get; init; }

    public string? Output { get; init; }
    public string? Error { get; init; }
    public DateTimeOffset? DueAt { get; init; }
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>The boot of the kernel under which the last attempt began.</summary>
    public string BootId { get; init; } = "";

    /// <summary>Whether an attempt (forward or undoing) may have had an effect whose end is not recorded.</summary>
    public bool IsUnderWay => Status is ExecutionStatus.Running or ExecutionStatus.Compensating;

    /// <summary>Whether its undoing has begun and not ended.</summary>
    public bool IsUndoing =>
        Status is ExecutionStatus.Compensating or ExecutionStatus.CompensationScheduled or ExecutionStatus.CompensationFaulted;

    /// <summary>Whether something is still to come of it by itself: an attempt, a time, a signal, its children.</summary>
    public bool IsLive => IsUnderWay || IsScheduled || Status is ExecutionStatus.Waiting or ExecutionStatus.Entered;

    public bool IsScheduled => Status is ExecutionStatus.RetryScheduled or ExecutionStatus.CompensationScheduled;
}

/// <summary>How far a container is; journalled with its execution.</summary>
/// <param name="Index">ForEach: the item under way, from 0. DispatchWorkflow: children that failed before the present one.</param>
/// <param name="Active">Fork: ids of the branches that are not done. Flowchart: of the activities that run.</param>
/// <param name="Tokens">Flowchart: ids of the activities that a token has arrived at, and that wait for others that may.</param>
/// <param name="Passed">Flowchart: ids of the joins that went on with the first token, and swallow those that follow.</param>
internal sealed record Progress(int Index, ImmutableArray<string> Active, ImmutableArray<string> Tokens, ImmutableArray<string> Passed)
{
    public static Progress Begin { get; } = new(0, [], [], []);
}

/// <summary>An execution of another instance.</summary>
internal sealed record ParentLink(InstanceId Instance, int Seq);
