using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Workflows;
using FlannelFlow.Workflows.Tests.Kit;
using static FlannelFlow.Workflows.Tests.Kit.Definition;

namespace FlannelFlow.Durability.Tests.Crashes;

/// <summary>Definitions for the engine's sake: what it can do and no shipped definition does (yet).</summary>
internal static class EngineScenarios
{
    private const string Retry = """ "compensate": true, "retry": {"initialInterval": "00:00:00.1", "attempts": 3} """;

    public static IReadOnlyList<Scenario> All { get; } =
    [
        Of("succeeds", "", Ensure("a"), Respond, Ensure("b"), Ensure("c")),
        Of("retries", "", Ensure("a"), Ensure("b", Retry), Respond, Ensure("c")) with
        {
            Faults = [("+b", new IOException("1")), ("+b", new IOException("2"))],
        },
        Of("compensates", "", Ensure("a"), Ensure("b", Retry), Ensure("keep", ""), Ensure("c")) with
        {
            Faults = [("+c", new RefusalException("no")), ("-b", new IOException("1"))],
        },
        Of("continues", "", Ensure("a"), Ensure("b", """ "onFault": "Continue" """), Ensure("c")) with
        {
            Broken = ["+b"],
        },
        Of("probes", "", Ensure("a"), Ensure("b", Retry).Replace("Test.Ensure", "Test.Probed", StringComparison.Ordinal), Ensure("c")),
        Altered("altered-retry", "+b", new Alteration.Retry()),
        Altered("altered-skip", "+b", new Alteration.Skip(new JsonObject { ["handle"] = "h" })),
        Altered("altered-compensate", "+b", new Alteration.Compensate()),
        Altered("altered-cancel", "+c", new Alteration.Cancel()),
        Altered("altered-terminate", "+b", new Alteration.Terminate()),
        Altered("altered-variable", "+b", new Alteration.ModifyVariable("Handle", JsonSerializer.SerializeToElement("h")), new Alteration.Retry()),
        Of("altered-undoing", "", Ensure("a"), Ensure("b"), Ensure("c")) with
        {
            Faults = [("+c", new RefusalException("no"))],
            Broken = ["-b"],
            Operator = [new Alteration.Retry()],
        },
        OfTree("parallel", Sequence(
            "all",
            Parallel("fork", Sequence("one", Ensure("a"), Delay("d", "00:01:00"), Ensure("b", Retry)), ForEach("loop", EnsureOf("each", "Item")), If("if", "Yes", Ensure("c"))),
            Ensure("e"))) with
        {
            Faults = [("+b", new IOException("1"))],
        },
        OfTree("parallel-undone", Sequence("all", Parallel("fork", Sequence("one", Ensure("a"), Ensure("b")), Ensure("c", Retry)), ForEach("loop", EnsureOf("each", "Item")), Ensure("e"))) with
        {
            Faults = [("+e", new RefusalException("no")), ("-c", new IOException("1"))],
        },
        OfTree("fork-any", Sequence("all", Fork("fork", "WaitAny", Event("never", "nobody-sends-it"), Ensure("a")), Ensure("b"))),
        OfTree("if-else", Sequence("all", Ensure("a"), If("if", "No", Ensure("b"), Sequence("else", Ensure("c"), Ensure("d"))), Ensure("e"))),
        OfTree("foreach", Sequence("all", Ensure("a"), ForEach("loop", Sequence("body", EnsureOf("each", "Item"), Delay("d", "00:00:30"))), Ensure("b"))),
        OfTree("flowchart", Flowchart("chart", [Ensure("a"), Decision("yes", "Yes"), Ensure("b"), Ensure("c"), Ensure("join")], "a yes", "yes:True b", "yes:False c", "b join", "c join")),
        OfTree("delay", Sequence("all", Ensure("a"), Delay("d", "00:10:00"), Respond, Ensure("b"))),
        OfTree("signal", Sequence("all", Event("first", "go"), Ensure("a"), Event("second", "go"), RespondWith("Payload"), Ensure("b"))) with { React = SendTwoAsync },
        OfTree("signal-in-parallel", Sequence("all", Parallel("fork", Event("first", "go"), Sequence("one", Ensure("a"), Ensure("b")), Event("second", "go")), Ensure("c"))) with { React = SendTwoAsync },
        OfFamily("child", InLane("outer", "Exclusive", Ensure("a"), Dispatch("child", "inner"), Respond, Ensure("b"))),
        OfFamily("child-refused", InLane("outer", "Exclusive", Ensure("a"), Dispatch("child", "inner"), Ensure("b"))) with
        {
            Faults = [("+c2", new RefusalException("no"))],
        },
        OfFamily("child-undone", InLane("outer", "Exclusive", Ensure("a"), Dispatch("child", "inner", """ "compensate": true, "undoWith": "undo" """), Ensure("b"))) with
        {
            Faults = [("+b", new RefusalException("no"))],
        },
        OfFamily("children", Tree(
            "outer", Sequence("all", Parallel("fork", Dispatch("one", "inner"), Sequence("two", Dispatch("undo", "undo"), Ensure("a"))), Ensure("b")),
            """ "lanes": [ {"key": "net/{Net}", "mode": "Exclusive"} ] """).Replace("""{"name": "Net", "type": "String", "isRequired": false}""", """{"name": "Net", "type": "String"}""", StringComparison.Ordinal)),
        Of("transactional", "", Ensure("a"), Tally, Ensure("b")),
        Of("transactional-undone", "", Ensure("a"), Tally, Ensure("b")) with { Faults = [("+b", new RefusalException("no"))] },
    ];

