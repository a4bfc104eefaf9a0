using FlannelFlow.Workflows.Tests.Kit;
using Microsoft.Extensions.Time.Testing;
using static FlannelFlow.Workflows.Tests.Kit.Definition;

namespace FlannelFlow.Workflows.Tests;

public sealed class ChildTests
{
    private static readonly string Inner = InLane("inner", "Exclusive", Ensure("c1"), Gate("g"), Ensure("c2"));
    private static readonly string Undo = InLane("undo", "Shared", Ensure("undone"));

    private static string Outer(string custom = "", params string[] after) =>
        InLane("outer", "Exclusive", [Ensure("a"), Dispatch("child", "inner", custom), .. after.Length > 0 ? after : [Ensure("b")]]);

    [Fact]
    public async Task Child_RunsWithinTheLanesOfItsParent_AndItsOutputsAreJoined()
    {
        await using Engine engine = await RunningAsync(Inner, Undo, Outer("", Respond));
        Task<WorkflowAnswer> answer = engine.RunAsync("outer", "k", """{"Net":"n"}""");
        await engine.Gate.Arrived("g").WaitAsync(Engine.Patience, Engine.Token);
        InstanceRow child = Assert.Single(engine.Runtime.Instances(new InstanceFilter("inner", null)));
        InstanceRow parent = Assert.Single(engine.Runtime.Instances(new InstanceFilter("outer", null)));
        Assert.Equal((parent.Id, 2), (child.Parent!.Value, child.ParentSeq));
        Assert.Equal([child.Id], Assert.Single(engine.Runtime.Lanes(child.Id)).Holders);
        Assert.Equal(parent.Id, Assert.Single(Assert.Single(engine.Runtime.Lanes()).Holders));

        engine.Gate.Open("g");

        Assert.Equal("""{"handle":"h-c2"}""", (await answer).Output!.ToJsonString());
        Assert.Equal("a c1 c2", engine.Kernel.Text);
    }

    [Fact]
    public async Task Child_IsJoinedAfterARestart_NotStartedAgain()
    {
        await using Engine engine = await RunningAsync(Inner, Undo, Outer());
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("outer", "k", """{"Net":"n"}"""), Engine.Token);
        await engine.Gate.Arrived("g").WaitAsync(Engine.Patience, Engine.Token);
        await engine.RestartAsync();
        await engine.RestartAsync();
        engine.Gate.Open("g");

