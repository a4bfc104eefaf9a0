using System.Globalization;
using System.Text.Json.Nodes;
using FlannelFlow.Operations.Workflows;
using FlannelFlow.Workflows;

namespace FlannelFlow.Operations.Elsa;

/// <summary>This host's workflows in the shapes of Elsa 3's API (elsaworkflows.io), as far as the engine has the matter.</summary>
public sealed class ElsaWorkflows(WorkflowRuntime runtime, HostWorkflows workflows, TimeProvider time)
{
    private const int UsualPage = 50;

    private static readonly InstanceStatus[] Open = [InstanceStatus.Waiting, InstanceStatus.Running, InstanceStatus.Compensating, InstanceStatus.Suspended];

    /// <param name="versionOptions">Latest (the usual), Published, LatestOrPublished: those that are loaded; AllVersions: all that the journal has; or a number.</param>
    public ElsaPage<ElsaDefinitionSummary> Definitions(string? versionOptions, string? page, string? pageSize)
    {
        var (skip, take) = Page(Number("page", page), Number("pageSize", pageSize));
        var found = Chosen(versionOptions).ToList();
        return new ElsaPage<ElsaDefinitionSummary>([.. found.Skip(skip).Take(take)], found.Count);
    }

    /// <exception cref="KeyNotFoundException">There is none, or none of this version.</exception>
    public JsonObject Definition(string definitionId, string? versionOptions) =>
        Model(Chosen(versionOptions).LastOrDefault(one => one.DefinitionId == definitionId)
            ?? throw new KeyNotFoundException($"there is no definition \"{definitionId}\"{(versionOptions is null ? "" : $" of version {versionOptions}")}"));

    /// <param name="id">Of the version.</param>
    public JsonObject DefinitionVersion(string id) =>
        Model(Chosen("AllVersions").FirstOrDefault(one => one.Id == id) ?? throw new KeyNotFoundException($"no definition has the content {id}"));

    public ElsaPage<ElsaInstanceSummary> Instances(ElsaInstanceQuery query)
    {
        ArgumentNullException.ThrowIfNull(query);
        if (query.OrderBy is not (null or "Created")) throw new BadRequestException($"orderBy: \"{query.OrderBy}\" is not Created, the only order there is");
        if (query.OrderDirection is not (null or "Descending")) throw new BadRequestException($"orderDirection: \"{query.OrderDirection}\" is not Descending, the only one there is");
        var (skip, take) = Page(query.Page, query.PageSize);
        var filter = new InstanceFilter(query.DefinitionId, Status: null, Limit: take)
        {
            Key = query.CorrelationId,
            Text = string.IsNullOrEmpty(query.SearchTerm) ? null : query.SearchTerm,
            Statuses = Statuses(query.Status, query.SubStatus),
            Skip = skip,
        };
        var versions = Versions();
        return new ElsaPage<ElsaInstanceSummary>([.. runtime.Instances(filter).Select(row => Summary(row, versions))], runtime.Count(filter));
    }

    /// <exception cref="KeyNotFoundException"/>
    public ElsaInstance Instance(string id)
    {
        var row = Find(id);
        var summary = Summary(row, Versions());
        return new ElsaInstance(
            summary.Id, summary.DefinitionId, summary.DefinitionVersionId, summary.Version, summary.Status, summary.SubStatus, summary.CorrelationId, row.Parent?.Value,
            summary.IncidentCount, summary.CreatedAt, summary.UpdatedAt, summary.FinishedAt, State(row, summary));
    }

    public ElsaExecutionState ExecutionState(string id)
    {
        var row = Find(id);
        var (status, subStatus) = StatusOf(row.Status);
        return new ElsaExecutionState(status, subStatus, row.UpdatedAt);
    }

    public ElsaPage<ElsaLogRecord> Journal(string id, string? page, string? pageSize)
    {
        var (skip, take) = Page(Number("page", page), Number("pageSize", pageSize));
        var row = Find(id);
        var executions = runtime.Executions(row.Id);
        var events = runtime.Events(row.Id);
        return new ElsaPage<ElsaLogRecord>([.. events.Skip(skip).Take(take).Select(e => Record(e, executions))], events.Count);
    }