    private const string Tally = """
        { "id": "tally", "type": "Test.Tally", "customProperties": {"compensate": true},
          "label": {"typeName": "String", "expression": {"type": "Literal", "value": "t"}},
          "handle": {"typeName": "String", "memoryReference": {"id": "Handle"}} }
        """;

    private static Scenario OfTree(string name, string root) => new(
        $"engine/{name}", [new DefinitionFile($"{name}.json", Tree("crash", root))], Catalog,
        new StartWorkflow("crash", "key", new JsonObject { ["Items"] = new JsonArray("p", "q") }));

    private static Scenario OfFamily(string name, string outer) => new(
        $"engine/{name}",
        [
            new DefinitionFile("outer.json", outer),
            new DefinitionFile("inner.json", InLane("inner", "Exclusive", Ensure("c1"), Ensure("c2"))),
            new DefinitionFile("undo.json", InLane("undo", "Shared", Ensure("undone"))),
        ],
        Catalog, new StartWorkflow("outer", "key", new JsonObject { ["Net"] = "n" }));

    /// <summary>Sends two signals, and sends them again in every life: with the same ids they stay two.</summary>
    private static async Task SendTwoAsync(WorkflowRuntime runtime, JournalEvent happened)
    {
        if (happened is not { Kind: JournalEventKind.StepWaits, ActivityId: "first" }) return;
        foreach (string id in (string[])["s1", "s2"])
            await runtime.SignalAsync(new Signal("go", "key", JsonSerializer.SerializeToElement("same"), id), CancellationToken.None);
    }

    private static Scenario Of(string name, string custom, params string[] steps) => new(
        $"engine/{name}", [new DefinitionFile($"{name}.json", Definition.Of("crash", custom, steps))], Catalog,
        new StartWorkflow("crash", "key", new JsonObject()));

    private static Scenario Altered(string name, string broken, params Alteration[] alterations) =>
        Of(name, """ "onFault": "Suspend" """, Ensure("a"), Ensure("b"), Ensure("c")) with
        {
            Broken = [broken],
            Operator = alterations,
        };

    private static ActivityCatalog Catalog(FakeKernel kernel) => new ActivityCatalog().Add(new EnsureActivity(kernel)).Add(new ProbedActivity(kernel)).Add(new TallyActivity());

    /// <summary>Looks into the kernel whether it has done its work.</summary>
    private sealed class ProbedActivity(FakeKernel kernel) : Activity<EnsureInput, EnsureOutput>
    {
        public override string Type => "Test.Probed";
        public override RecoveryMode Recovery => RecoveryMode.Probe;
        public override bool CanCompensate => true;
        public override bool CanProbe => true;

        public override Task<EnsureOutput> ExecuteAsync(EnsureInput input, ActivityExecution execution, CancellationToken ct)
        {
            kernel.Ensure(input.Thing, execution);
            return Task.FromResult(new EnsureOutput("h-" + input.Thing, input.Size));
        }

        public override Task<ProbeResult<EnsureOutput>> ProbeAsync(EnsureInput input, ActivityExecution execution, CancellationToken ct) =>
            Task.FromResult(kernel.Has(input.Thing)
                ? new ProbeResult<EnsureOutput>(ProbeOutcome.Done, new EnsureOutput("h-" + input.Thing, input.Size))
                : new ProbeResult<EnsureOutput>(ProbeOutcome.NotDone));

        public override Task CompensateAsync(EnsureInput input, EnsureOutput? output, ActivityExecution execution, CancellationToken ct)
        {
            kernel.EnsureNot(input.Thing, execution);
            return Task.CompletedTask;
        }
    }

    private sealed record TallyInput(string Label);

    private sealed record TallyOutput(string Handle);

    /// <summary>In the journal's own database, and not idempotent: a second effect would be a second count in its output.</summary>
    private sealed class TallyActivity : TransactionalActivity<TallyInput, TallyOutput>
    {
        public override string Type => "Test.Tally";
        public override bool CanCompensate => true;
        public override string Tables => "CREATE TABLE IF NOT EXISTS tallies (name TEXT PRIMARY KEY, n INTEGER NOT NULL, CHECK (n BETWEEN 0 AND 1))";

        public override TallyOutput Execute(TallyInput input, ActivityExecution execution, JournalDatabase database)
        {
            database.Execute("INSERT INTO tallies VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1", input.Label);
            return new TallyOutput($"{input.Label}={database.Scalar("SELECT n FROM tallies WHERE name = ?", input.Label)}");
        }

        public override void Undo(TallyInput input, TallyOutput? output, ActivityExecution execution, JournalDatabase database)
        {
            if (output is not null) database.Execute("UPDATE tallies SET n = n - 1 WHERE name = ?", input.Label);
        }
    }
}
