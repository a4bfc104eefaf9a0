using System.Text.Json;
using System.Text.Json.Nodes;

namespace FlannelFlow.Workflows;

/// <summary>What follows from an operator's alteration. Part of <see cref="Decider"/>, pure like it; throws, having decided nothing, to refuse.</summary>
/// <remarks>
/// Valid: Retry and Skip where a step (or its undoing) has faulted or waits for its next attempt, Compensate and Cancel until undoing
/// has begun, Terminate always. An attempt under way that is compensated or terminated away is cancelled and awaited by the runner
/// before anything follows it, and what it still reports is ignored: its execution is in doubt.
/// </remarks>
internal static class Alter
{
    public static void Apply(Turn turn, InstanceEvent.Altered altered)
    {
        InstanceState state = turn.State;
        if (state.IsTerminal) throw Refused(turn, altered.Alteration, $"it is {state.Status}");
        if (!turn.Definition.IsReadable && altered.Alteration is not Alteration.Terminate)
            throw Refused(turn, altered.Alteration, "the definition it began with does not load; it can be terminated");
        ExecutionState? blocked = Blocked(state);
        turn.Record(new AuditDraft(altered.Alteration.Name, ActivityOf(altered.Alteration, blocked), Detail(altered.Alteration), altered.Who, altered.Why));
        turn.Announce(JournalEventKind.Altered, $"{altered.Alteration.Name} by {altered.Who}: {altered.Why}");
        if (altered.Alteration is not Alteration.ModifyVariable) turn.CloseIncidents();
        switch (altered.Alteration)
        {
            case Alteration.Retry:
                Retry(turn, blocked, altered);
                break;
            case Alteration.Skip skip:
                Skip(turn, skip, blocked);
                break;
            case Alteration.Compensate or Alteration.Cancel:
                GiveUp(turn, altered, blocked);
                break;
            case Alteration.Terminate:
                turn.Set(state with { IsCancelled = true, Error = state.Error ?? Reason(altered) });
                Faults.EndUndone(turn, InstanceStatus.Cancelled);
                break;
            case Alteration.ModifyVariable modify:
                Modify(turn, modify);
                break;
            default:
                throw new InvalidOperationException($"no decision for {altered.Alteration}");
        }
    }

    private static void Retry(Turn turn, ExecutionState? blocked, InstanceEvent.Altered altered)
    {
        bool suspended = turn.State.Status == InstanceStatus.Suspended;
        if (!suspended && blocked?.IsScheduled != true) throw Refused(turn, altered.Alteration, Doing(turn.State, blocked));
        bool undoing = blocked?.IsUndoing == true;
        // Back from suspension the fault is over; during compensation it stays the reason of the whole.
        turn.Set(turn.State with
        {
            Status = undoing ? InstanceStatus.Compensating : InstanceStatus.Running,
            Error = undoing ? turn.State.Error : null,
        });
        if (blocked is null)
        {
            // Broken before its first step; its lanes may be with others still.
            if (altered.HoldsLanes) Decider.Advance(turn, turn.State.Executions.IsEmpty ? null : turn.State.Executions[^1].ActivityId);
            else turn.Set(turn.State with { Status = InstanceStatus.Waiting });
            return;
        }
        if (undoing)
        {
            Decider.Start(turn, Again(turn, blocked, ExecutionStatus.Compensating));
            return;
        }
        StepDefinition step = Faults.Step(turn, blocked);
        if (Values.Resolve(step, turn.State) is { } resolved && (resolved.Problem is not null || resolved.Json != blocked.Input))
        {
            turn.Set(blocked with { Status = ExecutionStatus.Faulted, DueAt = null, EndedAt = blocked.EndedAt ?? turn.Context.Now });
            Decider.Begin(turn, step, resolved);
            return;
        }
        Decider.Start(turn, Again(turn, blocked, ExecutionStatus.Running));
    }

