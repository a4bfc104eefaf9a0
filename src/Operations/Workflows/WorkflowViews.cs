using System.Text.Json.Nodes;
using FlannelFlow.Workflows;

namespace FlannelFlow.Operations.Workflows;

/// <summary>A page, newest first.</summary>
/// <param name="Next">Give it as <c>before</c> to get the next page; null on the last.</param>
public sealed record WorkflowPage(IReadOnlyList<WorkflowView> Items, long? Next);

/// <summary>A page of the workflows of all hosts, newest first.</summary>
/// <param name="Next">Give it as <c>before</c> to get the next page; null on the last.</param>
/// <param name="Notice">Which hosts' are missing, and why; null if none are.</param>
public sealed record ClusterWorkflowPage(IReadOnlyList<HostedWorkflow> Items, string? Next, string? Notice);

public sealed record HostedWorkflow(string Host, WorkflowView Workflow);

/// <summary>An instance.</summary>
/// <param name="Row">Its place in the journal, for paging.</param>
/// <param name="Error">The fault that it failed or is suspended with.</param>
/// <param name="Parent">The workflow whose step started it and waits for it.</param>
/// <param name="Deadline">When it is to be over.</param>
public sealed record WorkflowView(
    long Row,
    string Id,
    string Definition,
    string Key,
    InstanceStatus Status,
    DateTimeOffset AcceptedAt,
    DateTimeOffset UpdatedAt,
    DateTimeOffset? FinishedAt,
    string? Error,
    string? Parent,
    DateTimeOffset? Deadline)
{
    public static WorkflowView Of(InstanceRow row) => new(
        row.Row, row.Id.Value, row.DefinitionId, row.IdempotencyKey, row.Status, row.AcceptedAt, row.UpdatedAt, row.FinishedAt, row.Error, row.Parent?.Value, row.Deadline);
}

/// <summary>All about an instance.</summary>
/// <param name="Answer">What it told its caller, who need not have waited for the end.</param>
/// <param name="DefinitionHash">Of the definition that it goes on with.</param>
public sealed record WorkflowDetail(
    WorkflowView Workflow,
    JsonNode? Input,
    JsonNode? Variables,
    JsonNode? Answer,
    JsonNode? Output,
    IReadOnlyList<ExecutionView> Executions,
    IReadOnlyList<IncidentView> Incidents,
    IReadOnlyList<AuditView> Audit,
    IReadOnlyList<LaneDetail> Lanes,
    IReadOnlyList<WorkflowView> Children,
    string DefinitionHash)
{
    /// <summary>More children than this are not listed: <c>?parent=</c> lists them all.</summary>
    private const int ListedChildren = 50;

    public static WorkflowDetail Of(WorkflowRuntime runtime, InstanceRow row) => new(
        WorkflowView.Of(row),
        JsonNode.Parse(row.Input),
        JsonNode.Parse(row.Variables),
        Parse(row.Answer),
        Parse(row.Output),
        [.. runtime.Executions(row.Id).Select(ExecutionView.Of)],
        [.. runtime.Incidents(new IncidentFilter(OpenOnly: false, row.Id)).Select(i => new IncidentView(i.ActivityId, i.Kind, i.Failures, i.Message, i.OpenedAt, i.ClosedAt))],
        [.. runtime.Audit(row.Id).Select(a => new AuditView(a.At, a.Alteration, a.ActivityId, JsonNode.Parse(a.Detail), a.Who, a.Why))],
        [.. runtime.Lanes(row.Id).Select(LaneDetail.Of)],
        [.. runtime.Instances(new InstanceFilter(DefinitionId: null, Status: null, Limit: ListedChildren) { Parent = row.Id }).Select(WorkflowView.Of)],
        row.DefinitionHash);

    internal static JsonNode? Parse(string? json) => json is null ? null : JsonNode.Parse(json);
}

