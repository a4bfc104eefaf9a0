using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Tracing;

/// <summary>The spans of workflows, made of what the journal says of them: one per attempt of a step, and one of the whole, their root.</summary>
/// <remarks>
/// A trace is a function of the journal. Its id is the workflow's own, which is 16 bytes in hexadecimal; the id of an attempt's span is made of the
/// workflow's id and the number of the event that the attempt began with. So a trace goes on after a crash, and what is sent twice is the same.
/// </remarks>
internal sealed class WorkflowSpans(WorkflowRuntime runtime)
{
    private const string Dispatch = "Elsa.DispatchWorkflow";

    /// <summary>More children of one step than this are not linked.</summary>
    private const int LinkedChildren = 100;

    /// <summary>Those that end with this event.</summary>
    public IReadOnlyList<Span> EndedBy(JournalEvent e) => e.Kind switch
    {
        // The attempt before, if the process ended while it ran.
        JournalEventKind.StepStarted or JournalEventKind.CompensationStarted or JournalEventKind.StepWaits =>
            Unended(e) is { } lost ? [Attempt(e, lost, "the process ended while it ran")] : [],
        JournalEventKind.StepCompleted or JournalEventKind.StepCompensated => [Attempt(e, Began(e), error: null)],
        JournalEventKind.RetryScheduled or JournalEventKind.StepFaulted or JournalEventKind.CompensationFaulted => [Attempt(e, Began(e), e.Detail ?? "")],
        JournalEventKind.StepSkipped or JournalEventKind.CompensationSkipped => Unended(e) is { } skipped ? [Attempt(e, skipped, error: null)] : [],
        JournalEventKind.Suspended => [.. InDoubt(e)],
        JournalEventKind.Finished or JournalEventKind.Compensated or JournalEventKind.Cancelled =>
            runtime.Instance(e.Instance) is { } row ? [Whole(e, row)] : [],
        JournalEventKind.Accepted or JournalEventKind.Responded or JournalEventKind.Altered or JournalEventKind.Expired
            or JournalEventKind.ScopeEntered or JournalEventKind.ScopeLeft => [],
    };

    /// <summary>The random half of an UUID of version 7 (RFC 9562).</summary>
    private static string RootOf(InstanceId workflow) => workflow.Value[16..];

    private static string SpanIdOf(JournalEvent began) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{began.Instance}/{began.Seq}")).AsSpan(0, 8));

    private static bool Begins(JournalEvent e) =>
        e.Kind is JournalEventKind.StepStarted or JournalEventKind.CompensationStarted or JournalEventKind.StepWaits;

    /// <summary>The beginning of the attempt that ends with this event; the event itself if there was none, as for a step whose input does not resolve.</summary>
    private JournalEvent Began(JournalEvent end) => Before(end) is { } before && Begins(before) ? before : end;

    private JournalEvent? Before(JournalEvent e) => runtime.StepEventBefore(e.Seq, e.Instance, e.ActivityId!);

    /// <summary>The beginning of an attempt whose end the journal does not have, and that no incident has told of yet.</summary>
    private JournalEvent? Unended(JournalEvent e) =>
        Before(e) is { } before && Begins(before)
            && !IncidentsOf(e.Instance).Any(incident => IsInDoubt(incident) && incident.ActivityId == e.ActivityId && incident.OpenedAt >= before.At && incident.OpenedAt < e.At)
            ? before
            : null;

    /// <summary>Attempts that were under way when the process, or the time for the workflow, ended, and now wait for a person.</summary>
    private IEnumerable<Span> InDoubt(JournalEvent suspended)
    {
        foreach (var incident in IncidentsOf(suspended.Instance))
        {
            if (incident is not { ActivityId: { } activity } || incident.OpenedAt != suspended.At || !IsInDoubt(incident) || incident.Message != suspended.Detail) continue;
            if (runtime.StepEventBefore(suspended.Seq, suspended.Instance, activity) is { } before && Begins(before))
                yield return Attempt(suspended with { ActivityId = activity, ActivityType = before.ActivityType }, before, incident.Message);
        }
    }

    /// <summary>Of these the journal has no event of the step itself.</summary>
    private static bool IsInDoubt(IncidentRow incident) => incident.Kind is IncidentKind.InDoubt or IncidentKind.CrashLoop or IncidentKind.Deadline;

    private IReadOnlyList<IncidentRow> IncidentsOf(InstanceId workflow) => runtime.Incidents(new IncidentFilter(OpenOnly: false, workflow));