    /// <summary>Of an instance that is not there, none.</summary>
    public ElsaPage<ElsaActivityExecution> Executions(string? workflowInstanceId, string? activityNodeId)
    {
        if (string.IsNullOrEmpty(workflowInstanceId)) throw new BadRequestException("workflowInstanceId: none is given");
        var found = runtime.Executions(new InstanceId(workflowInstanceId)).Where(e => activityNodeId is null || e.ActivityId == activityNodeId).Select(Execution).ToList();
        return new ElsaPage<ElsaActivityExecution>(found, found.Count);
    }

    /// <exception cref="KeyNotFoundException"/>
    public ElsaActivityExecution Execution(string id) =>
        id.Split('-') is [var instance, var seq] && runtime.Executions(new InstanceId(instance)).FirstOrDefault(e => e.Seq.ToString(CultureInfo.InvariantCulture) == seq) is { } found
            ? Execution(found)
            : throw new KeyNotFoundException($"there is no activity execution {id}");

    /// <exception cref="AlterationRefusedException">It is over, or being undone already.</exception>
    public async Task<ElsaExecutionState> CancelAsync(string id, string who, CancellationToken ct)
    {
        var instance = Find(id).Id;
        await runtime.AlterAsync(instance, new Alteration.Cancel(), who, Reason(null), ct);
        return ExecutionState(id);
    }

    /// <summary>Each of the instances for itself.</summary>
    public async Task<ElsaAlterationResults> RunAsync(ElsaAlterationRun run, string who, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (run.Alterations is not { Count: > 0 } alterations) throw new BadRequestException("alterations: none is given");
        return await AlterAsync(run.WorkflowInstanceIds, [.. alterations.Select(BodyOf)], who, run.Reason, ct);
    }

    public Task<ElsaAlterationResults> RetryAsync(ElsaRetry retry, string who, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(retry);
        IReadOnlyList<string?> activities = retry.ActivityIds is { Count: > 0 } given ? [.. given] : [null];
        return AlterAsync(retry.WorkflowInstanceIds, [.. activities.Select(activity => new AlterationBody("retry", null, null, Activity: activity))], who, retry.Reason, ct);
    }

    private static string Reason(string? given) => string.IsNullOrWhiteSpace(given) ? "over Elsa's API, which gives no reason" : given;

    private async Task<ElsaAlterationResults> AlterAsync(IReadOnlyList<string>? instances, IReadOnlyList<AlterationBody> bodies, string who, string? reason, CancellationToken ct)
    {
        if (instances is not { Count: > 0 }) throw new BadRequestException("workflowInstanceIds: none is given");
        var results = new List<ElsaAlterationResult>();
        foreach (var id in instances)
        {
            var log = new List<ElsaLogEntry>();
            var isSuccessful = true;
            foreach (var body in bodies)
            {
                try
                {
                    await workflows.AlterAsync(Find(id).Id.Value, body with { Who = who, Reason = Reason(reason) }, ct);
                    log.Add(new ElsaLogEntry($"{body.Kind} of {id}: done", "Information", time.GetUtcNow()));
                }
                catch (Exception refused) when (refused is AlterationRefusedException or InvalidAlterationException or KeyNotFoundException)
                {
                    log.Add(new ElsaLogEntry(refused.Message, "Error", time.GetUtcNow()));
                    isSuccessful = false;
                    break;
                }
            }

            results.Add(new ElsaAlterationResult(id, new ElsaAlterationLog(log), isSuccessful));
        }

        return new ElsaAlterationResults(results);
    }

    private static AlterationBody BodyOf(ElsaAlteration alteration) => alteration.Type switch
    {
        "Migrate" => new AlterationBody("migrate", null, null),
        "Cancel" => new AlterationBody("cancel", null, null),
        "Retry" => new AlterationBody("retry", null, null, Activity: alteration.ActivityId),
        "Skip" => new AlterationBody("skip", null, null, alteration.Outputs, Activity: alteration.ActivityId),
        "Compensate" => new AlterationBody("compensate", null, null),
        "Terminate" => new AlterationBody("terminate", null, null),
        "ModifyVariable" => new AlterationBody(
            "modifyVariable", null, null, Variable: alteration.VariableId ?? throw new BadRequestException("ModifyVariable: no variableId is given"), Value: alteration.Value),
        _ => throw new BadRequestException($"type: \"{alteration.Type}\" is none of Migrate, ModifyVariable, Cancel, Retry, Skip, Compensate, Terminate"),
    };

    private InstanceRow Find(string id) => runtime.Instance(new InstanceId(id)) ?? throw new KeyNotFoundException($"there is no workflow instance {id}");