/// <param name="Scope">Seq of the container it runs in; null at the top.</param>
/// <param name="AwaitsOperator">It stands, with an open incident.</param>
public sealed record ExecutionView(
    int Seq,
    string Activity,
    string Type,
    ExecutionStatus Status,
    int Attempt,
    JsonNode? Input,
    JsonNode? Output,
    string? Error,
    DateTimeOffset? DueAt,
    DateTimeOffset StartedAt,
    DateTimeOffset? EndedAt,
    int? Scope,
    bool AwaitsOperator)
{
    public static ExecutionView Of(ExecutionRow row) => new(
        row.Seq, row.ActivityId, row.ActivityType, row.Status, row.Attempt, WorkflowDetail.Parse(row.Input), WorkflowDetail.Parse(row.Output),
        row.Error, row.DueAt, row.StartedAt, row.EndedAt, row.Scope, row.AwaitsOperator);
}

/// <param name="Failures">How often the step had failed by then.</param>
public sealed record IncidentView(string? Activity, IncidentKind Kind, int Failures, string Message, DateTimeOffset OpenedAt, DateTimeOffset? ClosedAt);

public sealed record AuditView(DateTimeOffset At, string Alteration, string? Activity, JsonNode? Detail, string Who, string Why);

/// <param name="Holders">Ids of the instances that hold it now.</param>
/// <param name="Waiters">In the order of their arrival.</param>
public sealed record LaneDetail(string Key, LaneMode Mode, IReadOnlyList<string> Holders, IReadOnlyList<string> Waiters)
{
    public static LaneDetail Of(LaneView lane) => new(lane.Key, lane.Mode, [.. lane.Holders.Select(h => h.Value)], [.. lane.Waiters.Select(w => w.Value)]);
}

/// <param name="Correlation">The idempotency key of the workflow that waits, what its step correlates by, or its id.</param>
/// <param name="Id">Sent again with the same id, it is the same signal.</param>
public sealed record SignalBody(string? Name, string? Correlation, JsonNode? Payload = null, string? Id = null);

/// <param name="Workflow">That it went to; null if it is kept for one to come.</param>
/// <param name="IsKnown">It was sent before; nothing changed.</param>
public sealed record SignalSent(string Id, string? Workflow, bool IsKnown);

/// <summary>A signal that is kept.</summary>
public sealed record SignalView(string Id, string Name, string Correlation, JsonNode? Payload, DateTimeOffset SentAt)
{
    public static SignalView Of(SignalRow row) => new(row.Id, row.Name, row.Correlation, WorkflowDetail.Parse(row.Payload), row.SentAt);
}

public sealed record DefinitionView(
    string Id, int Version, string Name, string Hash, FaultPolicy OnFault, IReadOnlyList<string> Lanes, IReadOnlyList<StepView> Steps)
{
    public static DefinitionView Of(WorkflowDefinition definition) => new(
        definition.Id, definition.Version, definition.Name, definition.Hash, definition.OnFault,
        [.. definition.Lanes.Select(l => $"{l.Key} ({l.Mode})")],
        [.. definition.Steps.Select(s => new StepView(s.Id, s.Type, s.Compensate))]);
}

/// <param name="Compensates">Whether it is undone when the workflow fails.</param>
public sealed record StepView(string Id, string Type, bool Compensates);

/// <summary>What is wrong with a definition file; nothing if the list is empty.</summary>
public sealed record DefinitionCheck(IReadOnlyList<DefinitionError> Errors);

/// <summary>A request to alter; the fields beside the first three belong to the kinds that need them.</summary>
/// <param name="Kind">retry, skip, compensate, cancel, terminate, migrate or modifyVariable.</param>
/// <param name="Activity">retry, skip: the step that is meant, where several stand.</param>
/// <param name="Outputs">skip: the step's outputs by name.</param>
/// <param name="Variable">modifyVariable: its name.</param>
/// <param name="Value">modifyVariable: null clears it.</param>
public sealed record AlterationBody(
    string? Kind, string? Who, string? Reason, JsonObject? Outputs = null, string? Variable = null, JsonNode? Value = null,
    string? Activity = null);
