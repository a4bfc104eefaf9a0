using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Workflows.Tests;

/// <summary>What happens to a step in doubt that must not simply run again.</summary>
public sealed class RecoveryModeTests
{
    private const string Once = """ "compensate": true, "recovery": "AtMostOnce" """;

    [Fact]
    public async Task AtMostOnce_CrashAtEveryPoint_NeverRunsTwice_AndWaitsForAnOperatorWhenInDoubt()
    {
        int points = int.MaxValue, inDoubt = 0;
        for (int at = 1; at <= points; at++)
        {
            await using var engine = new Engine();
            engine.Definitions.Add(Definition.Of("once", "", Definition.Ensure("a"), Definition.Ensure("b", Once), Definition.Ensure("c")));
            CrashAt crash = await LiveAsync(engine, "once", at);
            if (!crash.Crashed) points = at;
            WorkflowAnswer answer = await AfterwardsAsync(engine, "once");
            if (answer.Outcome == WorkflowOutcome.Faulted)
            {
                inDoubt++;
                Assert.Equal(
                    "b: in doubt: the process ended while it ran, and it must not run twice by itself; retry, skip or compensate", answer.Error);
                // Suspended it stays, over a restart too.
                await engine.RestartAsync();
                await engine.Runtime.AlterAsync(
                    answer.Instance, new Alteration.Skip(new() { ["handle"] = "h" }), "alice", "looked", Engine.Token);
                answer = await engine.Runtime.AnswerAsync(answer.Instance, Engine.Token).WaitAsync(Engine.Patience);
            }
            Assert.Equal(WorkflowOutcome.Finished, answer.Outcome);
            Assert.InRange(engine.Kernel.Calls.Count(c => c.StartsWith("+b", StringComparison.Ordinal)), 0, 1);
        }
        // After the commit that begins it, before and after the effect, before and in the commit that ends it.
        Assert.Equal(5, inDoubt);
    }

    [Fact]
    public async Task AtMostOnce_NoResultInTime_WaitsForAnOperator_WhoCompensates()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of(
            "once", "", Definition.Ensure("a"),
            Definition.Gate("g").Replace(
                "\"type\"",
                """ "customProperties": {"recovery": "AtMostOnce", "timeout": "00:00:00.05", "retry": {"initialInterval": "00:00:00.001", "attempts": 9}}, "type" """,
                StringComparison.Ordinal)));
        await engine.RunAsync();

        WorkflowAnswer answer = await engine.RunAsync("once", "k");

        Assert.Equal((WorkflowOutcome.Faulted, "no result within 00:00:00.0500000"), (answer.Outcome, answer.Error));
        await engine.Runtime.AlterAsync(answer.Instance, new Alteration.Compensate(), "alice", "not done", Engine.Token);
        Assert.Equal(WorkflowOutcome.Compensated, (await engine.Runtime.AnswerAsync(answer.Instance, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
        Assert.Equal("", engine.Kernel.Text);
    }

    [Fact]
    public async Task Probe_CrashAtEveryPoint_HasItsEffectOnce()
    {
        int points = int.MaxValue;
        for (int at = 1; at <= points; at++)
        {
            await using var engine = new Engine();
            AddProbed(engine);
            CrashAt crash = await LiveAsync(engine, "probed", at);
            if (!crash.Crashed) points = at;
            WorkflowAnswer answer = await AfterwardsAsync(engine, "probed");

            Assert.Equal((WorkflowOutcome.Finished, "a b c"), (answer.Outcome, engine.Kernel.Text));
            Assert.Equal(1, Assert.Single(engine.Kernel.EffectsByKey, e => e.Key.EndsWith("-b", StringComparison.Ordinal)).Value);
        }
        Assert.InRange(points, 15, 50);
    }

    [Fact]
    public async Task Probe_BeforeARetryToo_AndUnknownIsAnIncident()
    {
        await using var engine = new Engine();
        ProbedActivity probed = AddProbed(engine);
        await engine.RunAsync();
        probed.ThrowAfterwards = true;
        probed.Unknown = "the switch does not answer";

        WorkflowAnswer answer = await engine.RunAsync("probed", "k");
        Assert.Equal(
            (WorkflowOutcome.Faulted, "whether an earlier attempt had its effect is unknown: the switch does not answer"),
            (answer.Outcome, answer.Error));
        probed.Unknown = null;
        await engine.Runtime.AlterAsync(answer.Instance, new Alteration.Retry(), "alice", "it answers", Engine.Token);
        answer = await engine.Runtime.AnswerAsync(answer.Instance, Engine.Token).WaitAsync(Engine.Patience);

        Assert.Equal((WorkflowOutcome.Finished, "a b c"), (answer.Outcome, engine.Kernel.Text));
        Assert.Single(engine.Kernel.Calls, c => c.StartsWith("+b", StringComparison.Ordinal));
    }

    private static ProbedActivity AddProbed(Engine engine)
    {
        var probed = new ProbedActivity(engine.Kernel);
        engine.Catalog.Add(probed);
        engine.Definitions.Add(Definition.Of(
            "probed", "", Definition.Ensure("a"),
            Definition.Ensure("b", """ "retry": {"initialInterval": "00:00:00.001", "attempts": 3} """).Replace("Test.Ensure", "Test.Probed", StringComparison.Ordinal),
            Definition.Ensure("c")));
        return probed;
    }

    /// <summary>A life that ends at the nth point, if there are so many.</summary>
    private static async Task<CrashAt> LiveAsync(Engine engine, string definition, int at)
    {
        var crash = new CrashAt(at);
        engine.Options = engine.Options with { CrashPoints = crash };
        await engine.RunAsync();
        try
        {
            await engine.RunAsync(definition, "k");
            await engine.EventsUntil(e => e.Kind == JournalEventKind.Finished);
        }
        catch (RuntimeStoppedException)
        {
        }
        await engine.Runtime.DisposeAsync();
        return crash;
    }

    private static async Task<WorkflowAnswer> AfterwardsAsync(Engine engine, string definition)
    {
        engine.Options = engine.Options with { CrashPoints = null };
        await engine.RunAsync();
        return await engine.RunAsync(definition, "k");
    }

    /// <summary>Looks into the kernel whether it has done its work.</summary>
    private sealed class ProbedActivity(FakeKernel kernel) : Activity<EnsureInput, EnsureOutput>
    {
        public bool ThrowAfterwards { get; set; }
        public string? Unknown { get; set; }
        public override string Type => "Test.Probed";
        public override RecoveryMode Recovery => RecoveryMode.Probe;
        public override bool CanProbe => true;

        public override Task<EnsureOutput> ExecuteAsync(EnsureInput input, ActivityExecution execution, CancellationToken ct)
        {
            kernel.Ensure(input.Thing, execution);
            return ThrowAfterwards ? throw new IOException("the answer was lost") : Task.FromResult(new EnsureOutput("h", 1));
        }

        public override Task<ProbeResult<EnsureOutput>> ProbeAsync(EnsureInput input, ActivityExecution execution, CancellationToken ct) =>
            Task.FromResult(
                Unknown is not null ? new ProbeResult<EnsureOutput>(ProbeOutcome.Unknown, Why: Unknown)
                : kernel.Text.Split(' ').Contains(input.Thing) ? new ProbeResult<EnsureOutput>(ProbeOutcome.Done, new EnsureOutput("h", 1))
                : new ProbeResult<EnsureOutput>(ProbeOutcome.NotDone));
    }
}