    private Dictionary<string, int> Versions() => runtime.Versions().ToDictionary(version => version.Hash, version => version.Version, StringComparer.Ordinal);

    private IEnumerable<ElsaDefinitionSummary> Chosen(string? versionOptions)
    {
        var loaded = runtime.Definitions.ToDictionary(definition => definition.Hash, StringComparer.Ordinal);
        var all = runtime.Versions().Select(version => new ElsaDefinitionSummary(
            version.Hash, version.DefinitionId, loaded.GetValueOrDefault(version.Hash)?.Name ?? version.DefinitionId, version.Version, loaded.ContainsKey(version.Hash),
            loaded.ContainsKey(version.Hash), "Json", version.FirstSeen));
        return versionOptions switch
        {
            null or "" or "Latest" or "Published" or "LatestOrPublished" => all.Where(one => one.IsLatest),
            "AllVersions" => all,
            _ when int.TryParse(versionOptions, NumberStyles.None, CultureInfo.InvariantCulture, out var number) => all.Where(one => one.Version == number),
            _ => throw new BadRequestException($"versionOptions: \"{versionOptions}\" is none of Latest, Published, LatestOrPublished, AllVersions, nor a number"),
        };
    }

    /// <summary>The definition's own text, which is Elsa's format, and what Elsa's API adds to it.</summary>
    private JsonObject Model(ElsaDefinitionSummary summary)
    {
        var model = JsonNode.Parse(runtime.DefinitionJson(summary.Id)!)!.AsObject();
        model["id"] = summary.Id;
        model["createdAt"] = summary.CreatedAt;
        model["isLatest"] = summary.IsLatest;
        model["isPublished"] = summary.IsPublished;
        model["isReadonly"] = true;
        return model;
    }

    private ElsaInstanceSummary Summary(InstanceRow row, Dictionary<string, int> versions)
    {
        var (status, subStatus) = StatusOf(row.Status);
        return new ElsaInstanceSummary(
            row.Id.Value, row.DefinitionId, row.DefinitionHash, versions.GetValueOrDefault(row.DefinitionHash), status, subStatus, row.IdempotencyKey,
            row.Status == InstanceStatus.Suspended ? runtime.Incidents(new IncidentFilter(OpenOnly: true, row.Id)).Count : 0, row.AcceptedAt, row.UpdatedAt, row.FinishedAt);
    }

    private ElsaWorkflowState State(InstanceRow row, ElsaInstanceSummary summary)
    {
        var executions = runtime.Executions(row.Id);
        return new ElsaWorkflowState(
            summary.Id, summary.DefinitionId, summary.DefinitionVersionId, summary.Version, summary.CorrelationId, summary.Status, summary.SubStatus,
            [.. executions.Where(e => e.Status == ExecutionStatus.Waiting).Select(e => new ElsaBookmark(IdOf(e), e.ActivityType, e.ActivityId, e.ActivityId, IdOf(e), e.StartedAt))],
            [.. runtime.Incidents(new IncidentFilter(OpenOnly: true, row.Id)).Select(i => new ElsaIncident(i.ActivityId ?? "", executions.FirstOrDefault(e => e.Seq == i.ExecutionSeq)?.ActivityType ?? "", i.Message, i.OpenedAt))],
            [.. executions.Where(e => e.EndedAt is null).Select(e => new ElsaActivityContext(IdOf(e), ParentOf(e), e.ActivityId, StatusOf(e.Status), e.StartedAt))],
            JsonNode.Parse(row.Input), row.Output is null ? null : JsonNode.Parse(row.Output), JsonNode.Parse(row.Variables), summary.CreatedAt, summary.UpdatedAt, summary.FinishedAt);
    }

    private static ElsaLogRecord Record(JournalEvent e, IReadOnlyList<ExecutionRow> executions)
    {
        var execution = executions.LastOrDefault(one => one.ActivityId == e.ActivityId && one.StartedAt <= e.At);
        return new ElsaLogRecord(
            e.Seq.ToString(CultureInfo.InvariantCulture), execution is null ? e.Instance.Value : IdOf(execution), execution is null ? null : ParentOf(execution), e.ActivityId ?? "workflow",
            e.ActivityType ?? "Elsa.Workflow", e.ActivityId ?? "workflow", e.At, e.Seq, NameOf(e.Kind), e.Detail);
    }