    private Span Attempt(JournalEvent end, JournalEvent began, string? error)
    {
        var undoes = end.Kind is JournalEventKind.StepCompensated or JournalEventKind.CompensationFaulted or JournalEventKind.CompensationSkipped
            || began.Kind == JournalEventKind.CompensationStarted;
        var events = new List<SpanEvent>();
        // OpenTelemetry's semantic conventions, "exceptions in span events".
        if (error is not null) events.Add(new SpanEvent(end.At, "exception", ("exception.message", error)));
        if (error is not null && end.Kind != JournalEventKind.RetryScheduled)
            events.AddRange(IncidentsOf(end.Instance).Where(i => i.ActivityId == end.ActivityId && i.OpenedAt == end.At).Select(Event));
        return new Span(end.Instance.Value, SpanIdOf(began), RootOf(end.Instance), (undoes ? "undo " : "") + end.ActivityId, began.At, end.At)
        {
            Attributes =
            [
                ("flannelflow.activity.type", end.ActivityType ?? ""), ("flannelflow.attempt", (long)Math.Max(began.Attempt, 1)), ("flannelflow.workflow.definition", end.DefinitionId),
            ],
            Events = events,
            Links = end.ActivityType == Dispatch ? Children(end, began) : [],
            Error = error,
        };
    }

    /// <summary>To the workflows that the step waited for, or started.</summary>
    private IReadOnlyList<SpanLink> Children(JournalEvent end, JournalEvent began)
    {
        var executions = runtime.Executions(end.Instance).Where(execution => execution.ActivityId == end.ActivityId).ToList();
        var children = runtime.Instances(new InstanceFilter(DefinitionId: null, Status: null, Limit: LinkedChildren) { Parent = end.Instance })
            .Where(child => executions.Any(execution => execution.Seq == child.ParentSeq) && child.AcceptedAt <= end.At && !(child.FinishedAt < began.At))
            .Select(child => child.Id)
            .Concat(executions.Select(StartedBy).OfType<InstanceId>());
        return [.. children.Select(child => new SpanLink(child.Value, RootOf(child)))];
    }

    /// <summary>The workflow that a step started without waiting for it.</summary>
    private static InstanceId? StartedBy(ExecutionRow execution)
    {
        if (execution.Output is null) return null;
        using var output = JsonDocument.Parse(execution.Output);
        return output.RootElement.TryGetProperty("result", out var result) && result.ValueKind == JsonValueKind.Object
            && result.TryGetProperty("instance", out var started) && started.GetString() is { } id
            ? new InstanceId(id)
            : null;
    }

    private Span Whole(JournalEvent end, InstanceRow row) => new(row.Id.Value, RootOf(row.Id), null, row.DefinitionId, row.AcceptedAt, end.At)
    {
        Attributes =
        [
            ("flannelflow.workflow.id", row.Id.Value), ("flannelflow.workflow.definition", row.DefinitionId), ("flannelflow.workflow.key", row.IdempotencyKey),
            ("flannelflow.workflow.status", JsonNamingPolicy.CamelCase.ConvertName(end.Kind.ToString())),
        ],
        Events =
        [
            .. IncidentsOf(row.Id).Select(Event)
                .Concat(runtime.Audit(row.Id).Select(a => new SpanEvent(a.At, "alteration", ("flannelflow.alteration", a.Alteration), ("flannelflow.who", a.Who), ("flannelflow.why", a.Why))))
                .OrderBy(one => one.At),
        ],
        Links = row is { Parent: { } parent, ParentSeq: { } seq } ? [Starter(end, parent, seq)] : [],
        Error = end.Kind == JournalEventKind.Compensated ? end.Detail ?? "" : null,
    };

    /// <summary>The attempt that waits for this child; the parent itself when it has given that up.</summary>
    private SpanLink Starter(JournalEvent end, InstanceId parent, int seq) =>
        new(parent.Value, runtime.Executions(parent).FirstOrDefault(execution => execution.Seq == seq) is { } step
            && runtime.StepEventBefore(end.Seq, parent, step.ActivityId) is { } before && Begins(before)
            ? SpanIdOf(before)
            : RootOf(parent));

    private static SpanEvent Event(IncidentRow incident) => new(
        incident.OpenedAt, "incident", ("flannelflow.incident.kind", JsonNamingPolicy.CamelCase.ConvertName(incident.Kind.ToString())),
        ("flannelflow.activity", incident.ActivityId ?? ""), ("flannelflow.incident.message", incident.Message));
}
