using System.Text.Json;
using System.Text.Json.Nodes;

namespace FlannelFlow.Workflows;

/// <summary>What follows from an operator's alteration. Part of <see cref="Decider"/>, pure like it; throws, having decided nothing, to refuse.</summary>
/// <remarks>
/// Valid: Retry and Skip where a step (or its undoing) has faulted or waits for its next attempt (in branches there can be several: Retry
/// is of all of them, or of the one that is named), Compensate and Cancel until undoing has begun, Terminate always. An attempt under way that is compensated or terminated away is cancelled and awaited by the runner
/// before anything follows it, and what it still reports is ignored: its execution is in doubt.
/// </remarks>
internal static class Alter
{
    public static void Apply(Turn turn, InstanceEvent.Altered altered)
    {
        InstanceState state = turn.State;
        if (state.IsTerminal) throw Refused(turn, altered.Alteration, $"it is {state.Status}");
        if (!turn.Definition.IsReadable && altered.Alteration is not (Alteration.Terminate or Alteration.Migrate))
            throw Refused(turn, altered.Alteration, "the definition it began with does not load; it can be migrated or terminated");
        ExecutionState[] at = Standing(state, altered.Alteration);
        turn.Record(new AuditDraft(altered.Alteration.Name, ActivitiesOf(altered.Alteration, at), Detail(altered.Alteration), altered.Who, altered.Why));
        turn.Announce(JournalEventKind.Altered, $"{altered.Alteration.Name} by {altered.Who}: {altered.Why}");
        switch (altered.Alteration)
        {
            case Alteration.Retry:
                Retry(turn, at, altered);
                break;
            case Alteration.Skip skip:
                Skip(turn, skip, at);
                break;
            case Alteration.Compensate or Alteration.Cancel:
                GiveUp(turn, altered);
                break;
            case Alteration.Terminate:
                turn.CloseIncidents();
                turn.Set(state with { IsCancelled = true, Error = state.Error ?? Reason(altered) });
                Faults.EndUndone(turn, InstanceStatus.Cancelled);
                break;
            case Alteration.ModifyVariable modify:
                Modify(turn, modify);
                break;
            case Alteration.Migrate:
                Migration.Apply(turn, altered);
                break;
            default:
                throw new InvalidOperationException($"no decision for {altered.Alteration}");
        }
    }

    private static void Retry(Turn turn, ExecutionState[] at, InstanceEvent.Altered altered)
    {
        if (at.Length == 0)
        {
            Mend(turn, altered);
            return;
        }
        foreach (ExecutionState execution in at) Release(turn, execution);
        foreach (ExecutionState execution in at)
        {
            // What the one before has led to may have given this one up.
            if (execution.IsUndoing || turn.State.Status is InstanceStatus.Running or InstanceStatus.Suspended) Retry(turn, execution);
        }
    }

    private static void Retry(Turn turn, ExecutionState execution)
    {
        ExecutionState again = Decider.Anew(execution) with
        {
            Attempt = execution.Attempt + 1,
            Failures = 0,
            DueAt = null,
            EndedAt = null,
            AwaitsOperator = false,
            BootId = turn.Context.BootId,
        };
        if (execution.IsUndoing)
        {
            Decider.Start(turn, again with { Status = ExecutionStatus.Compensating });
            return;
        }
        if (turn.Definition.Step(execution.ActivityId) is not { } step)
        {
            Flow.Enter(turn, turn.Definition.Node(execution.ActivityId)!, execution.Scope);
            return;
        }
        var resolved = Values.Resolve(step, turn.State);
        if (resolved.Problem is null && resolved.Json == execution.Input)
        {
            Decider.Start(turn, again with { Status = ExecutionStatus.Running });
            return;
        }
        if (execution.IsScheduled) turn.Set(turn.Over(execution, ExecutionStatus.Faulted));
        Decider.Begin(turn, step, execution.Scope, resolved);
    }

    /// <summary>Goes on where it broke as a whole: its definition did not load, or a decision could not be made.</summary>
    private static void Mend(Turn turn, InstanceEvent.Altered altered)
    {
        InstanceState state = turn.State;
        if (state.Status != InstanceStatus.Suspended || state.Executions.Any(e => e.AwaitsOperator)) throw Refused(turn, altered.Alteration, Doing(state));
        turn.CloseIncidents();
        bool undoing = state.Executions.Any(e => e.IsUndoing);
        turn.Set(state with
        {
            // Before its first step its lanes may be with others still.
            Status = undoing ? InstanceStatus.Compensating
                : state.Executions.IsEmpty && !altered.HoldsLanes ? InstanceStatus.Waiting
                : InstanceStatus.Running,
            Error = undoing ? state.Error : null,
        });
        if (!state.Executions.IsEmpty) Decider.Resume(turn);
        else if (altered.HoldsLanes) Decider.Begin(turn);
    }

    /// <summary>No operator is awaited for this one any more; back from suspension, if it was the last, the fault is over. During compensation it stays the reason of the whole.</summary>
    private static void Release(Turn turn, ExecutionState execution)
    {
        turn.CloseIncidents(execution.Seq);
        turn.Set(execution with { AwaitsOperator = false });
        if (turn.State.Executions.Any(e => e.AwaitsOperator)) return;
        bool undoing = execution.IsUndoing;
        turn.Set(turn.State with
        {
            Status = undoing ? InstanceStatus.Compensating : InstanceStatus.Running,
            Error = undoing ? turn.State.Error : null,
        });
    }