        Assert.Equal(WorkflowOutcome.Finished, (await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
        Assert.Single(engine.Runtime.Instances(new InstanceFilter("inner", null)));
        Assert.Equal("a b c1 c2", engine.Kernel.Text);
    }

    [Fact]
    public async Task ChildThatFails_IsTheFaultOfTheStep_AndARetryIsAnotherChild()
    {
        await using Engine engine = await RunningAsync(Inner, Undo, Outer(""" "retry": {"initialInterval": "00:00:00.001", "attempts": 3} """));
        engine.Gate.Open("g");
        engine.Kernel.FailNext("+c2", new IOException("busy"), new IOException("busy"));

        WorkflowAnswer answer = await engine.RunAsync("outer", "k", """{"Net":"n"}""");

        Assert.Equal(WorkflowOutcome.Finished, answer.Outcome);
        Assert.Equal([InstanceStatus.Finished, InstanceStatus.Compensated, InstanceStatus.Compensated], engine.Runtime.Instances(new InstanceFilter("inner", null)).Select(i => i.Status));
        Assert.Equal("a b c1 c2", engine.Kernel.Text);
    }

    [Fact]
    public async Task ChildsRefusal_IsTheParents_AndIsNotRetried()
    {
        await using Engine engine = await RunningAsync(Inner, Undo, Outer(""" "retry": {"initialInterval": "00:00:00.001", "attempts": 3} """));
        engine.Gate.Open("g");
        engine.Kernel.FailNext("+c2", new RefusalException("no such subnet"));

        WorkflowAnswer answer = await engine.RunAsync("outer", "k", """{"Net":"n"}""");

        Assert.Equal((WorkflowOutcome.Compensated, "no such subnet"), (answer.Outcome, answer.Error));
        Assert.Equal("", engine.Kernel.Text);
        Assert.Single(engine.Runtime.Instances(new InstanceFilter("inner", null)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Cancel_GoesThroughToTheChild_WhichIsUndoneFirst(bool restart)
    {
        await using Engine engine = await RunningAsync(Inner, Undo, Outer());
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("outer", "k", """{"Net":"n"}"""), Engine.Token);
        await engine.Gate.Arrived("g").WaitAsync(Engine.Patience, Engine.Token);
        if (restart) await engine.RestartAsync();

        await engine.Runtime.AlterAsync(id, new Alteration.Cancel(), "alice", "not wanted", Engine.Token);

        Assert.Equal(WorkflowOutcome.Cancelled, (await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
        Assert.Equal(InstanceStatus.Cancelled, Assert.Single(engine.Runtime.Instances(new InstanceFilter("inner", null))).Status);
        Assert.Equal(["-c1#1", "-a#1"], engine.Kernel.Calls.TakeLast(2));
        Assert.Empty(engine.Runtime.Lanes());
    }

    [Fact]
    public async Task Terminate_EndsTheChildToo_AndThenGivesTheLanesBack()
    {
        await using Engine engine = await RunningAsync(Inner, Undo, Outer(), InLane("next", "Exclusive", Ensure("n")));
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("outer", "k", """{"Net":"n"}"""), Engine.Token);
        Task<WorkflowAnswer> next = engine.RunAsync("next", "k", """{"Net":"n"}""");
        await engine.Gate.Arrived("g").WaitAsync(Engine.Patience, Engine.Token);

        await engine.Runtime.AlterAsync(id, new Alteration.Terminate(), "alice", "by hand", Engine.Token);

        Assert.Equal(WorkflowOutcome.Finished, (await next).Outcome);
        Assert.Equal(InstanceStatus.Cancelled, Assert.Single(engine.Runtime.Instances(new InstanceFilter("inner", null))).Status);
        Assert.Equal("a c1 n", engine.Kernel.Text);
    }

    [Fact]
    public async Task ChildThatHasFinished_IsUndoneByTheWorkflowNamedForIt()
    {
        await using Engine engine = await RunningAsync(Inner, Undo, Outer(""" "compensate": true, "undoWith": "undo" """));
        engine.Gate.Open("g");
        engine.Kernel.FailNext("+b", new RefusalException("no"));

        WorkflowAnswer answer = await engine.RunAsync("outer", "k", """{"Net":"n"}""");

        Assert.Equal(WorkflowOutcome.Compensated, answer.Outcome);
        Assert.Equal("+a#1 +c1#1 +c2#1 +b#1 -b#1 +undone#1 -a#1", string.Join(' ', engine.Kernel.Calls));
    }

    [Fact]
    public async Task ChildrenOfOneParent_ExcludeEachOther()
    {
        await using Engine engine = await RunningAsync(
            Inner, Undo,
            Tree("outer", Parallel("fork", Dispatch("one", "inner"), Dispatch("two", "inner")), """ "lanes": [ {"key": "net/{Net}", "mode": "Exclusive"} ] """)
                .Replace("""{"name": "Net", "type": "String", "isRequired": false}""", """{"name": "Net", "type": "String"}""", StringComparison.Ordinal));
        Task<WorkflowAnswer> answer = engine.RunAsync("outer", "k", """{"Net":"n"}""");
        await engine.Gate.Arrived("g").WaitAsync(Engine.Patience, Engine.Token);
        // One stands at its gate in the lane; the other was accepted, and waits for its sister.
        int accepted = 0;
        await engine.EventsUntil(e => e is { Kind: JournalEventKind.Accepted, DefinitionId: "inner" } && ++accepted == 2);
        Assert.Equal([InstanceStatus.Waiting, InstanceStatus.Running], engine.Runtime.Instances(new InstanceFilter("inner", null)).Select(i => i.Status).Order());
        await engine.RestartAsync();
        Assert.Equal([InstanceStatus.Waiting, InstanceStatus.Running], engine.Runtime.Instances(new InstanceFilter("inner", null)).Select(i => i.Status).Order());
        engine.Gate.Open("g");

        await Assert.ThrowsAsync<RuntimeStoppedException>(() => answer);
        Assert.Equal(WorkflowOutcome.Finished, (await engine.RunAsync("outer", "k", """{"Net":"n"}""")).Outcome);
        Assert.Equal(2, engine.Runtime.Instances(new InstanceFilter("inner", InstanceStatus.Finished)).Count);
    }

    [Fact]
    public async Task Child_NotWaitedFor_IsOnItsOwn()
    {
        await using Engine engine = await RunningAsync(
            Inner, InLane("outer", "Shared", Detached("child", "inner"), Ensure("b")));

        Assert.Equal(WorkflowOutcome.Finished, (await engine.RunAsync("outer", "k", """{"Net":"n"}""")).Outcome);
        engine.Gate.Open("g");
        await engine.EventsUntil(e => e is { Kind: JournalEventKind.Finished, DefinitionId: "inner" });
        InstanceRow child = Assert.Single(engine.Runtime.Instances(new InstanceFilter("inner", null)));
        Assert.Null(child.Parent);
        Assert.Equal("b c1 c2", engine.Kernel.Text);
    }

    [Fact]
    public async Task Retention_KeepsAChildAsLongAsItsParentIsOpen()
    {
        var time = new FakeTimeProvider();
        await using var engine = new Engine { Time = time };
        engine.Definitions.AddRange([Inner, Undo, Outer("", Gate("later"))]);
        engine.Definitions.Add(Of("other", "", Ensure("x")));
        await engine.RunAsync();
        engine.Gate.Open("g");
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("outer", "k", """{"Net":"n"}"""), Engine.Token);
        await engine.Gate.Arrived("later").WaitAsync(Engine.Patience, Engine.Token);
        await engine.RunAsync("other", "k");
        time.Advance(TimeSpan.FromDays(8));
        await engine.RestartAsync();
        await UntilAsync(() => engine.Runtime.Instances(new InstanceFilter("other", null)).Count == 0);
        Assert.Single(engine.Runtime.Instances(new InstanceFilter("inner", null)));

        engine.Gate.Open("later");
        await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience);
        time.Advance(TimeSpan.FromDays(8));
        await engine.RestartAsync();
        await UntilAsync(() => engine.Runtime.Instances(new InstanceFilter(null, null)).Count == 0);
    }

    /// <summary>Purging runs beside everything else, and announces nothing.</summary>
    private static async Task UntilAsync(Func<bool> holds)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!holds()) await Task.Delay(20, patience.Token);
    }

