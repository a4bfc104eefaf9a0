using System.Text.Json.Nodes;

namespace FlannelFlow.Operations.Elsa;

/// <summary>A page as Elsa 3's API gives it.</summary>
public sealed record ElsaPage<T>(IReadOnlyList<T> Items, long TotalCount);

/// <param name="Id">Of the version: the SHA-256 of its content.</param>
public sealed record ElsaDefinitionSummary(
    string Id, string DefinitionId, string Name, int Version, bool IsLatest, bool IsPublished, string MaterializerName, DateTimeOffset CreatedAt);

/// <param name="Status">Running or Finished.</param>
/// <param name="SubStatus">Pending (waits for lanes), Executing, Suspended (a person is awaited), Finished, Faulted (failed, undone) or Cancelled.</param>
/// <param name="CorrelationId">The idempotency key.</param>
public sealed record ElsaInstanceSummary(
    string Id,
    string DefinitionId,
    string DefinitionVersionId,
    int Version,
    string Status,
    string SubStatus,
    string CorrelationId,
    long IncidentCount,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt,
    DateTimeOffset? FinishedAt);

public sealed record ElsaInstance(
    string Id,
    string DefinitionId,
    string DefinitionVersionId,
    int Version,
    string Status,
    string SubStatus,
    string CorrelationId,
    string? ParentWorkflowInstanceId,
    long IncidentCount,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt,
    DateTimeOffset? FinishedAt,
    ElsaWorkflowState WorkflowState);

/// <param name="Properties">The variables, by name.</param>
public sealed record ElsaWorkflowState(
    string Id,
    string DefinitionId,
    string DefinitionVersionId,
    int DefinitionVersion,
    string CorrelationId,
    string Status,
    string SubStatus,
    IReadOnlyList<ElsaBookmark> Bookmarks,
    IReadOnlyList<ElsaIncident> Incidents,
    IReadOnlyList<ElsaActivityContext> ActivityExecutionContexts,
    JsonNode? Input,
    JsonNode? Output,
    JsonNode? Properties,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt,
    DateTimeOffset? FinishedAt);

/// <summary>A step that waits for a time or a signal.</summary>
public sealed record ElsaBookmark(string Id, string Name, string ActivityId, string ActivityNodeId, string ActivityInstanceId, DateTimeOffset CreatedAt);

public sealed record ElsaIncident(string ActivityId, string ActivityType, string Message, DateTimeOffset Timestamp);

/// <summary>A step, or a container, that is not over.</summary>
public sealed record ElsaActivityContext(string Id, string? ParentContextId, string ScheduledActivityNodeId, string Status, DateTimeOffset StartedAt);

/// <param name="EventName">Started, Completed, Faulted, Suspended as in Elsa; what Elsa has no word for has the journal's own.</param>
public sealed record ElsaLogRecord(
    string Id,
    string ActivityInstanceId,
    string? ParentActivityInstanceId,
    string ActivityId,
    string ActivityType,
    string NodeId,
    DateTimeOffset Timestamp,
    long Sequence,
    string EventName,
    string? Message);

/// <param name="Status">Running, Completed, Faulted or Canceled (undone, or given up).</param>
/// <param name="ActivityState">The step's inputs.</param>
/// <param name="Payload">What Elsa has no place for: status and attempt as the journal has them.</param>
public sealed record ElsaActivityExecution(
    string Id,
    string WorkflowInstanceId,
    string ActivityId,
    string ActivityNodeId,
    string ActivityType,
    int ActivityTypeVersion,
    string Status,
    bool HasBookmarks,
    JsonNode? ActivityState,
    JsonNode? Outputs,
    ElsaException? Exception,
    JsonObject Payload,
    DateTimeOffset StartedAt,
    DateTimeOffset? CompletedAt);

public sealed record ElsaException(string Message);

public sealed record ElsaExecutionState(string Status, string SubStatus, DateTimeOffset UpdatedAt);

/// <summary>Which instances, by pages from 0.</summary>
/// <param name="SearchTerm">Found anywhere in its id, definition, key, input or error.</param>
/// <param name="OrderBy">Created, the only one.</param>
/// <param name="OrderDirection">Descending, the only one.</param>
public sealed record ElsaInstanceQuery(
    int? Page = null,
    int? PageSize = null,
    string? SearchTerm = null,
    string? DefinitionId = null,
    string? CorrelationId = null,
    string? Status = null,
    string? SubStatus = null,
    string? OrderBy = null,
    string? OrderDirection = null);

/// <param name="Reason">For the audit; Elsa has none.</param>
public sealed record ElsaAlterationRun(IReadOnlyList<ElsaAlteration>? Alterations, IReadOnlyList<string>? WorkflowInstanceIds, string? Reason = null);

/// <param name="Type">Migrate, ModifyVariable, Cancel as in Elsa; Retry, Skip, Compensate and Terminate beside them.</param>
/// <param name="VariableId">ModifyVariable: its name.</param>
/// <param name="ActivityId">Retry, Skip: the step that is meant, where several stand.</param>
/// <param name="Outputs">Skip: the step's outputs by name.</param>
public sealed record ElsaAlteration(string? Type, string? VariableId = null, JsonNode? Value = null, string? ActivityId = null, JsonObject? Outputs = null);

/// <param name="ActivityIds">Only the steps of these ids; none given: all that stand.</param>
public sealed record ElsaRetry(IReadOnlyList<string>? ActivityIds, IReadOnlyList<string>? WorkflowInstanceIds, string? Reason = null);

public sealed record ElsaAlterationResults(IReadOnlyList<ElsaAlterationResult> Results);

/// <param name="IsSuccessful">All alterations were done. Of one that was refused nothing was done, nor of those after it.</param>
public sealed record ElsaAlterationResult(string WorkflowInstanceId, ElsaAlterationLog Log, bool IsSuccessful);

public sealed record ElsaAlterationLog(IReadOnlyList<ElsaLogEntry> LogEntries);

/// <param name="LogLevel">Information, or Error.</param>
public sealed record ElsaLogEntry(string Message, string LogLevel, DateTimeOffset Timestamp);
