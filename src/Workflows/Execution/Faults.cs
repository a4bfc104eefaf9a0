using System.Globalization;

namespace FlannelFlow.Workflows;

/// <summary>What follows from a failed attempt: retry, compensation, suspension or going on. Part of <see cref="Decider"/>, pure like it.</summary>
internal static class Faults
{
    public static StepDefinition Step(Turn turn, ExecutionState execution) =>
        turn.Definition.Step(execution.ActivityId)
        ?? throw new InvalidOperationException($"instance {turn.State.Id}: definition {turn.Definition.Id} has no step {execution.ActivityId}");

    public static void Fail(Turn turn, ExecutionState execution, InstanceEvent.Failed failed)
    {
        execution = execution with { Failures = execution.Failures + 1, Error = failed.Message };
        RetryPolicy retry = Step(turn, execution).Retry;
        bool undoing = execution.Status == ExecutionStatus.Compensating;
        // To refuse to undo is no answer: an undoing is retried like any other fault.
        bool retryable = failed.Kind == FaultKind.Retryable || (undoing && failed.Kind == FaultKind.Refusal);
        if (retryable && !retry.IsExhausted(execution.Failures))
        {
            DateTimeOffset dueAt = turn.Context.Now + retry.DelayAfter(execution.Failures, failed.Chance);
            execution = execution with
            {
                Status = undoing ? ExecutionStatus.CompensationScheduled : ExecutionStatus.RetryScheduled,
                DueAt = dueAt,
            };
            turn.Set(execution);
            turn.Announce(
                JournalEventKind.RetryScheduled, execution, string.Create(CultureInfo.InvariantCulture, $"due {dueAt:O}: {failed.Message}"));
            turn.Then(new Effect.Wake(execution.Seq, dueAt));
        }
        else if (undoing)
        {
            execution = execution with { Status = ExecutionStatus.CompensationFaulted, EndedAt = turn.Context.Now, AwaitsOperator = true };
            turn.Set(execution);
            turn.Announce(JournalEventKind.CompensationFaulted, execution, failed.Message);
            Suspend(turn, execution, IncidentKind.Undoing, $"undoing {execution.ActivityId}: {failed.Message}");
        }
        else
        {
            FaultStep(turn, execution, failed.Kind, failed.Message);
        }
    }

    /// <summary>A step, or a container that cannot begin, is given up. A step stays in doubt: compensation covers it too.</summary>
    public static void FaultStep(Turn turn, ExecutionState execution, FaultKind kind, string message)
    {
        execution = turn.Over(execution, ExecutionStatus.Faulted) with { Error = message };
        turn.Set(execution);
        turn.Announce(JournalEventKind.StepFaulted, execution, message);
        FaultPolicy policy = kind switch
        {
            FaultKind.Refusal => FaultPolicy.Compensate,
            FaultKind.BrokenInvariant => FaultPolicy.Suspend,
            FaultKind.Retryable => Step(turn, execution).OnFault,
        };
        switch (policy)
        {
            case FaultPolicy.Compensate:
                Compensate(turn, message, kind);
                break;
            case FaultPolicy.Suspend:
                execution = execution with { AwaitsOperator = true };
                turn.Set(execution);
                Suspend(turn, execution, IncidentKind.Fault, $"{execution.ActivityId}: {message}");
                break;
            case FaultPolicy.Continue:
                Flow.Leave(turn, Step(turn, execution), execution.Scope);
                break;
        }
    }

    /// <summary>An execution that was under way when the process ended does not go on by itself; it is in doubt.</summary>
    public static void AwaitOperator(Turn turn, ExecutionState execution, IncidentKind kind, string incident)
    {
        execution = execution.IsUndoing
            ? execution with { Status = ExecutionStatus.CompensationFaulted, EndedAt = turn.Context.Now, AwaitsOperator = true }
            : turn.Over(execution, ExecutionStatus.Faulted) with { Error = incident, AwaitsOperator = true };
        turn.Set(execution);
        Suspend(turn, execution, kind, incident);
    }

    /// <summary>Other branches go on meanwhile, as far as they can.</summary>
    public static void Suspend(Turn turn, ExecutionState? execution, IncidentKind kind, string incident)
    {
        // A fault during compensation must not hide the fault that began it from the caller.
        turn.Set(turn.State with { Status = InstanceStatus.Suspended, Error = turn.State.Error ?? execution?.Error ?? incident });
        turn.Open(new IncidentDraft(execution?.Seq, execution?.ActivityId, kind, execution?.Failures ?? 0, incident));
        turn.Announce(JournalEventKind.Suspended, incident);
    }

    /// <summary>Turns to undoing; other branches are given up first.</summary>
    /// <param name="kind">Null if no fault led to it.</param>
    public static void Compensate(Turn turn, string error, FaultKind? kind)
    {
        Flow.GiveUpIn(turn, null, error);
        turn.CloseIncidents();
        turn.Set(turn.State with { Status = InstanceStatus.Compensating, Error = error, FaultKind = kind });
        CompensateNext(turn);
    }

    public static void Compensated(Turn turn, ExecutionState execution)
    {
        execution = execution with { Status = ExecutionStatus.Compensated, EndedAt = turn.Context.Now, DueAt = null };
        turn.Set(execution);
        turn.Announce(JournalEventKind.StepCompensated, execution);
        CompensateNext(turn);
    }

    /// <summary>In reverse of the order in which they ended, over what completed or is in doubt; each once.</summary>
    public static void CompensateNext(Turn turn)
    {
        ExecutionState? next = turn.State.Executions
            .Where(e => e.Status is ExecutionStatus.Completed or ExecutionStatus.Faulted or ExecutionStatus.Skipped
                && turn.Definition.Step(e.ActivityId) is { } step && (step.Compensate || MayHaveChild(step, e)))
            .MaxBy(e => (e.Ended, e.Seq));
        if (next is not null)
        {
            Decider.Start(
                turn,
                next with
                {
                    Status = ExecutionStatus.Compensating,
                    Attempt = 1,
                    Failures = 0,
                    // What an operator gave in place of an output is not the activity's: in doubt.
                    Output = next.Status == ExecutionStatus.Skipped ? null : next.Output,
                    BootId = turn.Context.BootId,
                    EndedAt = null,
                });
            return;
        }
        EndUndone(turn, turn.State.IsCancelled ? InstanceStatus.Cancelled : InstanceStatus.Compensated);
    }

    /// <summary>A child in doubt may still be running: it is cancelled, whether or not the step is compensated.</summary>
    private static bool MayHaveChild(StepDefinition step, ExecutionState execution) =>
        step.Child is { Waits: true } && execution.Status == ExecutionStatus.Faulted;

    /// <summary>Stops all that is live, each until an operator says how it goes on.</summary>
    public static void Halt(Turn turn, IncidentKind kind, string message)
    {
        foreach (ExecutionState execution in turn.State.Executions.Where(e => e.IsLive && e.Status != ExecutionStatus.Entered))
        {
            turn.Then(new Effect.GiveUp(execution.Seq));
            AwaitOperator(turn, execution, kind, message);
        }
    }

    /// <summary>Ends an instance that does not finish, as Compensated or Cancelled.</summary>
    public static void EndUndone(Turn turn, InstanceStatus status)
    {
        turn.Set(turn.State with { Status = status });
        turn.Announce(status == InstanceStatus.Cancelled ? JournalEventKind.Cancelled : JournalEventKind.Compensated, turn.State.Error);
        turn.Then(new Effect.Leave());
    }
}