    [Fact]
    public async Task CrashAtEveryPoint_OneChildOneEnd()
    {
        int points = int.MaxValue;
        for (int at = 1; at <= points; at++)
        {
            await using var engine = new Engine();
            engine.Definitions.AddRange([Inner, Undo, Outer()]);
            engine.Gate.Open("g");
            var crash = new CrashAt(at);
            engine.Options = engine.Options with { CrashPoints = crash };
            await engine.RunAsync();
            try
            {
                await engine.RunAsync("outer", "k", """{"Net":"n"}""");
            }
            catch (RuntimeStoppedException)
            {
            }
            if (!crash.Crashed) points = at;
            engine.Options = engine.Options with { CrashPoints = null };
            await engine.RestartAsync();

            Assert.Equal(WorkflowOutcome.Finished, (await engine.RunAsync("outer", "k", """{"Net":"n"}""")).Outcome);
            Assert.Equal("a b c1 c2", engine.Kernel.Text);
            Assert.Single(engine.Runtime.Instances(new InstanceFilter("inner", null)));
            Assert.All(engine.Kernel.EffectsByKey, e => Assert.InRange(e.Value, 1, 2));
        }
        Assert.InRange(points, 20, 100);
    }

    [Fact]
    public void Definitions_ThatDoNotFitEachOther_DoNotLoad()
    {
        var catalog = new ActivityCatalog().Add(new EnsureActivity(new FakeKernel())).Add(new GateActivity());
        string wrong = Of(
            "wrong", "", Dispatch("1", "innner"), Dispatch("2", "inner", """ "undoWith": "redo" """),
            Dispatch("3", "inner").Replace("\"Net\":", "\"Nit\":", StringComparison.Ordinal).Replace("\"Handle\":", "\"Handel\":", StringComparison.Ordinal));
        var e = Assert.Throws<DefinitionException>(() => DefinitionLoader.Load([new DefinitionFile("i", Inner), new DefinitionFile("w", wrong)], catalog));
        Assert.Equal(
            """
            w: $.root.activities[0].workflowDefinitionId: no such definition 'innner' (known: inner, wrong)
            w: $.root.activities[1]: inner claims Exclusive net/{Net}, and runs within the lanes of wrong, which does not: it must claim that too
            w: $.root.activities[1]: undoWith: no such definition 'redo' (known: inner, wrong)
            w: $.root.activities[2]: inner has no input 'Nit' (known: Net)
            w: $.root.activities[2]: input 'Net' of inner is missing
            w: $.root.activities[2]: inner has no output 'Handel' (known: Handle)
            w: $.root.activities[2]: inner claims Exclusive net/{Net}, and runs within the lanes of wrong, which does not: it must claim that too
            """,
            string.Join('\n', e.Errors));
    }

