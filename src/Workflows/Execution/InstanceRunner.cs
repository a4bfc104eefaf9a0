using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Workflows;

/// <summary>The mailbox of one open instance: takes events one at a time, has them decided, commits, then carries out the effects.</summary>
/// <remarks>
/// Only its loop reads or replaces the state. An attempt runs beside the loop and posts its end, so that the mailbox can take other
/// events meanwhile. There is never more than one attempt of an execution.
/// </remarks>
[SuppressMessage("Reliability", "CA1001", Justification = "The token sources have no timer: nothing to dispose.")]
internal sealed class InstanceRunner(Executor executor, WorkflowDefinition definition, InstanceState state)
{
    private WorkflowDefinition _definition = definition;
    private readonly Channel<InstanceEvent> _mailbox = Channel.CreateUnbounded<InstanceEvent>(new UnboundedChannelOptions { SingleReader = true });
    private TaskCompletionSource<WorkflowAnswer> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private InstanceState _state = state;
    private LaneTable? _inner;
    private ConcurrentDictionary<InstanceId, InstanceRunner>? _children;
    private Dictionary<int, RunningAttempt> _attempts = [];
    private readonly Dictionary<int, ITimer> _timers = [];

    /// <summary>A timer takes no more than 49 days; one that comes too early is set again.</summary>
    private static readonly TimeSpan LongestTimer = TimeSpan.FromDays(24);

    public InstanceId Id { get; } = state.Id;

    public string DefinitionId { get; } = state.DefinitionId;

    public ParentLink? Parent { get; } = state.Parent;

    public ImmutableArray<LaneClaim> Claims { get; } = state.Claims;

    /// <summary>Where it has its lanes, or waits for them.</summary>
    public LaneTable LaneTable { get; set; } = null!;

    /// <summary>The lanes of its children, within its own.</summary>
    public LaneTable Inner => LazyInitializer.EnsureInitialized(ref _inner);

    /// <summary>Those open that its steps wait for.</summary>
    public ConcurrentDictionary<InstanceId, InstanceRunner> Children => LazyInitializer.EnsureInitialized(ref _children);

    /// <summary>Completes when it is terminal, and has given back its lanes; RuntimeStoppedException if the runtime stops before.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Whether the execution is one that waits for a child, or undoes one. Only before the loop begins.</summary>
    public bool WaitsAt(int seq) => _state.Execution(seq) is { IsLive: true } or { IsUndoing: true };

    /// <summary>
    /// Set by the durable answer; RuntimeStoppedException if the runtime stops before. That it is suspended is an answer only until an
    /// operator sets it going again.
    /// </summary>
    public Task<WorkflowAnswer> Answer => Volatile.Read(ref _answer).Task;

    /// <summary>Ends when the instance is terminal or the runtime stops.</summary>
    public Task Loop { get; private set; } = Task.CompletedTask;

    public void Post(InstanceEvent happened) => _mailbox.Writer.TryWrite(happened);

    /// <summary>Completes after the commit.</summary>
    public Task AlterAsync(InstanceEvent.Altered altered)
    {
        if (!_mailbox.Writer.TryWrite(altered)) altered.Done.TrySetException(TooLate(altered));
        return altered.Done.Task;
    }

    /// <summary>Begins the loop, after a decision whose commit is durable already (accept) or with none (recovery).</summary>
    public void Begin(Decision? accepted, long row) => Loop = RunAsync(accepted, row);

    /// <summary>It will not answer any more.</summary>
    public void Abandon()
    {
        // Reading Exception marks it as seen: there may be nobody who waits.
        if (_answer.TrySetException(new RuntimeStoppedException($"the workflow runtime stopped before {_definition.Id} {Id} answered")))
            _ = _answer.Task.Exception;
        if (_ended.TrySetException(new RuntimeStoppedException($"the workflow runtime stopped before {_definition.Id} {Id} ended"))) _ = _ended.Task.Exception;
    }