    private static void Skip(Turn turn, Alteration.Skip skip, ExecutionState[] at)
    {
        if (at.Length == 0) throw Refused(turn, skip, Doing(turn.State));
        if (at.Length > 1) throw new InvalidAlterationException($"skipping: {string.Join(" and ", at.Select(e => e.ActivityId))} stand; name the one that is meant");
        ExecutionState execution = at[0];
        if (execution.IsUndoing)
        {
            if (skip.Outputs is { Count: > 0 }) throw new InvalidAlterationException($"skipping the undoing of {execution.ActivityId}: an undoing has no outputs");
            Release(turn, execution);
            ExecutionState undone = turn.State.Execution(execution.Seq) with { Status = ExecutionStatus.CompensationSkipped, DueAt = null, EndedAt = turn.Context.Now };
            turn.Set(undone);
            turn.Announce(JournalEventKind.CompensationSkipped, undone);
            Faults.CompensateNext(turn);
            return;
        }

        ActivityDefinition node = turn.Definition.Node(execution.ActivityId)!;
        string outputs = Values.CheckOutputs(node, skip.Outputs ?? []);
        Release(turn, execution);
        ExecutionState skipped = turn.Over(turn.State.Execution(execution.Seq), ExecutionStatus.Skipped) with { Output = outputs };
        turn.Set(skipped);
        turn.Announce(JournalEventKind.StepSkipped, skipped, outputs);
        turn.Then(new Effect.GiveUp(skipped.Seq));
        if (node is StepDefinition step) Decider.Bind(turn, step, outputs);
        Flow.Leave(turn, node, execution.Scope);
    }

    private static void GiveUp(Turn turn, InstanceEvent.Altered altered)
    {
        InstanceState state = turn.State;
        bool cancel = altered.Alteration is Alteration.Cancel;
        if (state.Status == InstanceStatus.Compensating || state.Executions.Any(e => e.IsUndoing))
            throw Refused(turn, altered.Alteration, $"it is being undone already ({Doing(state)}); retry or skip that, or terminate");
        if (state.Status == InstanceStatus.Waiting && !cancel)
            throw Refused(turn, altered.Alteration, "it waits for its lanes and has done nothing; cancel it");
        turn.Set(state with { IsCancelled = cancel });
        Faults.Compensate(turn, state.Error ?? Reason(altered), null);
    }

    private static void Modify(Turn turn, Alteration.ModifyVariable modify)
    {
        if (turn.State.Status == InstanceStatus.Compensating || turn.State.Executions.Any(e => e.IsUndoing))
            throw Refused(turn, modify, "it is being undone, which reads no variables");
        if (turn.Definition.Variables.FirstOrDefault(v => v.Name == modify.Variable) is not { } variable)
        {
            throw new InvalidAlterationException(
                $"{turn.Definition.Id} has no variable '{modify.Variable}'{Names.Known(turn.Definition.Variables.Select(v => v.Name))}");
        }
        var variables = turn.State.Variables;
        if (modify.Value is not { } value || value.ValueKind == JsonValueKind.Null)
            variables = variables.Remove(variable.Name);
        else if (TypeNames.Misfit(variable.TypeName, value) is { } misfit)
            throw new InvalidAlterationException($"variable '{variable.Name}': {misfit}");
        else
            variables = variables.SetItem(variable.Name, value.Clone());
        turn.Set(turn.State with { Variables = variables });
    }

    /// <summary>The executions that the alteration is about: those that stopped, or else those that wait for their next attempt.</summary>
    private static ExecutionState[] Standing(InstanceState state, Alteration alteration)
    {
        string? named = alteration switch { Alteration.Retry retry => retry.Activity, Alteration.Skip skip => skip.Activity, _ => null };
        var candidates = state.Executions.Where(e => named is null || e.ActivityId == named).ToList();
        ExecutionState[] stopped = [.. candidates.Where(e => e.AwaitsOperator)];
        if (stopped.Length == 0) stopped = [.. candidates.Where(e => e.IsScheduled)];
        // Nothing faulted, but a person may know that it need not wait.
        if (stopped.Length == 0 && alteration is Alteration.Skip) stopped = [.. candidates.Where(e => e.Status == ExecutionStatus.Waiting)];
        return stopped;
    }

    private static string? ActivitiesOf(Alteration alteration, ExecutionState[] at) =>
        alteration is Alteration.Terminate or Alteration.ModifyVariable or Alteration.Migrate || at.Length == 0 ? null : string.Join(", ", at.Select(e => e.ActivityId));

    private static string Detail(Alteration alteration) => alteration switch
    {
        Alteration.Skip { Outputs: { } outputs } => new JsonObject { ["outputs"] = outputs.DeepClone() }.ToJsonString(WorkflowJson.Options),
        Alteration.ModifyVariable modify => Values.Write([("variable", JsonSerializer.SerializeToElement(modify.Variable, WorkflowJson.Options)), ("value", modify.Value)]),
        _ => "{}",
    };

    private static string Reason(InstanceEvent.Altered altered) => altered.Alteration switch
    {
        Alteration.Cancel => $"cancelled by {altered.Who}: {altered.Why}",
        Alteration.Terminate => $"terminated by {altered.Who}: {altered.Why}",
        _ => $"given up by {altered.Who}: {altered.Why}",
    };

    public static string Doing(InstanceState state)
    {
        var at = state.Executions.Where(e => e.AwaitsOperator || (e.IsLive && e.Status != ExecutionStatus.Entered))
            .Select(e => $"{(e.IsUndoing ? "the undoing of " : "")}{e.ActivityId} ({e.Status})").ToList();
        return at.Count == 0 ? $"it is {state.Status}" : $"it is {state.Status}, at {string.Join(" and ", at)}";
    }

    public static AlterationRefusedException Refused(Turn turn, Alteration alteration, string why) =>
        new($"{alteration.Name} of {turn.Definition.Id} {turn.State.Id}: {why}");
}
