using System.Globalization;
using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>The interpreter: (state, event) → (state, commit, effects). Pure: no clock, no chance, no I/O.</summary>
/// <remarks>
/// Commits of an instance of N steps in sequence: accept (with step 1 Running, if its lanes are free), N-1 boundaries (step k Completed
/// and step k+1 Running), one terminal: N+1. Containers, decisions and Respond have no effect of their own and ride in the commit of the
/// step before them.
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
        return End(turn);
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
                Due(turn, due.Seq);
                break;
            case InstanceEvent.Signalled signalled:
                Signal(turn, state.Execution(signalled.Match.Seq), signalled.Match);
                break;
            case InstanceEvent.Broken broken:
                Faults.Suspend(turn, null, IncidentKind.Broken, broken.Message);
                break;
            case InstanceEvent.Altered altered:
                Alter.Apply(turn, altered);
                break;
            default:
                throw new InvalidOperationException($"instance {state.Id}: no decision for {happened}");
        }
        return End(turn);
    }

    private static Decision End(Turn turn)
    {
        Flow.Run(turn);
        return turn.End();
    }

    /// <summary>Whether this attempt is one the instance waits for: it may have been given up.</summary>
    public static bool IsPresent(InstanceState state, AttemptId attempt) =>
        !state.IsTerminal && state.Execution(attempt.Seq) is { IsUnderWay: true } execution && AttemptId.Of(execution) == attempt;

    /// <summary>The first step, or the end if there is none.</summary>
    public static void Begin(Turn turn)
    {
        turn.Set(turn.State with { Status = InstanceStatus.Running });
        Flow.Enter(turn, turn.Definition.Root, null);
    }

    public static void Finish(Turn turn)
    {
        turn.Set(turn.State with { Status = InstanceStatus.Finished, OutputJson = Values.Outputs(turn.Definition, turn.State) });
        turn.Announce(JournalEventKind.Finished);
        turn.Then(new Effect.Leave());
    }

    private static void Succeed(Turn turn, ExecutionState execution, string? output)
    {
        if (execution.Status == ExecutionStatus.Compensating) Faults.Compensated(turn, execution);
        else Complete(turn, execution, output!);
    }

    /// <summary>A step is done: its outputs are set, and what follows it begins.</summary>
    private static void Complete(Turn turn, ExecutionState execution, string output)
    {
        execution = turn.Over(execution, ExecutionStatus.Completed) with { Output = output, Error = null };
        turn.Set(execution);
        turn.Announce(JournalEventKind.StepCompleted, execution);
        StepDefinition step = Faults.Step(turn, execution);
        Bind(turn, step, output);
        Flow.Leave(turn, step, execution.Scope);
    }

    /// <summary>The step's outputs into the variables they are bound to.</summary>
    public static void Bind(Turn turn, StepDefinition step, string output)
    {
        if (step.Outputs.Count == 0 && step.Child is null) return;
        using JsonDocument values = JsonDocument.Parse(output);
        var variables = turn.State.Variables;
        foreach (OutputBinding binding in step.Outputs)
            variables = variables.SetItem(binding.Variable, values.RootElement.GetProperty(binding.Property).Clone());
        foreach (OutputBinding binding in step.Child?.Outputs ?? [])
        {
            if (values.RootElement.GetProperty("result").TryGetProperty(binding.Property, out JsonElement value)) variables = variables.SetItem(binding.Variable, value.Clone());
        }
        turn.Set(turn.State with { Variables = variables });
    }

    /// <summary>A new execution of a step; faulted at once if its input does not resolve.</summary>
    public static void Begin(Turn turn, StepDefinition step, int? scope, (string Json, string? Problem) resolved)
    {
        ExecutionState execution = NewExecution(turn, step, scope, resolved.Json);
        if (resolved.Problem is { } problem)
        {
            Faults.FaultStep(turn, execution, FaultKind.BrokenInvariant, problem);
            return;
        }
        if (step.IsRespond)
        {
            turn.Set(turn.Over(execution, ExecutionStatus.Completed) with { Output = "{}" });
            turn.Set(turn.State with { AnswerJson = turn.State.AnswerJson ?? resolved.Json });
            turn.Announce(JournalEventKind.Responded, execution);
            Flow.Leave(turn, step, scope);
            return;
        }
        Start(turn, execution);
    }

    public static ExecutionState NewExecution(Turn turn, ActivityDefinition node, int? scope, string input) => new()
    {
        Seq = turn.State.Executions.Count + 1,
        ActivityId = node.Id,
        ActivityType = node.Type,
        Scope = scope,
        Input = input,
        StartedAt = turn.Context.Now,
        BootId = turn.Context.BootId,
    };

    /// <summary>An attempt whose end the journal does not know runs again; what waits for a time still does.</summary>
    private static void Recover(Turn turn)
    {
        if (turn.State.Executions.Any(e => e.IsUnderWay && !MustAsk(turn, e)) && IsCrashLoop(turn)) return;
        Resume(turn);
    }

    /// <summary>Sets going again what is live.</summary>
    public static void Resume(Turn turn)
    {
        foreach (ExecutionState execution in turn.State.Executions)
        {
            if (execution.IsUnderWay && MustAsk(turn, execution))
            {
                Faults.AwaitOperator(
                    turn, execution, IncidentKind.InDoubt,
                    $"{execution.ActivityId}: in doubt: the process ended while it ran, and it must not run twice by itself; retry, skip or compensate");
            }
            else if (execution.IsUnderWay)
            {
                Start(turn, Again(turn, execution));
            }
            else if (execution is { IsLive: true, DueAt: { } dueAt })
            {
                turn.Then(new Effect.Wake(execution.Seq, dueAt, IsRecovered: true));
            }
        }
    }

    /// <summary>An undoing may run twice, whatever its step: it must hold when it was done before.</summary>
    private static bool MustAsk(Turn turn, ExecutionState execution) =>
        execution.Status == ExecutionStatus.Running && Faults.Step(turn, execution).Recovery == RecoveryMode.AtMostOnce;

    /// <summary>Counts the recovery; true if it is one too many: what was under way awaits an operator then, and the count begins anew.</summary>
    private static bool IsCrashLoop(Turn turn)
    {
        DateTimeOffset now = turn.Context.Now;
        var recent = turn.State.Recoveries.RemoveAll(at => at <= now - CrashLoopWindow);
        if (recent.Length < CrashLoopLimit)
        {
            turn.Set(turn.State with { Recoveries = recent.Add(now) });
            return false;
        }
        turn.Set(turn.State with { Recoveries = [] });
        foreach (ExecutionState execution in turn.State.Executions.Where(e => e.IsUnderWay))
        {
            Faults.AwaitOperator(
                turn, execution, IncidentKind.CrashLoop,
                string.Create(CultureInfo.InvariantCulture, $"CrashLoop: {execution.ActivityId} was under way at {recent.Length + 1} ends of the process within {CrashLoopWindow.TotalHours:0} h; not resumed by itself"));
        }
        return true;
    }

    private static void Due(Turn turn, int seq)
    {
        if (seq == 0)
        {
            Expire(turn);
            return;
        }
        ExecutionState execution = turn.State.Execution(seq);
        if (!execution.IsLive || execution.DueAt is not { } dueAt) return;
        if (dueAt > turn.Context.Now) turn.Then(new Effect.Wake(execution.Seq, dueAt));
        else if (execution.IsScheduled) Start(turn, AtOnce(turn, execution));
        else if (execution.ActivityType == ElsaTypes.Delay) Complete(turn, execution, "{}");
        else Faults.Fail(turn, execution, new InstanceEvent.Failed(default, FaultKind.Retryable, $"no signal '{BookmarkDraft.NameOf(execution)}' within {Faults.Step(turn, execution).Timeout}", 0));
    }

    /// <summary>Void if the execution does not wait any more: what took its bookmark away has given the signal to another.</summary>
    private static void Signal(Turn turn, ExecutionState execution, SignalMatch match)
    {
        if (execution.Status == ExecutionStatus.Waiting && execution.Attempt == match.Attempt)
            Complete(turn, execution, $$"""{"result":{{match.Payload ?? "null"}}}""");
    }

    /// <summary>The deadline of the whole. One that a person is at, or that is being undone, is left alone.</summary>
    private static void Expire(Turn turn)
    {
        InstanceState state = turn.State;
        if (state.Deadline is not { } deadline || state.Status is not (InstanceStatus.Waiting or InstanceStatus.Running)) return;
        if (deadline > turn.Context.Now)
        {
            turn.Then(new Effect.Wake(0, deadline));
            return;
        }
        string message = string.Create(CultureInfo.InvariantCulture, $"not over by its deadline, {deadline:yyyy-MM-dd HH:mm:ss}Z");
        turn.Set(state with { Deadline = null });
        turn.Announce(JournalEventKind.Expired, message);
        if (turn.Definition.OnFault == FaultPolicy.Suspend && state.Status == InstanceStatus.Running) Faults.Halt(turn, IncidentKind.Deadline, message);
        else Faults.Compensate(turn, message, FaultKind.Retryable);
    }

    /// <summary>The next attempt, which was to come later.</summary>
    public static ExecutionState AtOnce(Turn turn, ExecutionState execution) => Anew(Again(turn, execution)) with
    {
        Status = execution.IsUndoing ? ExecutionStatus.Compensating : ExecutionStatus.Running,
        DueAt = null,
    };

    /// <summary>After a failure (not after a crash) a child that failed is followed by another.</summary>
    public static ExecutionState Anew(ExecutionState execution)
    {
        if (execution.ActivityType != ElsaTypes.Dispatch || execution.IsUndoing) return execution;
        Progress progress = execution.Progress ?? Progress.Begin;
        return execution with { Progress = progress with { Index = progress.Index + 1 } };
    }

    private static ExecutionState Again(Turn turn, ExecutionState execution) =>
        execution with { Attempt = execution.Attempt + 1, BootId = turn.Context.BootId };

    /// <summary>Begins an attempt of a step or of its undoing, or what a built-in step is instead.</summary>
    public static void Start(Turn turn, ExecutionState execution)
    {
        bool undoing = execution.Status == ExecutionStatus.Compensating;
        switch (execution.ActivityType)
        {
            case ElsaTypes.Delay:
                using (JsonDocument input = JsonDocument.Parse(execution.Input))
                {
                    TimeSpan wait = input.RootElement.GetProperty("timeSpan").Deserialize<TimeSpan>(WorkflowJson.Options);
                    execution = execution with { Status = ExecutionStatus.Waiting, DueAt = turn.Context.Now + wait };
                }
                turn.Set(execution);
                turn.Announce(JournalEventKind.StepWaits, execution, string.Create(CultureInfo.InvariantCulture, $"until {execution.DueAt:O}"));
                turn.Then(new Effect.Wake(execution.Seq, execution.DueAt.Value));
                break;
            case ElsaTypes.Event:
                TimeSpan? timeout = Faults.Step(turn, execution).Timeout;
                execution = execution with { Status = ExecutionStatus.Waiting, DueAt = turn.Context.Now + timeout };
                turn.Set(execution);
                turn.Announce(JournalEventKind.StepWaits, execution, $"for signal '{BookmarkDraft.NameOf(execution)}'");
                if (execution.DueAt is { } dueAt) turn.Then(new Effect.Wake(execution.Seq, dueAt));
                break;
            case ElsaTypes.Fault:
                Faults.FaultStep(turn, execution, KindOf(execution), MessageOf(execution));
                break;
            default:
                turn.Set(execution);
                turn.Announce(undoing ? JournalEventKind.CompensationStarted : JournalEventKind.StepStarted, execution);
                turn.Then(new Effect.Attempt(execution));
                break;
        }
    }

    /// <summary>Of Elsa.Fault; if it does not say, its onFault decides.</summary>
    private static FaultKind KindOf(ExecutionState fault) =>
        Values.Read(fault.Input).TryGetValue("faultType", out JsonElement kind) && Enum.TryParse(kind.GetString(), out FaultKind named) ? named : FaultKind.Retryable;

    private static string MessageOf(ExecutionState fault) => Values.Read(fault.Input)["message"].GetString()!;
}