    private async Task RunAsync(Decision? accepted, long row)
    {
        await Task.Yield();
        try
        {
            _state = _state with { Row = row };
            if (accepted is not null)
            {
                Adopt(accepted with { State = accepted.State with { Row = row } });
                await CarryOutAsync(accepted.Effects);
            }
            else
            {
                Tell();
            }
            if (_state is { IsTerminal: false, Deadline: { } deadline }) Wake(new Effect.Wake(0, deadline));
            while (!_state.IsTerminal) await HandleAsync(await _mailbox.Reader.ReadAsync(executor.Stopping));
        }
        catch (OperationCanceledException) when (executor.Stopping.IsCancellationRequested)
        {
            // Stopped: what the journal says goes on at the next start.
        }
        catch (RuntimeStoppedException)
        {
            // The writer is gone, and has said why.
        }
        // The edge of the engine: what is not foreseen above must not leave an instance that nobody runs.
        catch (Exception e)
        {
            executor.Fail($"running instance {Id} of {_definition.Id}", e);
        }
        finally
        {
            foreach (ITimer timer in _timers.Values) await timer.DisposeAsync();
            await Task.WhenAll(_attempts.Values.Select(a => a.Ended));
            Abandon();
            _mailbox.Writer.TryComplete();
            while (_mailbox.Reader.TryRead(out InstanceEvent? left))
            {
                if (left is InstanceEvent.Altered altered) altered.Done.TrySetException(TooLate(altered));
            }
        }
    }

    private Exception TooLate(InstanceEvent.Altered altered) => _state.IsTerminal
        ? new AlterationRefusedException($"{altered.Alteration.Name} of {_definition.Id} {Id}: it is {_state.Status}")
        : new RuntimeStoppedException($"the workflow runtime stopped before {altered.Alteration.Name} of {_definition.Id} {Id}");

    private async Task HandleAsync(InstanceEvent happened)
    {
        if (happened is InstanceEvent.Altered altered)
        {
            await AlterInTurnAsync(altered with { HoldsLanes = LaneTable.Holds(Id) });
            return;
        }
        if (happened is InstanceEvent.Ready ready)
        {
            if (Decider.IsPresent(_state, ready.Of)) await TransactAsync(_state.Execution(ready.Of.Seq), ready.Of);
            return;
        }
        Decision decision = Decide(happened);
        if (decision.Commit is { } commit) await CommitAsync(commit, PointOf(happened));
        Adopt(decision);
        await CarryOutAsync(decision.Effects);
    }

    /// <summary>The effect, the decision that follows from it and its commit are one transaction.</summary>
    private async Task TransactAsync(ExecutionState execution, AttemptId of)
    {
        InstanceState before = _state;
        DecisionContext context = executor.Context();
        ActivityType activity = _definition.Step(execution.ActivityId)!.Activity!;
        ActivityExecution facts = Facts(execution);
        bool undoing = execution.IsUndoing;
        CrashPoint point = PointOf(execution, "");
        executor.Pass(point with { Moment = point.Moment + "before-enqueue" });
        Decision decision;
        try
        {
            (decision, var matches) = await executor.Writer.TransactAsync(
                database =>
                {
                    string? output = null;
                    if (undoing) activity.Undo(execution.Input, execution.Output, facts, database);
                    else output = activity.Execute(execution.Input, facts, database);
                    return Decider.Decide(_definition, before, new InstanceEvent.Succeeded(of, output), context);
                },
                point, CancellationToken.None);
            executor.Deliver(matches);
        }
        catch (Exception e) when (e is not (RuntimeStoppedException or StaleRevisionException))
        {
            Post(new InstanceEvent.Failed(of, executor.Classify(e), e.Message, executor.Chance()));
            return;
        }
        Adopt(decision);
        await CarryOutAsync(decision.Effects);
    }

    private async Task AlterInTurnAsync(InstanceEvent.Altered altered)
    {
        try
        {
            Decision decision = Decider.Decide(_definition, _state, altered, executor.Context());
            await CommitAsync(decision.Commit!, PointOf(altered));
            if (altered.Alteration is Alteration.Migrate) _definition = altered.Target!;
            Adopt(decision);
            altered.Done.TrySetResult();
            await CarryOutAsync(decision.Effects);
        }
        catch (Exception e) when (e is AlterationRefusedException or InvalidAlterationException)
        {
            altered.Done.TrySetException(e);
        }
        catch (Exception)
        {
            // To the runner's edge, which stops the engine. Whether it was committed the next start will tell.
            altered.Done.TrySetException(TooLate(altered));
            throw;
        }
    }

    private async Task CommitAsync(InstanceCommit commit, CrashPoint point)
    {
        executor.Pass(point with { Moment = point.Moment + "before-enqueue" });
        executor.Deliver(await executor.Writer.ApplyAsync(commit, point, CancellationToken.None));
    }

    private Decision Decide(InstanceEvent happened)
    {
        try
        {
            return Decider.Decide(_definition, _state, happened, executor.Context());
        }
        // A decision that cannot be made has changed nothing: the instance waits for a person instead of taking the daemon with it.
        catch (Exception e) when (happened is not InstanceEvent.Broken)
        {
            executor.Log.LogCritical(e, "Deciding {Event} of instance {Instance}", happened, Id);
            return Decider.Decide(_definition, _state, new InstanceEvent.Broken($"deciding {happened.GetType().Name}: {e.Message}"), executor.Context());
        }
    }

