using System.Globalization;
using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>The interpreter: (state, event) → (state, commit, effects). Pure: no clock, no chance, no I/O.</summary>
/// <remarks>
/// Commits of an instance of N steps: accept (with step 1 Running, if its lanes are free), N-1 boundaries (step k Completed and step
/// k+1 Running), one terminal: N+1. Respond has no effect of its own and rides in the commit of the step before it.
/// </remarks>
internal static class Decider
{
    /// <summary>More recoveries than <see cref="CrashLoopLimit"/> within this time: perhaps it is this instance that kills the process.</summary>
    public static readonly TimeSpan CrashLoopWindow = TimeSpan.FromHours(1);

    public const int CrashLoopLimit = 5;

    public static Decision Accept(WorkflowDefinition definition, InstanceState state, bool granted, DecisionContext context)
    {
        var turn = new Turn(definition, state, context);
        turn.Announce(JournalEventKind.Accepted);
        if (granted) Begin(turn);
        return turn.End();
    }

    public static Decision Decide(WorkflowDefinition definition, InstanceState state, InstanceEvent happened, DecisionContext context)
    {
        var turn = new Turn(definition, state, context);
        switch (happened)
        {
            case InstanceEvent.Granted:
                // One that broke while it waited stays with its incident.
                if (state.Status == InstanceStatus.Waiting) Begin(turn);
                break;
            case InstanceEvent.Recovered:
                Recover(turn);
                break;
            case InstanceEvent.Succeeded done:
                if (IsPresent(state, done.Of)) Succeed(turn, state.Execution(done.Of.Seq), done.Output);
                break;
            case InstanceEvent.Failed failed:
                if (IsPresent(state, failed.Of)) Faults.Fail(turn, state.Execution(failed.Of.Seq), failed);
                break;
            case InstanceEvent.Due due:
                Retry(turn, state.Execution(due.Seq));
                break;
            case InstanceEvent.Broken broken:
                Faults.Suspend(turn, null, broken.Message);
                break;
            case InstanceEvent.Altered altered:
                Alter.Apply(turn, altered);
                break;
            default:
                throw new InvalidOperationException($"instance {state.Id}: no decision for {happened}");
        }
        return turn.End();
    }

    /// <summary>Whether this attempt is the one the instance waits for: an operator may have given it up.</summary>
    private static bool IsPresent(InstanceState state, AttemptId attempt) =>
        state.Status is InstanceStatus.Running or InstanceStatus.Compensating && state.Execution(attempt.Seq) is { IsUnderWay: true } execution
        && AttemptId.Of(execution) == attempt;

    private static void Begin(Turn turn)
    {
        turn.Set(turn.State with { Status = InstanceStatus.Running });
        Advance(turn, null);
    }

    private static void Succeed(Turn turn, ExecutionState execution, string? output)
    {
        execution = execution with { EndedAt = turn.Context.Now, DueAt = null };
        if (execution.Status == ExecutionStatus.Compensating)
        {
            Faults.Compensated(turn, execution);
            return;
        }

        execution = execution with { Status = ExecutionStatus.Completed, Output = output, Error = null };
        turn.Set(execution);
        turn.Announce(JournalEventKind.StepCompleted, execution);
        StepDefinition step = Faults.Step(turn, execution);
        Bind(turn, step, output!);
        Advance(turn, step.Id);
    }

    /// <summary>The step's outputs into the variables they are bound to.</summary>
    public static void Bind(Turn turn, StepDefinition step, string output)
    {
        if (step.Outputs.Count == 0) return;
        using JsonDocument values = JsonDocument.Parse(output);
        var variables = turn.State.Variables;
        foreach (OutputBinding binding in step.Outputs)
            variables = variables.SetItem(binding.Variable, values.RootElement.GetProperty(binding.Property).Clone());
        turn.Set(turn.State with { Variables = variables });
    }

