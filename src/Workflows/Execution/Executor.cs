using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Workflows;

/// <summary>What the mailboxes share: the writer, the lanes, time, and how the whole ends.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "The token source outlives every runner and has no timer: nothing to dispose.")]
internal sealed class Executor(WorkflowRuntimeOptions options, JournalWriter writer, ICrashPoints? crashes, TimeProvider time, ILogger log)
{
    private readonly ConcurrentDictionary<InstanceId, InstanceRunner> _runners = new();
    private readonly CancellationTokenSource _stop = new();
    private const int OverdueGroup = 64;
    private static readonly TimeSpan OverdueInterval = TimeSpan.FromMilliseconds(10);
    private int _overdue;
    private Task _died = Task.CompletedTask;

    public JournalWriter Writer => writer;
    public TimeProvider Time => time;
    public ILogger Log => log;
    public CancellationToken Stopping => _stop.Token;
    public LaneTable Lanes { get; } = new();
    public ICollection<InstanceRunner> Runners => _runners.Values;

    /// <summary>Set before anything runs.</summary>
    public Admission Admission { get; set; } = null!;

    /// <summary>A child stands in lanes within its parent's, where only its siblings are. True if it has them.</summary>
    public bool EnterLanes(InstanceRunner runner, InstanceState state)
    {
        runner.LaneTable = state.Parent is { } parent && Find(parent.Instance) is { } around ? around.Inner : Lanes;
        return runner.LaneTable.Enter(state.Id, state.Claims);
    }

    /// <summary>
    /// How long an overdue attempt waits after the start, in the order of asking: so many at once do not fall on what they failed on.
    /// 10,000 are through in 1.6 s.
    /// </summary>
    public TimeSpan NextOverdueTurn() => OverdueInterval * ((Interlocked.Increment(ref _overdue) - 1) / OverdueGroup);

    public DecisionContext Context() => new(time.GetUtcNow(), options.BootId);

    public double Chance() => options.Chance();

    public void Pass(CrashPoint point) => crashes?.Pass(point);

    /// <summary>A classifier that throws has not classified: the fault counts as retryable.</summary>
    public FaultKind Classify(Exception e)
    {
        try
        {
            return options.Classify(e);
        }
        catch (Exception broken)
        {
            log.LogError(broken, "Classifying {Fault}", e.Message);
            return FaultKind.Retryable;
        }
    }

    public InstanceRunner? Find(InstanceId id) => _runners.GetValueOrDefault(id);

    public InstanceRunner Add(WorkflowDefinition definition, InstanceState state)
    {
        var runner = new InstanceRunner(this, definition, state);
        if (state.Parent is { } parent) Find(parent.Instance)?.Children.TryAdd(state.Id, runner);
        if (!_runners.TryAdd(state.Id, runner)) throw new InvalidOperationException($"instance {state.Id} runs already");
        return runner;
    }

    /// <summary>Tells instances of the signals that were matched to their bookmarks.</summary>
    public void Deliver(IReadOnlyList<SignalMatch> matches)
    {
        foreach (SignalMatch match in matches) Find(match.Instance)?.Post(new InstanceEvent.Signalled(match));
    }

    /// <summary>The instance is terminal, or was never accepted: its lanes go to those who wait.</summary>
    public void Leave(InstanceRunner runner)
    {
        _runners.TryRemove(runner.Id, out _);
        if (runner.Parent is { } parent) Find(parent.Instance)?.Children.TryRemove(runner.Id, out _);
        foreach (InstanceId granted in runner.LaneTable.Leave(runner.Id)) Find(granted)?.Post(new InstanceEvent.Granted());
    }

    /// <summary>Never runs what it cancels on the caller's thread: that could be the writer's, which must not wait for itself.</summary>
    public Task StopAsync() => Task.WhenAll(_died, _stop.CancelAsync());

    /// <summary>The engine cannot be trusted any more: nothing is written from now on, and the process should end.</summary>
    public void Fail(string act, Exception cause)
    {
        writer.Kill(cause);
        Died(act, cause);
    }

    /// <summary>The writer met a full disk, and waits; null: it goes on.</summary>
    public void Full(Exception? cause)
    {
        if (cause is not null) log.LogError("The disk of the journal is full: workflows wait, and none is accepted until there is space again ({Cause})", cause.Message);
        else log.LogWarning("The disk of the journal has space again: workflows go on");
    }

    /// <summary>The writer is dead.</summary>
    public void Died(string act, Exception cause)
    {
        if (cause is not SimulatedCrashException and not RuntimeStoppedException)
        {
            log.LogCritical(cause, "The workflow engine stops: {Act}", act);
            options.FailStop($"{act}: {cause.Message}", cause);
        }
        _died = StopAsync();
    }

    public void LogCommit(InstanceCommit commit)
    {
        foreach (EventDraft draft in commit.Events)
        {
            LogLevel level = draft.Kind switch
            {
                JournalEventKind.StepFaulted or JournalEventKind.RetryScheduled or JournalEventKind.Expired => LogLevel.Warning,
                JournalEventKind.CompensationFaulted or JournalEventKind.Suspended => LogLevel.Error,
                JournalEventKind.Accepted or JournalEventKind.Responded or JournalEventKind.Finished or JournalEventKind.Compensated
                    or JournalEventKind.Cancelled or JournalEventKind.Altered or JournalEventKind.StepSkipped
                    or JournalEventKind.CompensationSkipped => LogLevel.Information,
                JournalEventKind.StepStarted or JournalEventKind.StepCompleted or JournalEventKind.StepWaits
                    or JournalEventKind.ScopeEntered or JournalEventKind.ScopeLeft or JournalEventKind.CompensationStarted
                    or JournalEventKind.StepCompensated => LogLevel.Debug,
            };
            log.Log(
                level, "{Definition} {Instance} {Activity} {Event} (attempt {Attempt}) {Detail}", commit.State.DefinitionId,
                commit.State.Id, draft.ActivityId ?? "", draft.Kind, draft.Attempt, draft.Detail ?? "");
        }
    }
}