    /// <summary>What is durable now is the state, and can be told; that it is over only once its lanes are free, see Leave.</summary>
    private void Adopt(Decision decision)
    {
        _state = decision.State;
        if (decision.Commit is { } commit) executor.LogCommit(commit);
        if (!_state.IsTerminal) Tell();
    }

    private async Task CarryOutAsync(IReadOnlyList<Effect> effects)
    {
        foreach (Effect effect in effects)
        {
            switch (effect)
            {
                case Effect.Attempt attempt:
                    await GiveUpAsync(attempt.Execution.Seq);
                    Begin(attempt.Execution);
                    break;
                case Effect.GiveUp giveUp:
                    await GiveUpAsync(giveUp.Seq);
                    foreach (InstanceRunner child in (_children?.Values ?? []).Where(c => c.Parent!.Seq == giveUp.Seq))
                        _ = child.AskAsync(new Alteration.Cancel(), $"{_definition.Id} {Id}, which started it, does not wait for it any more");
                    break;
                case Effect.Wake wake:
                    Wake(wake);
                    break;
                case Effect.Leave:
                    foreach (int seq in _attempts.Keys.ToList()) await GiveUpAsync(seq);
                    await EndChildrenAsync();
                    executor.Leave(this);
                    _ended.TrySetResult();
                    Tell();
                    break;
            }
        }
    }

    private void Begin(ExecutionState execution)
    {
        // A loop must not keep what is over.
        if (_attempts.Count >= 16) _attempts = _attempts.Where(a => !a.Value.Ended.IsCompleted).ToDictionary();
        var giveUp = new CancellationTokenSource();
        Task ended = AttemptAsync(execution, giveUp.Token);
        _attempts[execution.Seq] = new RunningAttempt(ended, giveUp);
    }

    /// <summary>What follows an attempt must not overlap with it, nor must another instance in its lanes.</summary>
    private async Task GiveUpAsync(int seq)
    {
        if (_timers.Remove(seq, out ITimer? timer)) await timer.DisposeAsync();
        if (!_attempts.Remove(seq, out RunningAttempt? attempt) || attempt.Ended.IsCompleted) return;
        await attempt.GiveUp.CancelAsync();
        await attempt.Ended;
    }

    private void Tell()
    {
        if (_state.Answer() is { } answer) _answer.TrySetResult(answer);
        // It was suspended, and goes on: who asks from now on waits for what comes of that.
        else if (_answer.Task.IsCompleted) Volatile.Write(ref _answer, new(TaskCreationOptions.RunContinuationsAsynchronously));
    }

