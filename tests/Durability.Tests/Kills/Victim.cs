using System.Collections.Concurrent;
using System.Globalization;
using FlannelFlow.Workflows;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Durability.Tests.Kills;

/// <summary>The process that is killed: runs the load against a kernel whose every effect is fsynced to a ledger.</summary>
/// <remarks>
/// Its folder has journal.db; ledger: "+thing key" per effect, "-thing key" per undoing, "~ key" per fault, "! key" per execution found in
/// doubt at a start, "conflict …" if two instances are at work in a lane that one has for itself; accepted: "key" once a start is
/// accepted; answers: "key outcome".
/// </remarks>
internal sealed class Victim : IDisposable
{
    private const int InFlight = 16;

    private readonly string _folder;
    private readonly Load _load;
    private readonly Ledger _ledger;
    private readonly Ledger _accepted;
    private readonly Ledger _answers;
    private readonly HashSet<string> _effects;

    private Victim(string folder, int seed)
    {
        _folder = folder;
        _load = new Load(seed);
        string ledger = Path.Combine(folder, "ledger");
        _effects = [.. File.Exists(ledger) ? File.ReadLines(ledger).Where(line => line[0] == '+').Select(line => line.Split(' ')[1]) : []];
        _ledger = new Ledger(ledger);
        _accepted = new Ledger(Path.Combine(folder, "accepted"));
        _answers = new Ledger(Path.Combine(folder, "answers"));
    }

