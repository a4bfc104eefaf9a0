using System.Globalization;
using System.Text;
using FlannelFlow.Durability.Tests.Kit;
using FlannelFlow.Workflows;
using FlannelFlow.Workflows.Tests.Kit;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace FlannelFlow.Durability.Tests.Crashes;

/// <summary>One process of a scenario: opened on a world, led to the scenario's end, or to its own.</summary>
internal sealed class Life
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Scenario _scenario;
    private readonly World _world;
    private readonly FakeTimeProvider _time;
    private readonly CrashOnce _points;
    private readonly List<string> _stops = [];

    private Life(Scenario scenario, World world, CrashOnce points)
    {
        _scenario = scenario;
        _world = world;
        _points = points;
        // Between two processes a second goes by.
        _time = new FakeTimeProvider(world.Now.AddSeconds(1));
    }

    /// <param name="Outcome">The end as text; null if it crashed before.</param>
    /// <param name="Crashes">The ends that it could have had.</param>
    public sealed record Story(string? Outcome, IReadOnlyList<Crash> Crashes, bool Crashed);

    public static Task<Story> LiveAsync(Scenario scenario, World world, Crash? crash) => LiveAsync(scenario, world, new CrashOnce(crash));

    public static async Task<Story> LiveAsync(Scenario scenario, World world, CrashOnce points)
    {
        var life = new Life(scenario, world, points);
        return await life.LiveAsync();
    }

    private async Task<Story> LiveAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        ActivityCatalog catalog = _scenario.Catalog(_world.Kernel);
        WorkflowRuntimeOptions options = _scenario.Options(new WorkflowRuntimeOptions
        {
            JournalPath = _world.JournalPath,
            CrashPoints = _points,
            FailStop = (message, _) => _stops.Add(message),
            BootId = "boot-1",
            PurgeInterval = TimeSpan.FromDays(40),
        });
        await using WorkflowRuntime runtime = await WorkflowRuntime.OpenAsync(
            options, catalog, DefinitionLoader.Load(_scenario.Definitions, catalog), _time, NullLoggerFactory.Instance, patience.Token);
        CountDoubts(runtime);
        runtime.Resume();
        string? outcome = null;
        try
        {
            bool ended = await LeadAsync(runtime, patience.Token);
            if (ended)
            {
                outcome = await new Verdict(runtime, _world).OutcomeAsync(patience.Token);
                _scenario.Check?.Invoke(runtime, _world.Kernel);
            }
        }
        catch (RuntimeStoppedException) when (_points.Crashed)
        {
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested)
        {
            throw new BrokenInvariantException($"it came to no end in {Patience.TotalSeconds:0} s: {Where(runtime)}");
        }
        await runtime.DisposeAsync();
        _world.Now = _time.GetUtcNow();
        bool ambiguous = _points.Crashed && _stops.Count > 0;
        if (!ambiguous && _stops.Count > 0) throw new BrokenInvariantException($"the engine stopped by itself: {string.Join("; ", _stops)}");
        return new Story(outcome, _points.Passed, _points.Crashed);
    }

    /// <summary>Before anything runs: what was under way at the end of the process before.</summary>
    private void CountDoubts(WorkflowRuntime runtime)
    {
        foreach (InstanceRow instance in runtime.Instances(new InstanceFilter(null, null, Limit: 1000)))
        {
            foreach (ExecutionRow execution in runtime.Executions(instance.Id))
            {
                string undo = execution.Status == ExecutionStatus.Compensating ? "/undo" : "";
                if (undo.Length == 0 && execution.Status != ExecutionStatus.Running) continue;
                string key = string.Create(CultureInfo.InvariantCulture, $"{instance.Id}/{execution.Seq}-{execution.ActivityId}{undo}");
                _world.InDoubt[key] = _world.InDoubt.GetValueOrDefault(key) + 1;
            }
        }
    }

    /// <summary>To the end of all instances: as a caller who asks again with the same key, as time, as an operator. False if it crashed.</summary>
    private async Task<bool> LeadAsync(WorkflowRuntime runtime, CancellationToken ct)
    {
        Task answer = Task.WhenAll(_scenario.More.Concat(_scenario.Start is { } first ? [first] : []).Select(start => runtime.RunAsync(start, ct)));
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(ct);
        Task clock = KeepTimeAsync(runtime, ended.Token);
        var open = new HashSet<InstanceId>();
        int accepted = 0;
        try
        {
            await foreach (JournalEvent happened in runtime.FollowAsync(0, ct))
            {
                await ActAsync(runtime, happened, open, ct);
                if (_scenario.React is { } react) await react(runtime, happened);
                if (happened.Kind == JournalEventKind.Accepted) accepted++;
                if (accepted <= _scenario.More.Count || open.Count > 0 || happened.Seq < runtime.CommittedSeq) continue;
                // One that waited for an operator may have gone on by itself: another of its branches failed.
                if (runtime.Instances(new InstanceFilter(null, null, Limit: 1000)).Any(i => i.FinishedAt is null && i.Status != InstanceStatus.Suspended)) continue;
                await answer;
                return !_points.Crashed;
            }
            return false;
        }
        finally
        {
            await ended.CancelAsync();
            await clock;
            // It answers, or the runtime ends, which tells it.
            if (_points.Crashed) await Task.WhenAny(answer);
        }
    }

    private async Task ActAsync(WorkflowRuntime runtime, JournalEvent happened, HashSet<InstanceId> open, CancellationToken ct)
    {
        switch (happened.Kind)
        {
            case JournalEventKind.Accepted or JournalEventKind.Altered:
                open.Add(happened.Instance);
                break;
            case JournalEventKind.Finished or JournalEventKind.Compensated or JournalEventKind.Cancelled:
                open.Remove(happened.Instance);
                break;
            case JournalEventKind.Suspended:
                open.Remove(happened.Instance);
                if (runtime.Instance(happened.Instance)!.Status == InstanceStatus.Suspended) await OperateAsync(runtime, happened.Instance, ct);
                break;
            default:
                PassTime(happened);
                break;
        }
    }

    /// <summary>Whoever waits for a time ("due …", "until …") gets it.</summary>
    private void PassTime(JournalEvent happened)
    {
        if (happened.Detail?.Split(' ') is not ["due" or "until", string due, ..]) return;
        due = due.TrimEnd(':');
        if (!DateTimeOffset.TryParse(due, CultureInfo.InvariantCulture, out DateTimeOffset at)) return;
        if (at > _time.GetUtcNow()) _time.SetUtcNow(at);
    }

    /// <summary>
    /// A timer that was set while the time was being moved waits from the new time on: when nothing happens any more, time goes by itself.
    /// </summary>
    private async Task KeepTimeAsync(WorkflowRuntime runtime, CancellationToken ct)
    {
        for (long seen = -1; !ct.IsCancellationRequested; seen = runtime.CommittedSeq)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, ct).ContinueWith(_ => { }, TaskScheduler.Default);
            if (seen == runtime.CommittedSeq) _time.Advance(TimeSpan.FromMinutes(1));
        }
    }

    /// <summary>An operator who looks what is done already, and does the rest.</summary>
    private async Task OperateAsync(WorkflowRuntime runtime, InstanceId id, CancellationToken ct)
    {
        if (_scenario.Judge is { } judge)
        {
            try
            {
                await runtime.AlterAsync(id, judge(runtime, runtime.Instance(id)!), "alice", "looked", ct);
            }
            catch (AlterationRefusedException)
            {
                // Another branch came in between: it is being undone already.
            }
            return;
        }
        var rest = _scenario.Operator.Skip(runtime.Audit(id).Count).ToList();
        if (rest.Count > 0 && rest[^1] is Alteration.Retry or Alteration.Skip)
        {
            foreach (string call in _scenario.Broken) _world.Kernel.Faults.TryRemove(call, out _);
        }
        foreach (Alteration alteration in rest) await runtime.AlterAsync(id, alteration, "alice", "looked", ct);
    }

    private string Where(WorkflowRuntime runtime)
    {
        var text = new StringBuilder();
        foreach (InstanceRow row in runtime.Instances(new InstanceFilter(null, null, Limit: 20)))
        {
            text.Append(CultureInfo.InvariantCulture, $"{row.DefinitionId} {row.Status}");
            foreach (ExecutionRow e in runtime.Executions(row.Id)) text.Append(CultureInfo.InvariantCulture, $", {e.ActivityId} {e.Status}#{e.Attempt}");
            text.Append("; ");
        }
        return text.Append(_world.Kernel.Text).ToString();
    }
}

/// <summary>What must hold does not.</summary>
internal sealed class BrokenInvariantException(string message) : Exception(message);