    private static string NameOf(JournalEventKind kind) => kind switch
    {
        JournalEventKind.StepStarted or JournalEventKind.ScopeEntered => "Started",
        JournalEventKind.StepCompleted or JournalEventKind.ScopeLeft => "Completed",
        JournalEventKind.StepFaulted => "Faulted",
        JournalEventKind.StepWaits => "Suspended",
        JournalEventKind.Accepted or JournalEventKind.RetryScheduled or JournalEventKind.Responded or JournalEventKind.CompensationStarted or JournalEventKind.StepCompensated
            or JournalEventKind.CompensationFaulted or JournalEventKind.Suspended or JournalEventKind.Finished or JournalEventKind.Compensated or JournalEventKind.Cancelled
            or JournalEventKind.Altered or JournalEventKind.StepSkipped or JournalEventKind.CompensationSkipped or JournalEventKind.Expired => kind.ToString(),
    };

    private static ElsaActivityExecution Execution(ExecutionRow e) => new(
        IdOf(e), e.Instance.Value, e.ActivityId, e.ActivityId, e.ActivityType, 1, StatusOf(e.Status), e.Status == ExecutionStatus.Waiting, JsonNode.Parse(e.Input),
        e.Output is null ? null : JsonNode.Parse(e.Output), e.Error is null ? null : new ElsaException(e.Error),
        new JsonObject { ["status"] = e.Status.ToString(), ["attempt"] = e.Attempt, ["failures"] = e.Failures, ["dueAt"] = e.DueAt, ["awaitsOperator"] = e.AwaitsOperator },
        e.StartedAt, e.EndedAt);

    private static string IdOf(ExecutionRow e) => string.Create(CultureInfo.InvariantCulture, $"{e.Instance.Value}-{e.Seq}");

    private static string? ParentOf(ExecutionRow e) => e.Scope is { } scope ? string.Create(CultureInfo.InvariantCulture, $"{e.Instance.Value}-{scope}") : null;

    private static (string Status, string SubStatus) StatusOf(InstanceStatus status) => status switch
    {
        InstanceStatus.Waiting => ("Running", "Pending"),
        InstanceStatus.Running or InstanceStatus.Compensating => ("Running", "Executing"),
        InstanceStatus.Suspended => ("Running", "Suspended"),
        InstanceStatus.Finished => ("Finished", "Finished"),
        InstanceStatus.Compensated => ("Finished", "Faulted"),
        InstanceStatus.Cancelled => ("Finished", "Cancelled"),
    };

    private static string StatusOf(ExecutionStatus status) => status switch
    {
        ExecutionStatus.Running or ExecutionStatus.RetryScheduled or ExecutionStatus.Entered or ExecutionStatus.Waiting or ExecutionStatus.Compensating
            or ExecutionStatus.CompensationScheduled => "Running",
        ExecutionStatus.Completed or ExecutionStatus.Skipped => "Completed",
        ExecutionStatus.Faulted or ExecutionStatus.CompensationFaulted => "Faulted",
        ExecutionStatus.Compensated or ExecutionStatus.CompensationSkipped or ExecutionStatus.Cancelled => "Canceled",
    };

    private static List<InstanceStatus>? Statuses(string? status, string? subStatus)
    {
        if (status is not (null or "Running" or "Finished")) throw new BadRequestException($"status: \"{status}\" is neither Running nor Finished");
        if (subStatus is not (null or "Pending" or "Executing" or "Suspended" or "Finished" or "Faulted" or "Cancelled"))
            throw new BadRequestException($"subStatus: \"{subStatus}\" is none of Pending, Executing, Suspended, Finished, Faulted, Cancelled");
        return status is null && subStatus is null
            ? null
            : [.. Enum.GetValues<InstanceStatus>().Where(one => (status is null || StatusOf(one).Status == status) && (subStatus is null || StatusOf(one).SubStatus == subStatus))];
    }

    private static int? Number(string name, string? text) =>
        string.IsNullOrEmpty(text) ? null
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
        : throw new BadRequestException($"{name}: \"{text}\" is no whole number");

    private static (int Skip, int Take) Page(int? page, int? size)
    {
        if (page < 0) throw new BadRequestException($"page: {page} is less than 0");
        if (size is < 1 or > WorkflowQuery.MaximumLimit) throw new BadRequestException($"pageSize: {size} is not from 1 to {WorkflowQuery.MaximumLimit}");
        var take = size ?? UsualPage;
        return ((int)Math.Min((long)(page ?? 0) * take, int.MaxValue), take);
    }
}
