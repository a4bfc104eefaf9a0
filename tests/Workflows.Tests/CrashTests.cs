using System.Globalization;
using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Workflows.Tests;

/// <summary>A crash at every point the engine passes, alone and followed by another during recovery.</summary>
/// <remarks>
/// Invariants after the last restart: the instance is terminal, the kernel's text is that of a run without a crash, each execution
/// touched the kernel at most once per crash and injected fault more than once, events have no gap, executions completed once.
/// </remarks>
public sealed class CrashTests
{
    private const string Retry = """ "compensate": true, "retry": {"initialInterval": "00:00:00.001", "attempts": 3} """;

    private static readonly Dictionary<string, Scenario> Scenarios = new()
    {
        ["succeeds"] = new(
            [Definition.Ensure("a"), Definition.Respond, Definition.Ensure("b"), Definition.Ensure("c")], [], "a b c", InstanceStatus.Finished),
        ["retries"] = new(
            [Definition.Ensure("a"), Definition.Ensure("b", Retry), Definition.Respond, Definition.Ensure("c")],
            [("+b", new IOException("1")), ("+b", new IOException("2"))],
            "a b c",
            InstanceStatus.Finished),
        ["compensates"] = new(
            [Definition.Ensure("a"), Definition.Ensure("b", Retry), Definition.Ensure("keep", ""), Definition.Ensure("c")],
            [("+c", new RefusalException("no")), ("-b", new IOException("1"))],
            "keep",
            InstanceStatus.Compensated),
    };

    [Theory]
    [InlineData("succeeds")]
    [InlineData("retries")]
    [InlineData("compensates")]
    public async Task CrashAtEveryPoint_EndsAsIfThereWasNone(string name)
    {
        List<string> points = await RunAsync(Scenarios[name]);
        for (int at = 1; at <= points.Count; at++)
        {
            List<string> passed = await RunAsync(Scenarios[name], at);
            Assert.Equal(points.Take(at), passed);
        }
        TestContext.Current.SendDiagnosticMessage("{0}: {1} crash points", name, points.Count);
    }

    [Theory]
    [InlineData("retries")]
    [InlineData("compensates")]
    public async Task CrashAgainDuringRecovery_EndsAsIfThereWasNone(string name)
    {
        int points = (await RunAsync(Scenarios[name])).Count;
        for (int at = 1; at <= points; at++)
        {
            for (int again = 1; again <= 5; again += 2) await RunAsync(Scenarios[name], at, again);
        }
    }

    [Fact]
    public async Task Points_HaveTheNamesThatTheDaemonIsToldOf()
    {
        Assert.Equal(
            """
            crash/accept/before-enqueue
            crash/accept/before-commit
            crash/accept/after-commit
            crash/a/before-effect
            crash/a/after-effect
            crash/a/before-enqueue
            crash/a/before-commit
            crash/a/after-commit
            """,
            string.Join('\n', (await RunAsync(Scenarios["succeeds"])).Take(8)));
    }

    /// <summary>Runs with a crash at the nth point of each life in turn, then to the end; the points of the first life.</summary>
    private static async Task<List<string>> RunAsync(Scenario scenario, params int[] crashes)
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("crash", "", scenario.Steps));
        foreach (var group in scenario.Faults.GroupBy(f => f.Call)) engine.Kernel.FailNext(group.Key, [.. group.Select(g => g.Fault)]);

        var lives = new List<CrashAt>();
        InstanceId? accepted = null;
        for (int life = 0; life <= crashes.Length; life++)
        {
            lives.Add(new CrashAt(life < crashes.Length ? crashes[life] : int.MaxValue));
            engine.Options = engine.Options with { CrashPoints = lives[life] };
            await engine.RunAsync();
            try
            {
                // The caller asks again with the same key, as dockerd's bridge does.
                WorkflowAnswer answer = await engine.RunAsync("crash", "key");
                accepted ??= answer.Instance;
                Assert.Equal(accepted, answer.Instance);
                await engine.EventsUntil(e => e.Kind is JournalEventKind.Finished or JournalEventKind.Compensated);
            }
            catch (RuntimeStoppedException)
            {
            }
            if (life < crashes.Length) await engine.Runtime.DisposeAsync();
        }

        await AssertInvariantsAsync(engine, scenario, lives.Count(l => l.Crashed));
        return lives[0].Passed;
    }

    private static async Task AssertInvariantsAsync(Engine engine, Scenario scenario, int crashes)
    {
        InstanceRow instance = Assert.Single(engine.Runtime.Instances(new InstanceFilter(null, null)));
        Assert.Equal((scenario.Status, scenario.Text), (instance.Status, engine.Kernel.Text));
        foreach ((string key, int effects) in engine.Kernel.EffectsByKey)
        {
            string thing = key[(key.IndexOf('-', StringComparison.Ordinal) + 1)..];
            string call = thing.EndsWith("/undo", StringComparison.Ordinal) ? "-" + thing[..^5] : "+" + thing;
            Assert.InRange(effects, 1, 1 + crashes + scenario.Faults.Count(f => f.Call == call));
        }

        var events = await engine.EventsUntil(e => e.Kind is JournalEventKind.Finished or JournalEventKind.Compensated);
        Assert.Equal(Enumerable.Range(1, events.Count).Select(n => (long)n), events.Select(e => e.Seq));
        Assert.All(
            events.Where(e => e.Kind is JournalEventKind.StepCompleted or JournalEventKind.StepCompensated).GroupBy(e => (e.Kind, e.ActivityId)),
            group => Assert.Single(group));
        string[] undone = [.. events.Where(e => e.Kind == JournalEventKind.StepCompensated).Select(e => e.ActivityId!)];
        string[] undoable = [.. engine.Runtime.Executions(instance.Id).Where(e => e.ActivityId != "keep" && e.ActivityType == "Test.Ensure").Select(e => e.ActivityId)];
        Assert.Equal(scenario.Status == InstanceStatus.Compensated ? undoable.Reverse() : [], undone);
        Assert.Empty(engine.Stops);
    }

    private sealed record Scenario(string[] Steps, (string Call, Exception Fault)[] Faults, string Text, InstanceStatus Status);

    private sealed class CrashAt(int nth) : ICrashPoints
    {
        private readonly Lock _gate = new();

        public List<string> Passed { get; } = [];
        public bool Crashed { get; private set; }

        public void Pass(CrashPoint point)
        {
            lock (_gate)
            {
                if (Crashed) return;
                Passed.Add(point.ToString());
                Crashed = Passed.Count == nth;
                if (Crashed) throw new SimulatedCrashException(point);
            }
        }

        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"crash at {nth}");
    }
}