    [Fact]
    public async Task ChildThatNeedsAnotherLane_IsAnIncident_NotADeadlock()
    {
        await using Engine engine = await RunningAsync(
            Inner, Outer().Replace("""{"type": "Input", "value": "Net"}""", """{"type": "Literal", "value": "other"}""", StringComparison.Ordinal));

        WorkflowAnswer answer = await engine.RunAsync("outer", "k", """{"Net":"n"}""");

        Assert.Equal(WorkflowOutcome.Faulted, answer.Outcome);
        Assert.Equal($"starting inner within outer {answer.Instance}, which does not hold Exclusive net/other: its definition must claim that too", answer.Error);
    }

    [Theory]
    [InlineData("", WorkflowOutcome.Compensated, "")]
    [InlineData("\"onFault\": \"Suspend\",", WorkflowOutcome.Faulted, "a")]
    public async Task Deadline_OfTheWhole_UndoesOrSuspends(string policy, WorkflowOutcome outcome, string text)
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        await using var engine = new Engine { Time = time };
        engine.Definitions.Add(Of("timed", $""" {policy} "deadline": "00:10:00" """, Ensure("a"), Gate("g"), Ensure("b")));
        await engine.RunAsync();
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("timed", "k"), Engine.Token);
        await engine.Gate.Arrived("g").WaitAsync(Engine.Patience, Engine.Token);
        time.Advance(TimeSpan.FromMinutes(9));
        await engine.RestartAsync();
        Task<WorkflowAnswer> answer = engine.Runtime.AnswerAsync(id, Engine.Token);
        while (await Task.WhenAny(answer, Task.Delay(5, Engine.Token)) != answer) time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal((outcome, "not over by its deadline, 2026-01-01 00:10:00Z"), ((await answer).Outcome, (await answer).Error));
        Assert.Equal(text, engine.Kernel.Text);
        if (outcome == WorkflowOutcome.Compensated) return;
        Assert.Equal(IncidentKind.Deadline, Assert.Single(engine.Runtime.Incidents(new IncidentFilter(OpenOnly: true))).Kind);
        engine.Gate.Open("g");
        await engine.Runtime.AlterAsync(id, new Alteration.Retry(), "alice", "take your time", Engine.Token);
        Assert.Equal(WorkflowOutcome.Finished, (await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
    }

    [Fact]
    public async Task Deadline_OfAStart_WhileItWaitsForItsLanes_EndsItUndone()
    {
        var time = new FakeTimeProvider();
        await using var engine = new Engine { Time = time };
        engine.Definitions.Add(InLane("gated", "Exclusive", Gate("g")));
        await engine.RunAsync();
        await engine.Runtime.StartAsync(Engine.Start("gated", "1", """{"Net":"n"}"""), Engine.Token);
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("gated", "2", """{"Net":"n"}""") with { Deadline = TimeSpan.FromMinutes(1) }, Engine.Token);
        Task<WorkflowAnswer> answer = engine.Runtime.AnswerAsync(id, Engine.Token);
        while (await Task.WhenAny(answer, Task.Delay(5, Engine.Token)) != answer) time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(WorkflowOutcome.Compensated, (await answer).Outcome);
        Assert.Empty(engine.Runtime.Executions(id));
    }

    private static string Detached(string id, string definition) => $$$"""
        { "id": "{{{id}}}", "type": "Elsa.DispatchWorkflow",
          "workflowDefinitionId": {"typeName": "String", "expression": {"type": "Literal", "value": "{{{definition}}}"}},
          "customProperties": { "inputs": { "Net": {"typeName": "String", "expression": {"type": "Input", "value": "Net"}} } } }
        """;

    private static async Task<Engine> RunningAsync(params string[] definitions)
    {
        var engine = new Engine();
        engine.Definitions.AddRange(definitions);
        await engine.RunAsync();
        return engine;
    }
}