    private void Wake(Effect.Wake wake)
    {
        if (_timers.Remove(wake.Seq, out ITimer? before)) before.Dispose();
        var happened = new InstanceEvent.Due(wake.Seq);
        TimeSpan wait = wake.At - executor.Time.GetUtcNow();
        if (wait <= TimeSpan.Zero && wake.IsRecovered) wait = executor.NextOverdueTurn();
        if (wait <= TimeSpan.Zero) Post(happened);
        else _timers[wake.Seq] = executor.Time.CreateTimer(_ => Post(happened), null, wait < LongestTimer ? wait : LongestTimer, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Runs the activity, or its undoing, and posts how it ended. Never throws.</summary>
    private async Task AttemptAsync(ExecutionState execution, CancellationToken givenUp)
    {
        StepDefinition step = _definition.Step(execution.ActivityId)!;
        bool undoing = execution.Status == ExecutionStatus.Compensating;
        using CancellationTokenSource? deadline = step.Timeout is { } limit ? new CancellationTokenSource(limit, executor.Time) : null;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(executor.Stopping, givenUp, deadline?.Token ?? CancellationToken.None);
        AttemptId of = AttemptId.Of(execution);
        try
        {
            executor.Pass(PointOf(execution, "before-effect"));
            if (step.Recovery == RecoveryMode.Transactional)
            {
                Post(new InstanceEvent.Ready(of));
                return;
            }
            ActivityExecution facts = Facts(execution);
            string? output = null;
            bool probes = !undoing && step.Recovery == RecoveryMode.Probe && execution.Attempt > 1;
            ProbeResult<string> found = probes
                ? await step.Activity!.ProbeAsync(execution.Input, facts, either.Token)
                : new ProbeResult<string>(ProbeOutcome.NotDone);
            if (found.Outcome == ProbeOutcome.Unknown)
            {
                Post(new InstanceEvent.Failed(of, FaultKind.BrokenInvariant, $"whether an earlier attempt had its effect is unknown: {found.Why}", 0));
                return;
            }
            if (step.Child is not null)
            {
                var child = new ChildStep(executor.Admission, this, step);
                if (undoing) await child.UndoAsync(execution, either.Token);
                else output = await child.RunAsync(execution, either.Token);
            }
            else if (undoing) await step.Activity!.CompensateAsync(execution.Input, execution.Output, facts, either.Token);
            else output = found.Output ?? await step.Activity!.ExecuteAsync(execution.Input, facts, either.Token);
            executor.Pass(PointOf(execution, "after-effect"));
            Post(new InstanceEvent.Succeeded(of, output));
        }
        catch (SimulatedCrashException e)
        {
            executor.Fail("crash point", e);
        }
        // Whatever an activity throws while the runtime stops: the execution is in doubt, and runs again at the next start.
        // Or an operator gave it up: in doubt too, and compensated or left.
        catch (Exception) when (executor.Stopping.IsCancellationRequested || givenUp.IsCancellationRequested)
        {
        }
        catch (OperationCanceledException) when (deadline?.IsCancellationRequested == true)
        {
            FaultKind kind = !undoing && step.Recovery == RecoveryMode.AtMostOnce ? FaultKind.BrokenInvariant : FaultKind.Retryable;
            Post(new InstanceEvent.Failed(of, kind, $"no result within {step.Timeout}", executor.Chance()));
        }
        catch (Exception e)
        {
            Post(new InstanceEvent.Failed(of, KindOf(step, e), e.Message, executor.Chance()));
        }
    }

    private ActivityExecution Facts(ExecutionState execution)
    {
        string bootId = executor.Context().BootId;
        return new ActivityExecution(Id, execution.ActivityId, execution.Attempt, $"{Id}/{execution.Seq}-{execution.ActivityId}{(execution.IsUndoing ? "/undo" : "")}")
        {
            BootId = bootId,
            IsAfterReboot = _state.Executions.Any(e => e.BootId != bootId && e.Seq != execution.Seq),
        };
    }

    private FaultKind KindOf(StepDefinition step, Exception e) => e switch
    {
        ChildFailedException failed => failed.Kind,
        InvalidStartException when step.Child is not null => FaultKind.BrokenInvariant,
        _ => executor.Classify(e),
    };

    /// <summary>Asks this instance to end, in the engine's name; one that is being undone already, or is over, needs no asking.</summary>
    public async Task AskAsync(Alteration alteration, string why)
    {
        try
        {
            await AlterAsync(new InstanceEvent.Altered(alteration, "engine", why));
        }
        catch (Exception e) when (e is AlterationRefusedException or RuntimeStoppedException)
        {
        }
    }

    /// <summary>Those that were given up without being waited for, or whose parent is terminated: nothing may run in its lanes after it.</summary>
    private async Task EndChildrenAsync()
    {
        Alteration alteration = _state.Status == InstanceStatus.Cancelled ? new Alteration.Terminate() : new Alteration.Cancel();
        foreach (InstanceRunner child in _children?.Values ?? [])
        {
            _ = child.AskAsync(alteration, $"{_definition.Id} {Id}, which started it, is {_state.Status}");
            await child.Ended;
        }
    }

    private CrashPoint PointOf(InstanceEvent happened)
    {
        return happened switch
        {
            InstanceEvent.Succeeded done => PointOf(_state.Execution(done.Of.Seq), ""),
            InstanceEvent.Failed failed => PointOf(_state.Execution(failed.Of.Seq), ""),
            InstanceEvent.Due { Seq: 0 } => new CrashPoint(_definition.Id, "deadline", ""),
            InstanceEvent.Due due => PointOf(_state.Execution(due.Seq), "retry-"),
            InstanceEvent.Recovered when _state.Executions.Find(e => e.IsUnderWay) is { } execution => PointOf(execution, "recovery-"),
            InstanceEvent.Signalled signalled => PointOf(_state.Execution(signalled.Match.Seq), "signal-"),
            InstanceEvent.Altered altered => new CrashPoint(_definition.Id, "alter-" + Kebab(altered.Alteration.Name), ""),
            _ => new CrashPoint(_definition.Id, "granted", ""),
        };
    }

    private static string Kebab(string name) => JsonNamingPolicy.KebabCaseLower.ConvertName(name);

    private CrashPoint PointOf(ExecutionState execution, string moment)
    {
        bool undoing = execution.Status is ExecutionStatus.Compensating or ExecutionStatus.CompensationScheduled;
        return new CrashPoint(_definition.Id, execution.ActivityId, (undoing ? "undo-" : "") + moment);
    }

    private sealed record RunningAttempt(Task Ended, CancellationTokenSource GiveUp);
}