    private static ExecutionState Again(Turn turn, ExecutionState execution, ExecutionStatus status) => execution with
    {
        Status = status,
        Attempt = execution.Attempt + 1,
        Failures = 0,
        DueAt = null,
        EndedAt = null,
        BootId = turn.Context.BootId,
    };

    private static void Skip(Turn turn, Alteration.Skip skip, ExecutionState? blocked)
    {
        if (blocked is null || (turn.State.Status != InstanceStatus.Suspended && !blocked.IsScheduled)) throw Refused(turn, skip, Doing(turn.State, blocked));
        if (blocked.IsUndoing)
        {
            if (skip.Outputs is { Count: > 0 }) throw new InvalidAlterationException($"skipping the undoing of {blocked.ActivityId}: an undoing has no outputs");
            turn.Set(turn.State with { Status = InstanceStatus.Compensating });
            ExecutionState undone = blocked with { Status = ExecutionStatus.CompensationSkipped, DueAt = null, EndedAt = turn.Context.Now };
            turn.Set(undone);
            turn.Announce(JournalEventKind.CompensationSkipped, undone);
            Faults.CompensateNext(turn);
            return;
        }

        StepDefinition step = Faults.Step(turn, blocked);
        string outputs = Values.CheckOutputs(step, skip.Outputs ?? []);
        ExecutionState skipped = blocked with { Status = ExecutionStatus.Skipped, Output = outputs, DueAt = null, EndedAt = turn.Context.Now };
        turn.Set(turn.State with { Status = InstanceStatus.Running, Error = null });
        turn.Set(skipped);
        turn.Announce(JournalEventKind.StepSkipped, skipped, outputs);
        Decider.Bind(turn, step, outputs);
        Decider.Advance(turn, step.Id);
    }

    private static void GiveUp(Turn turn, InstanceEvent.Altered altered, ExecutionState? blocked)
    {
        InstanceState state = turn.State;
        bool cancel = altered.Alteration is Alteration.Cancel;
        if (state.Status == InstanceStatus.Compensating || blocked?.IsUndoing == true)
            throw Refused(turn, altered.Alteration, $"it is being undone already ({Doing(state, blocked)}); retry or skip that, or terminate");
        if (state.Status == InstanceStatus.Waiting && !cancel)
            throw Refused(turn, altered.Alteration, "it waits for its lanes and has done nothing; cancel it");
        if (blocked is not null)
            turn.Set(blocked with { Status = ExecutionStatus.Faulted, DueAt = null, Error = blocked.Error ?? Reason(altered), EndedAt = turn.Context.Now });
        turn.Set(turn.State with { Status = InstanceStatus.Compensating, IsCancelled = cancel, Error = state.Error ?? Reason(altered) });
        Faults.CompensateNext(turn);
    }

    private static void Modify(Turn turn, Alteration.ModifyVariable modify)
    {
        if (turn.State.Status == InstanceStatus.Compensating || Blocked(turn.State)?.IsUndoing == true)
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

    /// <summary>The execution that the instance stands at: under way, scheduled, or faulted so that it suspends.</summary>
    private static ExecutionState? Blocked(InstanceState state) =>
        state.Executions.Find(e => e.IsUnderWay || e.IsScheduled || e.Status == ExecutionStatus.CompensationFaulted)
        ?? (state.Executions is [.., { Status: ExecutionStatus.Faulted } last] ? last : null);

    private static string? ActivityOf(Alteration alteration, ExecutionState? blocked) =>
        alteration is Alteration.Terminate or Alteration.ModifyVariable ? null : blocked?.ActivityId;

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

    private static string Doing(InstanceState state, ExecutionState? at) => at switch
    {
        null => $"it is {state.Status}",
        { IsUndoing: true } => $"it is {state.Status}, at the undoing of {at.ActivityId} ({at.Status})",
        _ => $"it is {state.Status}, at {at.ActivityId} ({at.Status})",
    };

    private static AlterationRefusedException Refused(Turn turn, Alteration alteration, string why) =>
        new($"{alteration.Name} of {turn.Definition.Id} {turn.State.Id}: {why}");
}