    /// <summary>Begins the step after one that is over, or ends the instance.</summary>
    public static void Advance(Turn turn, string? after)
    {
        while (turn.Definition.StepAfter(after) is { } step)
        {
            var resolved = Values.Resolve(step, turn.State);
            if (!step.IsRespond || resolved.Problem is not null)
            {
                Begin(turn, step, resolved);
                return;
            }

            ExecutionState execution =
                NewExecution(turn, step, resolved.Json) with { Status = ExecutionStatus.Completed, Output = "{}", EndedAt = turn.Context.Now };
            turn.Set(execution);
            turn.Set(turn.State with { AnswerJson = turn.State.AnswerJson ?? resolved.Json });
            turn.Announce(JournalEventKind.Responded, execution);
            after = step.Id;
        }

        turn.Set(turn.State with { Status = InstanceStatus.Finished, OutputJson = Values.Outputs(turn.Definition, turn.State) });
        turn.Announce(JournalEventKind.Finished);
        turn.Then(new Effect.Leave());
    }

    /// <summary>A new execution of a step that has an effect; faulted at once if its input does not resolve.</summary>
    public static void Begin(Turn turn, StepDefinition step, (string Json, string? Problem) resolved)
    {
        ExecutionState execution = NewExecution(turn, step, resolved.Json);
        if (resolved.Problem is { } problem) Faults.FaultStep(turn, execution, FaultKind.BrokenInvariant, problem);
        else Start(turn, execution);
    }

    private static ExecutionState NewExecution(Turn turn, StepDefinition step, string input) => new()
    {
        Seq = turn.State.Executions.Count + 1,
        ActivityId = step.Id,
        ActivityType = step.Type,
        Input = input,
        StartedAt = turn.Context.Now,
        BootId = turn.Context.BootId,
    };

    /// <summary>An attempt whose end the journal does not know runs again; one that is scheduled still is.</summary>
    private static void Recover(Turn turn)
    {
        foreach (ExecutionState execution in turn.State.Executions)
        {
            if (execution.IsUnderWay && MustAsk(turn, execution))
            {
                Faults.Suspend(
                    turn, execution,
                    $"{execution.ActivityId}: in doubt: the process ended while it ran, and it must not run twice by itself; retry, skip or compensate");
            }
            else if (execution.IsUnderWay && !IsCrashLoop(turn, execution))
            {
                Start(turn, Again(turn, execution));
            }
            else if (execution.IsScheduled) turn.Then(new Effect.Wake(execution.Seq, execution.DueAt!.Value, IsRecovered: true));
        }
    }

    /// <summary>An undoing may run twice, whatever its step: it must hold when it was done before.</summary>
    private static bool MustAsk(Turn turn, ExecutionState execution) =>
        execution.Status == ExecutionStatus.Running && Faults.Step(turn, execution).Recovery == RecoveryMode.AtMostOnce;

    /// <summary>Counts the recovery; true if it is one too many: suspended then, in doubt as it is, and the count begins anew.</summary>
    private static bool IsCrashLoop(Turn turn, ExecutionState execution)
    {
        DateTimeOffset now = turn.Context.Now;
        var recent = turn.State.Recoveries.RemoveAll(at => at <= now - CrashLoopWindow);
        if (recent.Length < CrashLoopLimit)
        {
            turn.Set(turn.State with { Recoveries = recent.Add(now) });
            return false;
        }
        turn.Set(turn.State with { Recoveries = [] });
        Faults.Suspend(
            turn, execution,
            string.Create(CultureInfo.InvariantCulture, $"CrashLoop: {execution.ActivityId} was under way at {recent.Length + 1} ends of the process within {CrashLoopWindow.TotalHours:0} h; not resumed by itself"));
        return true;
    }

    private static void Retry(Turn turn, ExecutionState execution)
    {
        if (!execution.IsScheduled) return;
        ExecutionStatus status =
            execution.Status == ExecutionStatus.RetryScheduled ? ExecutionStatus.Running : ExecutionStatus.Compensating;
        Start(turn, Again(turn, execution) with { Status = status, DueAt = null });
    }

    private static ExecutionState Again(Turn turn, ExecutionState execution) =>
        execution with { Attempt = execution.Attempt + 1, BootId = turn.Context.BootId };

    public static void Start(Turn turn, ExecutionState execution)
    {
        turn.Set(execution);
        turn.Announce(
            execution.Status == ExecutionStatus.Compensating ? JournalEventKind.CompensationStarted : JournalEventKind.StepStarted, execution);
        turn.Then(new Effect.Attempt(execution));
    }
}
