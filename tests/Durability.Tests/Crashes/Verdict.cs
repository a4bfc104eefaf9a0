using System.Globalization;
using System.Text;
using FlannelFlow.Durability.Tests.Kit;
using FlannelFlow.Workflows;

namespace FlannelFlow.Durability.Tests.Crashes;

/// <summary>The end of a scenario as text, after the invariants that hold at every end were checked.</summary>
/// <remarks>
/// 1 all is terminal or has an open incident; 2 events have no gap; 3 one completion per execution; 4 effects per execution at most
/// 1 + ends of the process while it ran (none of them where it probes) + its faults, and at least 1 where it completed; 5 compensation in reverse, each once, and what is
/// left uncompensated in an undone instance has nothing to undo; 6 each alteration with its audit row.
/// </remarks>
internal sealed class Verdict(WorkflowRuntime runtime, World world)
{
    public async Task<string> OutcomeAsync(CancellationToken ct)
    {
        var events = await EventsAsync(ct);
        try
        {
            return Outcome(events);
        }
        catch (BrokenInvariantException e)
        {
            var told = events.Select(h => $"  {h.Seq} {h.Instance.Value[^4..]} {h.Kind} {h.ActivityId}#{h.Attempt} {h.Detail}");
            throw new BrokenInvariantException($"{e.Message}\n{string.Join('\n', told)}\n  calls: {string.Join(' ', world.Kernel.Calls)}");
        }
    }

    private string Outcome(List<JournalEvent> events)
    {
        var text = new StringBuilder();
        var instances = runtime.Instances(new InstanceFilter(null, null, Limit: 1000)).OrderBy(i => i.DefinitionId).ThenBy(i => i.IdempotencyKey);
        foreach (InstanceRow instance in instances)
        {
            var executions = runtime.Executions(instance.Id);
            var own = events.Where(e => e.Instance == instance.Id).ToList();
            var incidents = runtime.Incidents(new IncidentFilter(OpenOnly: true, instance.Id));
            Check(instance.FinishedAt is not null || (instance.Status == InstanceStatus.Suspended && incidents.Count > 0), $"{instance.DefinitionId} is {instance.Status}, with {incidents.Count} open incidents");
            CheckCompletions(own, executions);
            CheckEffects(instance, executions);
            CheckCompensation(instance, own, executions);
            var audit = runtime.Audit(instance.Id);
            Check(audit.Count == own.Count(e => e.Kind == JournalEventKind.Altered), $"{audit.Count} audit rows for the alterations of {instance.DefinitionId}");

            text.Append(CultureInfo.InvariantCulture, $"{instance.DefinitionId} {instance.Status} answer {instance.Answer} output {instance.Output} error {instance.Error}\n");
            foreach (ExecutionRow e in executions.OrderBy(e => e.ActivityId, StringComparer.Ordinal).ThenBy(e => e.Input, StringComparer.Ordinal))
                text.Append(CultureInfo.InvariantCulture, $"  {e.ActivityId} {e.Status} {e.Input} {e.Output}\n");
            foreach (IncidentRow incident in incidents) text.Append(CultureInfo.InvariantCulture, $"  incident {incident.Message}\n");
            foreach (AuditRow row in audit) text.Append(CultureInfo.InvariantCulture, $"  {row.Alteration} of {row.ActivityId} by {row.Who}\n");
        }
        text.Append(CultureInfo.InvariantCulture, $"kernel: {world.Kernel.Text}\n");
        // Ids are made anew in each life.
        foreach (InstanceRow instance in instances) text.Replace(instance.Id.Value, $"<{instance.DefinitionId}>");
        return text.ToString();
    }

    private async Task<List<JournalEvent>> EventsAsync(CancellationToken ct)
    {
        var events = new List<JournalEvent>();
        await foreach (JournalEvent e in runtime.FollowAsync(0, ct))
        {
            events.Add(e);
            if (e.Seq >= runtime.CommittedSeq) break;
        }
        for (int i = 0; i < events.Count; i++) Check(events[i].Seq == i + 1, $"event {events[i].Seq} follows {i}");
        return events;
    }

    private static void CheckCompletions(List<JournalEvent> events, IReadOnlyList<ExecutionRow> executions)
    {
        foreach (var group in executions.GroupBy(e => e.ActivityId))
        {
            int completions = events.Count(e => e.ActivityId == group.Key && e.Kind is (JournalEventKind.StepCompleted or JournalEventKind.Responded));
            Check(completions <= group.Count(), $"{group.Key} completed {completions} times in {group.Count()} executions");
        }
    }

    private void CheckEffects(InstanceRow instance, IReadOnlyList<ExecutionRow> executions)
    {
        var effects = world.Kernel.EffectsByKey;
        var faults = world.Kernel.FaultsByKey;
        WorkflowDefinition? definition = Loaded(instance);
        foreach (ExecutionRow e in executions)
        {
            string forward = string.Create(CultureInfo.InvariantCulture, $"{instance.Id}/{e.Seq}-{e.ActivityId}");
            foreach (string key in (string[])[forward, forward + "/undo"])
            {
                // One that probes finds out what it did before its end.
                bool asks = key == forward && definition?.Step(e.ActivityId)?.Recovery == RecoveryMode.Probe;
                int times = effects.GetValueOrDefault(key);
                int allowed = 1 + (asks ? 0 : world.InDoubt.GetValueOrDefault(key)) + faults.GetValueOrDefault(key);
                Check(times <= allowed, $"{key} had its effect {times} times, {allowed} are allowed");
            }
            bool plays = !world.HasPast && effects.Keys.Any(k => k.EndsWith("-" + e.ActivityId, StringComparison.Ordinal));
            Check(!plays || e.Status != ExecutionStatus.Completed || effects.ContainsKey(forward), $"{forward} completed without an effect");
            Check(!plays || e.Status != ExecutionStatus.Compensated || effects.ContainsKey(forward + "/undo"), $"{forward} is compensated, nothing was undone");
        }
    }

    private void CheckCompensation(InstanceRow instance, List<JournalEvent> events, IReadOnlyList<ExecutionRow> executions)
    {
        var undone = events.Where(e => e.Kind == JournalEventKind.StepCompensated).Select(e => e.ActivityId!);
        var rows = executions.Where(e => e.Status == ExecutionStatus.Compensated).OrderByDescending(e => (e.Ended, e.Seq)).Select(e => e.ActivityId);
        Check(rows.SequenceEqual(undone), $"compensated {string.Join(' ', undone)}; in reverse it is {string.Join(' ', rows)}");
        if (instance.Status != InstanceStatus.Compensated || Loaded(instance) is not { } definition) return;
        foreach (ExecutionRow e in executions)
        {
            bool left = definition.Step(e.ActivityId) is { Compensate: true } && e.Status is not (ExecutionStatus.Compensated or ExecutionStatus.CompensationSkipped);
            Check(!left, $"{instance.DefinitionId} is undone, its {e.ActivityId} is {e.Status}");
        }
    }

    /// <summary>Null for an instance of a recorded journal whose definition has changed since: it goes by the one in its journal.</summary>
    private WorkflowDefinition? Loaded(InstanceRow instance) => runtime.Definitions.SingleOrDefault(d => d.Hash == instance.DefinitionHash);

    private static void Check(bool holds, string otherwise)
    {
        if (!holds) throw new BrokenInvariantException(otherwise);
    }
}
