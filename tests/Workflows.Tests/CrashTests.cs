using System.Text.Json;
using System.Text.Json.Nodes;
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
        ["altered-retry"] = Altered("+b", "a b c", InstanceStatus.Finished, new Alteration.Retry()),
        ["altered-skip"] = Altered("+b", "a c", InstanceStatus.Finished, new Alteration.Skip(new JsonObject { ["handle"] = "h" })),
        ["altered-compensate"] = Altered("+b", "", InstanceStatus.Compensated, new Alteration.Compensate()),
        ["altered-cancel"] = Altered("+c", "", InstanceStatus.Cancelled, new Alteration.Cancel()),
        ["altered-terminate"] = Altered("+b", "a", InstanceStatus.Cancelled, new Alteration.Terminate()),
        ["altered-undoing"] = new(
            [Definition.Ensure("a"), Definition.Ensure("b"), Definition.Ensure("c")], [("+c", new RefusalException("no"))], "",
            InstanceStatus.Compensated, "-b", new Alteration.Retry()),
        ["altered-variable"] = Altered(
            "+b", "a b c", InstanceStatus.Finished,
            new Alteration.ModifyVariable("Handle", JsonSerializer.SerializeToElement("h")), new Alteration.Retry()),
    };

    private static Scenario Altered(string standing, string text, InstanceStatus status, params Alteration[] alterations) => new(
        [Definition.Ensure("a"), Definition.Ensure("b"), Definition.Ensure("c")], [], text, status, standing, alterations);

    [Theory]
    [InlineData("succeeds")]
    [InlineData("retries")]
    [InlineData("compensates")]
    [InlineData("altered-retry")]
    [InlineData("altered-skip")]
    [InlineData("altered-compensate")]
    [InlineData("altered-cancel")]
    [InlineData("altered-terminate")]
    [InlineData("altered-undoing")]
    [InlineData("altered-variable")]
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
    [InlineData("altered-retry")]
    [InlineData("altered-cancel")]
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
        engine.Definitions.Add(Definition.Of("crash", scenario.Standing is null ? "" : """ "onFault": "Suspend" """, scenario.Steps));
        foreach (var group in scenario.Faults.GroupBy(f => f.Call)) engine.Kernel.FailNext(group.Key, [.. group.Select(g => g.Fault)]);

        // Longer than any life: only the operator ends it.
        if (scenario.Standing is { } standing) engine.Kernel.FailNext(standing, [.. Enumerable.Repeat(new IOException("standing"), 50)]);

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
                if (answer.Outcome == WorkflowOutcome.Faulted) await OperateAsync(engine, scenario, answer.Instance);
                await engine.EventsUntil(IsEnd);
            }
            catch (RuntimeStoppedException)
            {
            }
            if (life < crashes.Length) await engine.Runtime.DisposeAsync();
        }

        await AssertInvariantsAsync(engine, scenario, lives.Count(l => l.Crashed));
        return lives[0].Passed;
    }

    /// <summary>An operator who looks what is done already, and does the rest.</summary>
    private static async Task OperateAsync(Engine engine, Scenario scenario, InstanceId id)
    {
        if (scenario.Alterations[^1] is Alteration.Retry or Alteration.Skip) engine.Kernel.Faults.TryRemove(scenario.Standing!, out _);
        foreach (Alteration alteration in scenario.Alterations.Skip(engine.Runtime.Audit(id).Count))
            await engine.Runtime.AlterAsync(id, alteration, "alice", "test", Engine.Token).WaitAsync(Engine.Patience);
    }

    private static bool IsEnd(JournalEvent e) => e.Kind is JournalEventKind.Finished or JournalEventKind.Compensated or JournalEventKind.Cancelled;

    private static async Task AssertInvariantsAsync(Engine engine, Scenario scenario, int crashes)
    {
        InstanceRow instance = Assert.Single(engine.Runtime.Instances(new InstanceFilter(null, null)));
        Assert.Equal((scenario.Status, scenario.Text), (instance.Status, engine.Kernel.Text));
        foreach ((string key, int effects) in engine.Kernel.EffectsByKey)
        {
            string thing = key[(key.IndexOf('-', StringComparison.Ordinal) + 1)..];
            string call = thing.EndsWith("/undo", StringComparison.Ordinal) ? "-" + thing[..^5] : "+" + thing;
            int operated = call == scenario.Standing ? 1 : 0;
            Assert.InRange(effects, 1, 1 + crashes + operated + scenario.Faults.Count(f => f.Call == call));
        }

        var events = await engine.EventsUntil(IsEnd);
        Assert.Equal(Enumerable.Range(1, events.Count).Select(n => (long)n), events.Select(e => e.Seq));
        Assert.All(
            events.Where(e => e.Kind is JournalEventKind.StepCompleted or JournalEventKind.StepCompensated).GroupBy(e => (e.Kind, e.ActivityId)),
            group => Assert.Single(group));
        string[] undone = [.. events.Where(e => e.Kind == JournalEventKind.StepCompensated).Select(e => e.ActivityId!)];
        string[] undoable = [.. engine.Runtime.Executions(instance.Id).Where(e => e.ActivityId != "keep" && e.ActivityType == "Test.Ensure").Select(e => e.ActivityId).Distinct()];
        bool isUndone = scenario.Status != InstanceStatus.Finished && !scenario.Alterations.Any(a => a is Alteration.Terminate);
        Assert.Equal(isUndone ? undoable.Reverse() : [], undone);
        // Each alteration once, with its audit row; no incident outlives the instance.
        Assert.Equal(scenario.Alterations.Select(a => a.Name), engine.Runtime.Audit(instance.Id).Select(a => a.Alteration));
        Assert.Equal(scenario.Alterations.Length, events.Count(e => e.Kind == JournalEventKind.Altered));
        Assert.Empty(engine.Runtime.Incidents(new IncidentFilter(OpenOnly: true)));
        Assert.Empty(engine.Stops);
    }

    /// <param name="Standing">A call that faults until the operator acts.</param>
    private sealed record Scenario(
        string[] Steps, (string Call, Exception Fault)[] Faults, string Text, InstanceStatus Status, string? Standing = null,
        params Alteration[] Alterations);
}
