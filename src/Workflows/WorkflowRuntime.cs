using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Workflows;

/// <summary>Whether a start with a key that is known joins the instance that has it. Keys are per definition.</summary>
public enum JoinPolicy
{
    /// <summary>Ever, as long as the instance is kept.</summary>
    Always,

    /// <summary>Only one that is not yet terminal.</summary>
    WhileOpen,
}

/// <param name="Input">By the names of the definition's inputs.</param>
public sealed record StartWorkflow(string DefinitionId, string IdempotencyKey, JsonObject Input, JoinPolicy Join = JoinPolicy.Always);

public enum WorkflowOutcome
{
    /// <summary>By Respond; the instance may still go on.</summary>
    Answered,
    Finished,

    /// <summary>Failed, undone.</summary>
    Compensated,

    /// <summary>Failed, waits for an operator.</summary>
    Faulted,
    Cancelled,
}

/// <param name="Error">The message of the fault, for Docker's Err.</param>
public sealed record WorkflowAnswer(InstanceId Instance, WorkflowOutcome Outcome, JsonObject? Output, string? Error);

public sealed class WorkflowRuntime : IAsyncDisposable
{
    /// <summary>Locks and opens the journal, begins a new epoch, loads and classifies what is open. Runs nothing yet.</summary>
    public static Task<WorkflowRuntime> OpenAsync(
        WorkflowRuntimeOptions options,
        ActivityCatalog activities,
        IReadOnlyList<WorkflowDefinition> definitions,
        TimeProvider time,
        ILoggerFactory loggers,
        CancellationToken ct) => throw new NotImplementedException();

    public RecoveryReport Recovery => throw new NotImplementedException();

    public IReadOnlyList<WorkflowDefinition> Definitions => throw new NotImplementedException();

    /// <summary>Begins executing, recovered instances and new ones.</summary>
    public void Resume() => throw new NotImplementedException();

    /// <summary>Completes when the instance is durable. Throws <see cref="InvalidStartException"/> if the start does not fit a definition.</summary>
    public Task<InstanceId> StartAsync(StartWorkflow start, CancellationToken ct) => throw new NotImplementedException();

    /// <summary>Completes when the instance responded, is terminal or is suspended, and that is durable.</summary>
    public Task<WorkflowAnswer> AnswerAsync(InstanceId id, CancellationToken ct) => throw new NotImplementedException();

    public Task<WorkflowAnswer> RunAsync(StartWorkflow start, CancellationToken ct) => throw new NotImplementedException();

    /// <summary>Committed events after a sequence number, in order, without end. Begins at the oldest kept if that is later.</summary>
    public IAsyncEnumerable<JournalEvent> FollowAsync(long afterSeq, CancellationToken ct) => throw new NotImplementedException();

    public InstanceRow? Instance(InstanceId id) => throw new NotImplementedException();
    public IReadOnlyList<InstanceRow> Instances(InstanceFilter filter) => throw new NotImplementedException();
    public IReadOnlyList<ExecutionRow> Executions(InstanceId id) => throw new NotImplementedException();
    public IReadOnlyList<IncidentRow> Incidents(IncidentFilter filter) => throw new NotImplementedException();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
