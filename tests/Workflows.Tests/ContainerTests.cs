using FlannelFlow.Workflows.Tests.Kit;
using Microsoft.Extensions.Time.Testing;
using static FlannelFlow.Workflows.Tests.Kit.Definition;

namespace FlannelFlow.Workflows.Tests;

public sealed class ContainerTests
{
    [Fact]
    public async Task Nested_RunInOrder_AndCostNoCommitOfTheirOwn()
    {
        await using Engine engine = await RunningAsync(Tree("nested", Sequence(
            "all",
            Ensure("a"),
            If("choice", "Yes", Sequence("then", ForEach("loop", Sequence("body", EnsureOf("each", "Item"), If("never", "No", Ensure("x")))), Respond), Ensure("y")),
            If("other", "No", null, Ensure("z")))));

        WorkflowAnswer answer = await engine.RunAsync("nested", "k", """{"Items":["p","q"]}""");
        var events = await engine.EventsUntil(e => e.Kind == JournalEventKind.Finished);

        Assert.Equal(WorkflowOutcome.Answered, answer.Outcome);
        Assert.Equal("+a#1 +p#1 +q#1 +z#1", string.Join(' ', engine.Kernel.Calls));
        Assert.Equal(5, engine.Runtime.Commits);
        Assert.Equal(
            """
            Accepted
            StepStarted a#1
            StepCompleted a#1
            ScopeEntered choice#1
            ScopeEntered loop#1
            StepStarted each#1
            StepCompleted each#1
            ScopeEntered never#1
            ScopeLeft never#1
            StepStarted each#1
            StepCompleted each#1
            ScopeEntered never#1
            ScopeLeft never#1
            ScopeLeft loop#1
            Responded respond#1
            ScopeLeft choice#1
            ScopeEntered other#1
            StepStarted z#1
            StepCompleted z#1
            ScopeLeft other#1
            Finished
            """,
            Engine.Print(events));
        Assert.Equal([null, null, 2, 3, 3, 3, 3, 2, null, 9], engine.Runtime.Executions(answer.Instance).Select(e => e.Scope));
    }

    [Fact]
    public async Task Parallel_RunsAtOnce_AndIsUndoneInReverseOfCompletion()
    {
        await using Engine engine = await RunningAsync(Tree("both", Sequence(
            "all",
            Parallel("fork", Sequence("one", Gate("1"), Ensure("a")), Sequence("two", Gate("2"), Ensure("b")), Sequence("none")),
            Ensure("c"))));
        engine.Kernel.FailNext("+c", new RefusalException("no"));
        Task<WorkflowAnswer> answer = engine.RunAsync("both", "k");
        await Task.WhenAll(engine.Gate.Arrived("1"), engine.Gate.Arrived("2")).WaitAsync(Engine.Patience, Engine.Token);

        engine.Gate.Open("2");
        await engine.EventsUntil(e => e is { Kind: JournalEventKind.StepCompleted, ActivityId: "b" });
        engine.Gate.Open("1");

        Assert.Equal(WorkflowOutcome.Compensated, (await answer).Outcome);
        Assert.Equal("+b#1 +a#1 +c#1 -c#1 -a#1 -b#1", string.Join(' ', engine.Kernel.Calls));
    }

    [Fact]
    public async Task Parallel_ARefusalInOneBranch_GivesUpTheOthers_WhichAreUndoneFirst()
    {
        await using Engine engine = await RunningAsync(Tree("both", Parallel(
            "fork", Sequence("one", Ensure("a"), Gate("1"), Ensure("never")), Sequence("two", Gate("2"), Ensure("b")), Delay("long", "10.00:00:00"))));
        engine.Kernel.FailNext("+b", new RefusalException("no"));
        Task<WorkflowAnswer> answer = engine.RunAsync("both", "k");
        await engine.Gate.Arrived("1").WaitAsync(Engine.Patience, Engine.Token);
        engine.Gate.Open("2");

        Assert.Equal((WorkflowOutcome.Compensated, "no"), ((await answer).Outcome, (await answer).Error));
        Assert.Equal("+a#1 +b#1 -b#1 -a#1", string.Join(' ', engine.Kernel.Calls));
        var status = engine.Runtime.Executions((await answer).Instance).ToDictionary(e => e.ActivityId, e => e.Status);
        Assert.Equal((ExecutionStatus.Cancelled, ExecutionStatus.Faulted, ExecutionStatus.Cancelled), (status["long"], status["gate-1"], status["fork"]));
    }

