using System.Globalization;
using FlannelFlow.Workflows;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Durability.Tests.Kills;

/// <summary>What ledger, answers and journal agree on after the last run.</summary>
/// <param name="Early">Kills during the start of the process.</param>
/// <param name="Effects">Lines of the ledger that are effects.</param>
/// <param name="Repeated">Effects beyond one per execution.</param>
/// <param name="Allowed">How many of those there could have been: one per execution found in doubt at a start, one per fault.</param>
/// <param name="Operated">What an operator had to decide: an AtMostOnce step was in doubt, or an instance under way at too many ends.</param>
internal sealed record Agreement(int Kills, int Early, int Instances, int Accepted, int Effects, int Repeated, int Allowed, int Operated)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"""
        {Kills} kills, {Early} of them during the start; {Instances} instances, {Accepted} starts told as accepted, 0 lost;
        {Effects} effects, {Repeated} repeated, {Allowed} repetitions allowed, 0 beyond; {Operated} times an operator had to decide
        """);

    /// <summary>Throws <see cref="DisagreementException"/> with the first thing that does not agree.</summary>
    public static async Task<Agreement> CheckAsync(string folder, int kills, int early)
    {
        var ledger = new Reading(Lines(folder, "ledger"));
        var catalog = new ActivityCatalog().Add(new Silent());
        var options = new WorkflowRuntimeOptions { JournalPath = Path.Combine(folder, "journal.db") };
        await using WorkflowRuntime runtime = await WorkflowRuntime.OpenAsync(
            options, catalog, DefinitionLoader.Load(Load.Definitions, catalog), TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        var instances = runtime.Instances(new InstanceFilter(null, null, Limit: int.MaxValue));
        var byKey = new Dictionary<string, InstanceRow>(StringComparer.Ordinal);
        foreach (InstanceRow row in instances) Check(byKey.TryAdd(row.IdempotencyKey, row), $"{row.IdempotencyKey} was accepted twice");

        string[] accepted = [.. Lines(folder, "accepted").Distinct()];
        foreach (string key in accepted) Check(byKey.ContainsKey(key), $"{key} was accepted, the journal does not know it");
        foreach (string[] answer in Lines(folder, "answers").Select(line => line.Split(' ')))
            Check(IsAnswer(byKey.GetValueOrDefault(answer[0]), answer[1]), $"{answer[0]} was told {answer[1]}, the journal says {byKey.GetValueOrDefault(answer[0])?.Status}");

        foreach (InstanceRow row in instances) CheckInstance(runtime, row, ledger);
        Check(ledger.Conflicts.Count == 0, string.Join("; ", ledger.Conflicts));
        // A repeated effect is one that was found in doubt, or had failed.
        foreach ((string key, int times) in ledger.Effects)
            Check(times <= 1 + ledger.Allowed.GetValueOrDefault(key), $"{key} had its effect {times} times, {1 + ledger.Allowed.GetValueOrDefault(key)} are allowed");

        var expected = instances.SelectMany(row => Things(runtime, row)).ToHashSet(StringComparer.Ordinal);
        expected.SymmetricExceptWith(ledger.Things);
        Check(expected.Count == 0, $"the kernel of the ledger and the journal differ in {string.Join(' ', expected.Take(20))}");
        await CheckGaplessAsync(runtime);
        return new Agreement(
            kills, early, instances.Count, accepted.Length, ledger.Effects.Values.Sum(), ledger.Effects.Values.Sum(times => times - 1),
            ledger.Allowed.Values.Sum(), instances.Sum(i => runtime.Audit(i.Id).Count));
    }

    private static bool IsAnswer(InstanceRow? row, string outcome) => row?.ToAnswer() is { } answer && answer.Outcome.ToString() == outcome;

    private static void CheckInstance(WorkflowRuntime runtime, InstanceRow row, Reading ledger)
    {
        InstanceStatus expected = row.DefinitionId == "refused" ? InstanceStatus.Compensated : InstanceStatus.Finished;
        Check(row.Status == expected, $"{row.DefinitionId} {row.IdempotencyKey} is {row.Status}: {row.Error}");
        foreach (ExecutionRow e in runtime.Executions(row.Id))
        {
            string key = string.Create(CultureInfo.InvariantCulture, $"{row.Id}/{e.Seq}-{e.ActivityId}");
            int times = ledger.Effects.GetValueOrDefault(key), undone = ledger.Effects.GetValueOrDefault(key + "/undo");
            if (e.ActivityType == "Test.Ledger") Check(times >= 1, $"{key} is {e.Status}, and had no effect");
            Check(e.Status != ExecutionStatus.Compensated || undone >= 1, $"{key} is {e.Status}, and was not undone");
            if (row.DefinitionId is "once" or "probed" && e.ActivityId == "b") Check(times <= 1, $"{key} must have its effect once, and had it {times} times");
        }
    }

    /// <summary>What an instance leaves in the kernel.</summary>
    private static IEnumerable<string> Things(WorkflowRuntime runtime, InstanceRow row)
    {
        if (row.Status == InstanceStatus.Compensated) return [];
        return runtime.Executions(row.Id).Where(e => e.ActivityType == "Test.Ledger").Select(e => $"{row.IdempotencyKey}/{e.ActivityId}");
    }

    private static async Task CheckGaplessAsync(WorkflowRuntime runtime)
    {
        long seq = 0;
        await foreach (JournalEvent e in runtime.FollowAsync(0, CancellationToken.None))
        {
            Check(e.Seq == ++seq, $"event {e.Seq} follows {seq - 1}");
            if (seq >= runtime.CommittedSeq) break;
        }
    }

    private static string[] Lines(string folder, string file) => File.Exists(Path.Combine(folder, file)) ? File.ReadAllLines(Path.Combine(folder, file)) : [];

    private static void Check(bool holds, string otherwise)
    {
        if (!holds) throw new DisagreementException(otherwise);
    }

    /// <summary>The ledger, read.</summary>
    private sealed class Reading
    {
        public Reading(IEnumerable<string> lines)
        {
            foreach (string[] line in lines.Select(line => line.Split(' ')))
            {
                switch (line[0][0])
                {
                    case '+' or '-':
                        if (line[0][0] == '+') Things.Add(line[0][1..]);
                        else Things.Remove(line[0][1..]);
                        Effects[line[1]] = Effects.GetValueOrDefault(line[1]) + 1;
                        break;
                    case '!' or '~':
                        Allowed[line[1]] = Allowed.GetValueOrDefault(line[1]) + 1;
                        break;
                    default:
                        Conflicts.Add(string.Join(' ', line));
                        break;
                }
            }
        }

        public HashSet<string> Things { get; } = new(StringComparer.Ordinal);
        public Dictionary<string, int> Effects { get; } = new(StringComparer.Ordinal);
        public Dictionary<string, int> Allowed { get; } = new(StringComparer.Ordinal);
        public List<string> Conflicts { get; } = [];
    }

    private sealed record SilentInput(string Step, string Key, string Lane);

    /// <summary>So that the definitions load; it runs nothing.</summary>
    private sealed class Silent : Activity<SilentInput, Nothing>
    {
        public override string Type => "Test.Ledger";
        public override bool CanCompensate => true;
        public override bool CanProbe => true;

        public override Task<Nothing> ExecuteAsync(SilentInput input, ActivityExecution execution, CancellationToken ct) => throw new InvalidOperationException();
    }
}

/// <summary>Ledger, answers and journal do not agree.</summary>
internal sealed class DisagreementException(string message) : Exception(message);