    /// <summary>0: as many instances as asked for are at their end. 3: the journal cannot be used, the reason on standard error.</summary>
    /// <param name="arguments">Folder, seed, instances in all, and a crash point or "".</param>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        using var victim = new Victim(arguments[0], int.Parse(arguments[1], CultureInfo.InvariantCulture));
        try
        {
            await victim.RunAsync(int.Parse(arguments[2], CultureInfo.InvariantCulture), arguments[3]);
            return 0;
        }
        catch (JournalUnusableException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 3;
        }
    }

    private async Task RunAsync(int instances, string crashPoint)
    {
        var lanes = new Lanes(_ledger);
        var catalog = new ActivityCatalog().Add(new LedgerActivity(_load, _ledger, _effects, lanes));
        var options = new WorkflowRuntimeOptions { JournalPath = Path.Combine(_folder, "journal.db"), CrashPoint = crashPoint };
        await using WorkflowRuntime runtime = await WorkflowRuntime.OpenAsync(
            options, catalog, DefinitionLoader.Load(Load.Definitions, catalog), TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        var open = Open(runtime).ToList();
        foreach (string key in open.SelectMany(instance => InDoubt(runtime, instance))) _ledger.Write($"! {key}");
        runtime.Resume();

        // The callers of before ask again; then come new ones.
        int next = runtime.Instances(new InstanceFilter(null, null, Limit: 1)) is [var last] ? (int)last.Row : 0;
        var known = open.Select(instance => int.Parse(instance.IdempotencyKey.AsSpan(1), CultureInfo.InvariantCulture));
        var fresh = Enumerable.Range(next, Math.Max(0, instances - next));
        Task load = Parallel.ForEachAsync(known.Concat(fresh), new ParallelOptions { MaxDegreeOfParallelism = InFlight }, async (n, ct) => await AskAsync(runtime, n, ct));
        await OperateAsync(runtime, load);
        await load;
    }

    private async Task AskAsync(WorkflowRuntime runtime, int n, CancellationToken ct)
    {
        StartWorkflow start = _load.Start(n);
        InstanceId id = await runtime.StartAsync(start, ct);
        _accepted.Write(start.IdempotencyKey);
        WorkflowAnswer answer = await runtime.AnswerAsync(id, ct);
        if (answer.Outcome != WorkflowOutcome.Faulted) _answers.Write($"{start.IdempotencyKey} {answer.Outcome}");
    }

    /// <summary>
    /// An operator, who looks into the ledger whether a step in doubt had its effect, and lets those go on that were under way at too many
    /// ends. Until no instance is open and no more will come.
    /// </summary>
    private async Task OperateAsync(WorkflowRuntime runtime, Task load)
    {
        bool isLast = false;
        while (true)
        {
            var open = Open(runtime).ToList();
            if (isLast && open.Count == 0) return;
            isLast = load.IsCompleted;
            foreach (InstanceRow waiting in open.Where(instance => instance.Status == InstanceStatus.Suspended))
                await runtime.AlterAsync(waiting.Id, Judge(runtime, waiting), "campaign", "looked into the ledger", CancellationToken.None);
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }
    }

    private Alteration Judge(WorkflowRuntime runtime, InstanceRow waiting)
    {
        ExecutionRow at = runtime.Executions(waiting.Id)[^1];
        lock (_effects)
        {
            bool isDone = waiting.DefinitionId == "once" && at.ActivityId == "b"
                && _effects.Contains(string.Create(CultureInfo.InvariantCulture, $"{waiting.Id}/{at.Seq}-{at.ActivityId}"));
            return isDone ? new Alteration.Skip() : new Alteration.Retry();
        }
    }

    private static IEnumerable<InstanceRow> Open(WorkflowRuntime runtime) =>
        new[] { InstanceStatus.Waiting, InstanceStatus.Running, InstanceStatus.Compensating, InstanceStatus.Suspended }
            .SelectMany(status => runtime.Instances(new InstanceFilter(null, status, Limit: int.MaxValue)));

    private static IEnumerable<string> InDoubt(WorkflowRuntime runtime, InstanceRow instance) => runtime.Executions(instance.Id)
        .Where(e => e.Status is ExecutionStatus.Running or ExecutionStatus.Compensating)
        .Select(e => string.Create(CultureInfo.InvariantCulture, $"{instance.Id}/{e.Seq}-{e.ActivityId}{(e.Status == ExecutionStatus.Compensating ? "/undo" : "")}"));

    public void Dispose()
    {
        _ledger.Dispose();
        _accepted.Dispose();
        _answers.Dispose();
    }

    private sealed record LedgerInput(string Step, string Key, string Lane);

    private sealed class LedgerActivity(Load load, Ledger ledger, HashSet<string> effects, Lanes lanes) : Activity<LedgerInput, Nothing>
    {
        public override string Type => "Test.Ledger";
        public override bool CanCompensate => true;
        public override bool CanProbe => true;

        public override Task<Nothing> ExecuteAsync(LedgerInput input, ActivityExecution execution, CancellationToken ct)
        {
            int n = int.Parse(input.Key.AsSpan(1), CultureInfo.InvariantCulture);
            string kind = load.Start(n).DefinitionId;
            using var work = lanes.Work(input.Lane, execution.Instance, isExclusive: kind is "plain" or "refused" or "flaky");
            ledger.Write($"+{input.Key}/{input.Step} {execution.IdempotencyKey}");
            lock (effects) effects.Add(execution.IdempotencyKey);
            if (kind == "flaky") Fail(n, input.Step, execution);
            return kind == "refused" && input.Step == "c" ? throw new RefusalException("always") : Task.FromResult(Nothing.Instance);
        }

        public override Task<ProbeResult<Nothing>> ProbeAsync(LedgerInput input, ActivityExecution execution, CancellationToken ct)
        {
            lock (effects)
            {
                return Task.FromResult(effects.Contains(execution.IdempotencyKey)
                    ? new ProbeResult<Nothing>(ProbeOutcome.Done, Nothing.Instance)
                    : new ProbeResult<Nothing>(ProbeOutcome.NotDone));
            }
        }

        public override Task CompensateAsync(LedgerInput input, Nothing? output, ActivityExecution execution, CancellationToken ct)
        {
            ledger.Write($"-{input.Key}/{input.Step} {execution.IdempotencyKey}");
            Fail(int.Parse(input.Key.AsSpan(1), CultureInfo.InvariantCulture), input.Step, execution);
            return Task.CompletedTask;
        }

        private void Fail(int n, string step, ActivityExecution execution)
        {
            if (!load.Fails(n, step, execution.Attempt)) return;
            ledger.Write($"~ {execution.IdempotencyKey}");
            throw new IOException("passing");
        }
    }

    /// <summary>Who is at work in which lane.</summary>
    private sealed class Lanes(Ledger ledger)
    {
        private readonly ConcurrentDictionary<(string Lane, InstanceId Instance), bool> _work = new();

        public IDisposable Work(string lane, InstanceId instance, bool isExclusive)
        {
            _work[(lane, instance)] = isExclusive;
            foreach (((string other, InstanceId by), bool exclusive) in _work)
            {
                if (other == lane && by != instance && (exclusive || isExclusive)) ledger.Write($"conflict {lane} {instance} {by}");
            }
            return new Done(() => _work.TryRemove((lane, instance), out _));
        }

        private sealed class Done(Action end) : IDisposable
        {
            public void Dispose() => end();
        }
    }
}