    [Fact]
    public async Task Parallel_ABranchThatStops_HoldsUpNoOther_AndIsMendedByName()
    {
        await using Engine engine = await RunningAsync(Tree(
            "both",
            Parallel("fork", Sequence("one", Ensure("a"), Ensure("a2")), Sequence("two", Ensure("b"), Ensure("b2")), Sequence("three", Gate("g"), Ensure("c"))),
            "\"onFault\": \"Suspend\""));
        engine.Kernel.FailNext("+a", new IOException("on fire"));
        engine.Kernel.FailNext("+b", new IOException("flooded"));
        InstanceId id = (await engine.RunAsync("both", "k")).Instance;
        int suspended = 0;
        await engine.EventsUntil(e => e.Kind == JournalEventKind.Suspended && ++suspended == 2);
        engine.Gate.Open("g");
        await engine.EventsUntil(e => e is { Kind: JournalEventKind.StepCompleted, ActivityId: "c" });
        Assert.Equal(
            [("b", IncidentKind.Fault, 1, "b: flooded"), ("a", IncidentKind.Fault, 1, "a: on fire")],
            engine.Runtime.Incidents(new IncidentFilter(OpenOnly: true)).OrderByDescending(i => i.ActivityId).Select(i => (i.ActivityId, i.Kind, i.Failures, i.Message)));
        // What stands is the same after a restart.
        await engine.RestartAsync();

        var refused = await Assert.ThrowsAsync<InvalidAlterationException>(() => AlterAsync(engine, id, new Alteration.Skip(new() { ["handle"] = "h" })));
        Assert.Equal("skipping: a and b stand; name the one that is meant", refused.Message);
        await AlterAsync(engine, id, new Alteration.Skip(new() { ["handle"] = "h" }, "a"));
        await engine.EventsUntil(e => e is { Kind: JournalEventKind.StepCompleted, ActivityId: "a2" });
        Assert.Equal(InstanceStatus.Suspended, engine.Runtime.Instance(id)!.Status);
        Assert.Equal("b", Assert.Single(engine.Runtime.Incidents(new IncidentFilter(OpenOnly: true))).ActivityId);
        await AlterAsync(engine, id, new Alteration.Retry());

        Assert.Equal(WorkflowOutcome.Finished, (await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
        Assert.Equal("a2 b b2 c", engine.Kernel.Text);
        Assert.Empty(engine.Runtime.Incidents(new IncidentFilter(OpenOnly: true)));
    }

    [Fact]
    public async Task Fork_WaitAny_GoesOnWithTheFirst_AndTheOthersAreInDoubt()
    {
        await using Engine engine = await RunningAsync(Tree("race", Sequence(
            "all",
            Fork("fork", "WaitAny", Sequence("slow", Ensure("a"), Gate("never"), Ensure("x")), Sequence("fast", Gate("2"), Ensure("b")), Delay("long", "10.00:00:00")),
            Ensure("c"))));
        Task<WorkflowAnswer> answer = engine.RunAsync("race", "k");
        await engine.Gate.Arrived("never").WaitAsync(Engine.Patience, Engine.Token);

        engine.Gate.Open("2");

        Assert.Equal(WorkflowOutcome.Finished, (await answer).Outcome);
        Assert.Equal("a b c", engine.Kernel.Text);
        ExecutionRow loser = Assert.Single(engine.Runtime.Executions((await answer).Instance), e => e.ActivityId == "gate-never");
        Assert.Equal((ExecutionStatus.Faulted, "another branch of fork was first"), (loser.Status, loser.Error));
    }

    [Fact]
    public async Task Fork_WaitAny_ABranchWithoutEffect_WinsBeforeTheOthersBegin()
    {
        await using Engine engine = await RunningAsync(Tree("race", Sequence("all", Fork("fork", "WaitAny", Sequence("empty"), Ensure("b")), Ensure("c"))));

        Assert.Equal(WorkflowOutcome.Finished, (await engine.RunAsync("race", "k")).Outcome);
        Assert.Equal("c", engine.Kernel.Text);
    }

    [Fact]
    public async Task ForEach_OverNothing_AndOverTenThousandWithoutEffect()
    {
        await using Engine engine = await RunningAsync(Tree("many", Sequence("all", ForEach("loop", If("never", "No", Ensure("x"))), Ensure("a"))));
        string many = $$"""{"Items":[{{string.Join(',', Enumerable.Range(0, 2000).Select(i => $"\"{i}\""))}}]}""";

        Assert.Equal(WorkflowOutcome.Finished, (await engine.RunAsync("many", "none", """{"Items":[]}""")).Outcome);
        Assert.Equal(WorkflowOutcome.Finished, (await engine.RunAsync("many", "many", many)).Outcome);
        Assert.Equal(4, engine.Runtime.Commits);
    }

    [Fact]
    public async Task Container_WithoutAValue_IsAnIncident_AndRetriedOnceItHasOne()
    {
        await using Engine engine = await RunningAsync(Tree("missing", Sequence("all", ForEach("loop", EnsureOf("each", "Item")), Ensure("b"))));

        WorkflowAnswer answer = await engine.RunAsync("missing", "k");
        Assert.Equal((WorkflowOutcome.Faulted, "'items' is no list: workflow input 'Items' was not given"), (answer.Outcome, answer.Error));
        await AlterAsync(engine, answer.Instance, new Alteration.Retry());
        await engine.EventsUntil(e => e.Kind == JournalEventKind.Suspended, engine.Runtime.CommittedSeq - 1);
        await AlterAsync(engine, answer.Instance, new Alteration.Skip());

        Assert.Equal(WorkflowOutcome.Finished, (await engine.Runtime.AnswerAsync(answer.Instance, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
        Assert.Equal("b", engine.Kernel.Text);
    }

    [Theory]
    [InlineData("Yes", "+a +yes +end")]
    [InlineData("No", "+a +no +end")]
    public async Task Flowchart_DecisionTakesItsPort_AndTheWaysMeet(string variable, string calls)
    {
        await using Engine engine = await RunningAsync(Tree("chart", Flowchart(
            "chart", [Node("start", "Elsa.Start"), Ensure("a"), Decision("?", variable), Ensure("yes"), Ensure("no"), Ensure("end")],
            "start a", "a ?", "?:True yes", "?:False no", "yes end", "no end")));

        Assert.Equal(WorkflowOutcome.Finished, (await engine.RunAsync("chart", "k")).Outcome);
        Assert.Equal(calls, string.Join(' ', engine.Kernel.Calls.Select(c => c[..^2])));
    }

    [Fact]
    public async Task Flowchart_WaysThatPart_MeetOnce_WhenAllThatCanComeHaveCome()
    {
        await using Engine engine = await RunningAsync(Tree("chart", Flowchart(
            "chart", [Ensure("a"), Sequence("left", Gate("l"), Ensure("b")), Ensure("c"), Node("join", "Elsa.FlowJoin"), Ensure("d"), Ensure("e")],
            "a left", "a c", "left join", "c join", "join d", "c e")));
        Task<WorkflowAnswer> answer = engine.RunAsync("chart", "k");
        await engine.EventsUntil(e => e is { Kind: JournalEventKind.StepCompleted, ActivityId: "e" });
        Assert.DoesNotContain("+d#1", engine.Kernel.Calls);
        await engine.RestartAsync();
        engine.Gate.Open("l");

        await Assert.ThrowsAsync<RuntimeStoppedException>(() => answer);
        Assert.Equal(WorkflowOutcome.Finished, (await engine.RunAsync("chart", "k")).Outcome);
        Assert.Equal("a b c d e", engine.Kernel.Text);
        Assert.Single(engine.Kernel.Calls, c => c == "+d#1");
    }

    [Fact]
    public async Task Flowchart_JoinOfAny_GoesOnOnce()
    {
        await using Engine engine = await RunningAsync(Tree("chart", Flowchart(
            "chart", [Ensure("a"), Sequence("left", Gate("l"), Ensure("b")), Ensure("c"), Node("join", "Elsa.FlowJoin", ", \"mode\": {\"typeName\": \"FlowJoinMode\", \"expression\": {\"type\": \"Literal\", \"value\": \"WaitAny\"}}"), Ensure("d")],
            "a left", "a c", "left join", "c join", "join d")));
        Task<WorkflowAnswer> answer = engine.RunAsync("chart", "k");
        await engine.EventsUntil(e => e is { Kind: JournalEventKind.StepCompleted, ActivityId: "d" });
        engine.Gate.Open("l");

        Assert.Equal(WorkflowOutcome.Finished, (await answer).Outcome);
        Assert.Single(engine.Kernel.Calls, c => c == "+d#1");
        Assert.Equal("a b c d", engine.Kernel.Text);
    }

    [Fact]
    public async Task Flowchart_ALoop_RunsUntilItsDecisionLeavesIt()
    {
        await using var engine = new Engine();
        engine.Catalog.Add(new CountdownActivity());
        engine.Definitions.Add(Tree("loop", Flowchart(
            "chart", [Node("start", "Elsa.Start"), Ensure("a"), Node("count", "Test.Countdown", """, "goOn": {"typeName": "Boolean", "memoryReference": {"id": "Yes"}}"""), Decision("?", "Yes"), Ensure("end")],
            "start a", "a count", "count ?", "?:True a", "?:False end")));
        await engine.RunAsync();

        Assert.Equal(WorkflowOutcome.Finished, (await engine.RunAsync("loop", "k")).Outcome);
        Assert.Equal("+a#1 +a#1 +a#1 +end#1", string.Join(' ', engine.Kernel.Calls));
        Assert.Equal(4, engine.Kernel.EffectsByKey.Count);
    }

    [Fact]
    public async Task Delay_IsDueAtItsTime_WhateverDiesMeanwhile()
    {
        var time = new FakeTimeProvider();
        await using var engine = new Engine { Time = time };
        engine.Definitions.Add(Tree("later", Sequence("all", Delay("wait", "1.00:00:00"), Ensure("a"))));
        await engine.RunAsync();
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("later", "k"), Engine.Token);
        ExecutionRow waiting = Assert.Single(engine.Runtime.Executions(id));
        Assert.Equal((ExecutionStatus.Waiting, time.GetUtcNow() + TimeSpan.FromDays(1)), (waiting.Status, waiting.DueAt));
        time.Advance(TimeSpan.FromHours(23));
        await engine.RestartAsync();
        Assert.Equal(1, engine.Runtime.Recovery.Scheduled);
        Assert.Equal(InstanceStatus.Running, engine.Runtime.Instance(id)!.Status);
        Task<WorkflowAnswer> answer = engine.Runtime.AnswerAsync(id, Engine.Token);

        while (await Task.WhenAny(answer, Task.Delay(10, Engine.Token)) != answer) time.Advance(TimeSpan.FromMinutes(10));

        Assert.Equal(WorkflowOutcome.Finished, (await answer).Outcome);
        Assert.Equal(["+a#1"], engine.Kernel.Calls);
        Assert.True(engine.Runtime.Executions(id)[0].EndedAt >= waiting.DueAt);
    }

    [Fact]
    public async Task Delay_IsSkippedOrCancelled()
    {
        await using Engine engine = await RunningAsync(Tree("later", Sequence("all", Ensure("a"), Delay("wait", "10.00:00:00"), Ensure("b"))));
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("later", "k"), Engine.Token);
        await engine.EventsUntil(e => e.Kind == JournalEventKind.StepWaits);

        await AlterAsync(engine, id, new Alteration.Cancel());

        Assert.Equal(WorkflowOutcome.Cancelled, (await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
        Assert.Equal(ExecutionStatus.Cancelled, engine.Runtime.Executions(id)[1].Status);
        Assert.Equal("", engine.Kernel.Text);
    }

    [Theory]
    [InlineData("", "\"onFault\": \"Suspend\"", WorkflowOutcome.Faulted)]
    [InlineData("", "", WorkflowOutcome.Compensated)]
    [InlineData("\"faultType\": {\"typeName\": \"String\", \"expression\": {\"type\": \"Literal\", \"value\": \"Refusal\"}},", "\"onFault\": \"Suspend\"", WorkflowOutcome.Compensated)]
    [InlineData("\"faultType\": {\"typeName\": \"String\", \"expression\": {\"type\": \"Literal\", \"value\": \"BrokenInvariant\"}},", "", WorkflowOutcome.Faulted)]
    [InlineData("\"customProperties\": {\"onFault\": \"Continue\"},", "", WorkflowOutcome.Finished)]
    public async Task Fault_FaultsByItsKindAndPolicy(string more, string custom, WorkflowOutcome outcome)
    {
        await using Engine engine = await RunningAsync(Tree("faults", Sequence("all", Ensure("a"), Fault("f", "so it says", more)), custom));

        WorkflowAnswer answer = await engine.RunAsync("faults", "k");

        Assert.Equal(outcome, answer.Outcome);
        Assert.Equal(outcome == WorkflowOutcome.Finished ? null : "so it says", answer.Error);
        Assert.Equal(outcome == WorkflowOutcome.Compensated ? "" : "a", engine.Kernel.Text);
    }

    /// <summary>Branches race, so the points have no order; the end is the same.</summary>
    [Fact]
    public async Task Parallel_CrashAtEveryPoint_EndsAsIfThereWasNone()
    {
        int points = int.MaxValue;
        for (int at = 1; at <= points; at++)
        {
            await using var engine = new Engine();
            engine.Definitions.Add(Tree("tree", Sequence(
                "all", Parallel("fork", Sequence("one", Ensure("a"), Delay("d", "00:00:00.001"), Ensure("b")), ForEach("loop", EnsureOf("each", "Item")), If("if", "Yes", Ensure("c"))), Ensure("e"))));
            var crash = new CrashAt(at);
            engine.Options = engine.Options with { CrashPoints = crash };
            await engine.RunAsync();
            try
            {
                await engine.RunAsync("tree", "k", """{"Items":["p","q"]}""");
            }
            catch (RuntimeStoppedException)
            {
            }
            if (!crash.Crashed) points = at;
            engine.Options = engine.Options with { CrashPoints = null };
            await engine.RestartAsync();
            WorkflowAnswer answer = await engine.RunAsync("tree", "k", """{"Items":["p","q"]}""");

            Assert.Equal((WorkflowOutcome.Finished, "a b c e p q"), (answer.Outcome, engine.Kernel.Text));
            Assert.All(engine.Kernel.EffectsByKey, e => Assert.InRange(e.Value, 1, 2));
            var completed = engine.Runtime.Executions(answer.Instance);
            Assert.All(completed, e => Assert.Equal(ExecutionStatus.Completed, e.Status));
            Assert.Equal(["a", "b", "c", "d", "e", "each", "each", "fork", "if", "loop"], completed.Select(e => e.ActivityId).Order(StringComparer.Ordinal));
            Assert.Equal(Enumerable.Range(1, 10), completed.Select(e => e.Ended).Order());
        }
        Assert.InRange(points, 30, 200);
    }

    [Fact]
    public void Errors_OfContainers_AreLoud()
    {
        string root = Sequence(
            "all",
            """{ "id": "if", "type": "Elsa.If", "condition": {"typeName": "String", "expression": {"type": "Variable", "value": "Handle"}}, "than": {} }""",
            """{ "id": "each", "type": "Elsa.ForEach", "items": {"typeName": "Int32", "expression": {"type": "Literal", "value": 1}} }""",
            Fork("fork", "WaitSome", Ensure("a")),
            Node("start", "Elsa.Start"),
            Flowchart("chart", [Ensure("b"), Decision("?", "Yes"), Ensure("c"), Ensure("d")], "b ?", "?:Maybe c", "b x", "?:True d"),
            Flowchart("apart", [Ensure("e"), Ensure("g")]),
            If("either", "Yes", Ensure("h")),
            EnsureOf("early", "Handle"),
            Delay("delay", "soon"),
            Fault("fault", "m", "\"faultType\": {\"typeName\": \"String\", \"expression\": {\"type\": \"Literal\", \"value\": \"Bad\"}},"));

        var e = Assert.Throws<DefinitionException>(() => DefinitionLoader.Load([new DefinitionFile("f", Tree("t", root))], new ActivityCatalog().Add(new EnsureActivity(new FakeKernel()))));

        Assert.Equal(
            """
            f: $.root.activities[0].than: unknown property of Elsa.If (known: condition, else, then)
            f: $.root.activities[0].condition.typeName: 'condition' is Boolean, not String
            f: $.root.activities[1].items.typeName: 'items' is a list or Object, not Int32
            f: $.root.activities[1]: 'body' is missing
            f: $.root.activities[2].joinMode: must be one of WaitAll, WaitAny
            f: $.root.activities[3].type: Elsa.Start stands in an Elsa.Flowchart only
            f: $.root.activities[4].connections[1].source.port: Elsa.FlowDecision has no port 'Maybe' (known: False, True)
            f: $.root.activities[4].connections[2].target.activity: no activity 'x' in this flowchart (known: ?, b, c, d)
            f: $.root.activities[4]: where the flowchart starts is ambiguous: b, c; name it in 'start'
            f: $.root.activities[5]: where the flowchart starts is ambiguous: e, g; name it in 'start'
            f: $.root.activities[8].timeSpan.expression.value: "soon" is no TimeSpan
            f: $.root.activities[9].faultType.expression.value: must be one of Refusal, Retryable, BrokenInvariant
            """,
            string.Join('\n', e.Errors.Where(x => !x.Message.Contains("used before", StringComparison.Ordinal))));
    }

    [Fact]
    public void Variables_SetInOneBranchOnly_MayNotBeSet()
    {
        string root = Sequence(
            "all",
            If("if", "Yes", Ensure("a")), EnsureOf("1", "Handle"),
            Fork("any", "WaitAny", Ensure("b"), Sequence("nothing")), EnsureOf("2", "Handle"),
            ForEach("loop", Sequence("body", EnsureOf("3", "Item"), Ensure("c"))), EnsureOf("4", "Handle"),
            If("both", "Yes", Ensure("d"), Ensure("e")), EnsureOf("5", "Handle"));

        var e = Assert.Throws<DefinitionException>(() => DefinitionLoader.Load([new DefinitionFile("f", Tree("t", root))], new ActivityCatalog().Add(new EnsureActivity(new FakeKernel()))));

        Assert.Equal(
            [1, 3, 5],
            e.Errors.Select(x => int.Parse(x.Path["$.root.activities[".Length..].Split(']')[0], System.Globalization.CultureInfo.InvariantCulture)));
        Assert.All(e.Errors, x => Assert.Equal("variable 'Handle' is used before a step sets it", x.Message));
    }

    private static async Task<Engine> RunningAsync(string definition)
    {
        var engine = new Engine();
        engine.Definitions.Add(definition);
        await engine.RunAsync();
        return engine;
    }

    private static Task AlterAsync(Engine engine, InstanceId id, Alteration alteration) =>
        engine.Runtime.AlterAsync(id, alteration, "alice", "mended", Engine.Token).WaitAsync(Engine.Patience);

    private sealed record CountdownOutput(bool GoOn);

    /// <summary>Goes on twice.</summary>
    private sealed class CountdownActivity : Activity<Nothing, CountdownOutput>
    {
        private int _left = 3;

        public override string Type => "Test.Countdown";

        public override Task<CountdownOutput> ExecuteAsync(Nothing input, ActivityExecution execution, CancellationToken ct) =>
            Task.FromResult(new CountdownOutput(Interlocked.Decrement(ref _left) > 0));
    }
}
