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
            execution = execution with { Status = ExecutionStatus.CompensationFaulted, EndedAt = turn.Context.Now };
            turn.Set(execution);
            turn.Announce(JournalEventKind.CompensationFaulted, execution, failed.Message);
            Suspend(turn, execution, $"undoing {execution.ActivityId}: {failed.Message}");
        }
        else
        {
            FaultStep(turn, execution, failed.Kind, failed.Message);
        }
    }

    /// <summary>A step is given up. It stays in doubt: compensation covers it too.</summary>
    public static void FaultStep(Turn turn, ExecutionState execution, FaultKind kind, string message)
    {
        execution = execution with { Status = ExecutionStatus.Faulted, Error = message, EndedAt = turn.Context.Now };
        turn.Set(execution);
        turn.Announce(JournalEventKind.StepFaulted, execution, message);
        StepDefinition step = Step(turn, execution);
        FaultPolicy policy = kind switch
        {
            FaultKind.Refusal => FaultPolicy.Compensate,
            FaultKind.BrokenInvariant => FaultPolicy.Suspend,
            FaultKind.Retryable => step.OnFault,
        };
        switch (policy)
        {
            case FaultPolicy.Compensate:
                turn.Set(turn.State with { Status = InstanceStatus.Compensating, Error = message });
                CompensateNext(turn);
                break;
            case FaultPolicy.Suspend:
                Suspend(turn, execution, $"{execution.ActivityId}: {message}");
                break;
            case FaultPolicy.Continue:
                Decider.Advance(turn, step.Id);
                break;
        }
    }

    public static void Suspend(Turn turn, ExecutionState? execution, string incident)
    {
        // A fault during compensation must not hide the fault that began it from the caller.
        turn.Set(turn.State with { Status = InstanceStatus.Suspended, Error = turn.State.Error ?? execution?.Error ?? incident });
        turn.Open(new IncidentDraft(execution?.Seq, execution?.ActivityId, incident));
        turn.Announce(JournalEventKind.Suspended, incident);
    }

    public static void Compensated(Turn turn, ExecutionState execution)
    {
        execution = execution with { Status = ExecutionStatus.Compensated };
        turn.Set(execution);
        turn.Announce(JournalEventKind.StepCompensated, execution);
        CompensateNext(turn);
    }

    /// <summary>In reverse over what completed or is in doubt; each once.</summary>
    public static void CompensateNext(Turn turn)
    {
        ExecutionState? next = turn.State.Executions.FindLast(
            e => e.Status is ExecutionStatus.Completed or ExecutionStatus.Faulted or ExecutionStatus.Skipped && Step(turn, e).Compensate);
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

    /// <summary>Ends an instance that does not finish, as Compensated or Cancelled.</summary>
    public static void EndUndone(Turn turn, InstanceStatus status)
    {
        turn.Set(turn.State with { Status = status });
        turn.Announce(status == InstanceStatus.Cancelled ? JournalEventKind.Cancelled : JournalEventKind.Compensated, turn.State.Error);
        turn.Then(new Effect.Leave());
    }
}
