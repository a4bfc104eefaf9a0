using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Workflows.Tests.Kit;
using Microsoft.Data.Sqlite;

namespace FlannelFlow.Workflows.Tests;

public sealed class AlterationTests
{
    private const string Suspend = """ "onFault": "Suspend" """;
    private const string Later = """ "compensate": true, "retry": {"initialInterval": "01:00:00", "attempts": 3} """;

    [Fact]
    public async Task Retry_OfASuspendedStep_RunsItAgain_ClosesTheIncident_AndIsAudited()
    {
        await using var engine = new Engine();
        InstanceId id = await SuspendedAsync(engine);
        Assert.Single(engine.Runtime.Incidents(new IncidentFilter(OpenOnly: true)));

        await AlterAsync(engine, id, new Alteration.Retry());
        WorkflowAnswer answer = await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience);

        // Not the answer from when it was suspended.
        Assert.Equal((WorkflowOutcome.Finished, null), (answer.Outcome, answer.Error));
        Assert.Equal(["+a#1", "+b#1", "+b#2", "+c#1"], engine.Kernel.Calls);
        Assert.Empty(engine.Runtime.Incidents(new IncidentFilter(OpenOnly: true)));
        AuditRow audit = Assert.Single(engine.Runtime.Audit(id));
        Assert.Equal(("Retry", "b", "{}", "alice", "mended the disk"), (audit.Alteration, audit.ActivityId, audit.Detail, audit.Who, audit.Why));
        var events = await engine.EventsUntil(e => e.Kind == JournalEventKind.Finished);
        Assert.Equal("Retry by alice: mended the disk", Assert.Single(events, e => e.Kind == JournalEventKind.Altered).Detail);
    }

    [Fact]
    public async Task Retry_AfterARestart_GoesOnToo()
    {
        await using var engine = new Engine();
        InstanceId id = await SuspendedAsync(engine);
        await engine.RestartAsync();
        Assert.Equal(1, engine.Runtime.Recovery.Suspended);

        await AlterAsync(engine, id, new Alteration.Retry());

        Assert.Equal(WorkflowOutcome.Finished, (await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
    }

    [Fact]
    public async Task Retry_ThatFaultsAgain_OpensAnotherIncident()
    {
        await using var engine = new Engine();
        InstanceId id = await SuspendedAsync(engine);
        long seen = engine.Runtime.CommittedSeq;
        engine.Kernel.FailNext("+b", new IOException("still on fire"));

        await AlterAsync(engine, id, new Alteration.Retry());
        await engine.EventsUntil(e => e.Kind == JournalEventKind.Suspended, seen);

        Assert.Equal("b: still on fire", Assert.Single(engine.Runtime.Incidents(new IncidentFilter(OpenOnly: true))).Message);
        Assert.Equal(2, engine.Runtime.Incidents(new IncidentFilter(OpenOnly: false)).Count);
        Assert.Equal("still on fire", (await engine.Runtime.AnswerAsync(id, Engine.Token)).Error);
    }

    [Fact]
    public async Task Retry_OfAScheduledAttempt_DoesNotWaitForItsTime()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("later", "", Definition.Ensure("a", Later)));
        await engine.RunAsync();
        engine.Kernel.FailNext("+a", new IOException("busy"));
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("later", "k"), Engine.Token);
        await engine.EventsUntil(e => e.Kind == JournalEventKind.RetryScheduled);

        await AlterAsync(engine, id, new Alteration.Retry());

        Assert.Equal(WorkflowOutcome.Finished, (await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
    }

    [Fact]
    public async Task Skip_SetsTheVariables_GoesOn_AndIsUndoneAsInDoubt()
    {
        await using var engine = new Engine();
        InstanceId id = await SuspendedAsync(engine);

        var refused = await Assert.ThrowsAsync<InvalidAlterationException>(() => AlterAsync(engine, id, new Alteration.Skip()));
        Assert.Equal("skipping b: output 'handle' is missing, which sets variable 'Handle'", refused.Message);
        refused = await Assert.ThrowsAsync<InvalidAlterationException>(() => AlterAsync(engine, id, Skip("""{"handle":7,"colour":"red"}""")));
        Assert.Equal("skipping b: output 'handle': 7 is no String; Test.Ensure has no output 'colour' (known: handle, size)", refused.Message);
        Assert.Empty(engine.Runtime.Audit(id));
        engine.Kernel.FailNext("+c", new RefusalException("no"));
        await AlterAsync(engine, id, Skip("""{"handle":"by-hand"}"""));
        WorkflowAnswer answer = await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience);

        Assert.Equal((WorkflowOutcome.Compensated, "no"), (answer.Outcome, answer.Error));
        Assert.Equal("""{"Handle":"by-hand"}""", engine.Runtime.Instance(id)!.Variables);
        Assert.Equal("+a#1 +b#1 +c#1 -c#1 -b#1 -a#1", string.Join(' ', engine.Kernel.Calls));
        Assert.Equal("""{"outputs":{"handle":"by-hand"}}""", Assert.Single(engine.Runtime.Audit(id)).Detail);
    }

    [Theory]
    [InlineData(false, InstanceStatus.Compensated)]
    [InlineData(true, InstanceStatus.Cancelled)]
    public async Task CompensateAndCancel_UndoInReverse_WhatIsInDoubtToo(bool cancel, InstanceStatus status)
    {
        await using var engine = new Engine();
        InstanceId id = await SuspendedAsync(engine);

        await AlterAsync(engine, id, cancel ? new Alteration.Cancel() : new Alteration.Compensate());
        WorkflowAnswer answer = await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience);

        Assert.Equal(status, engine.Runtime.Instance(id)!.Status);
        Assert.Equal("on fire", answer.Error);
        Assert.Equal("+a#1 +b#1 -b#1 -a#1", string.Join(' ', engine.Kernel.Calls));
        Assert.Equal("", engine.Kernel.Text);
    }

    [Fact]
    public async Task Cancel_WhileAStepRuns_EndsTheAttemptFirst()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("gated", "", Definition.Ensure("a"), Definition.Gate("g"), Definition.Ensure("b")));
        await engine.RunAsync();
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("gated", "k"), Engine.Token);
        await engine.Gate.Arrived("g");

        await AlterAsync(engine, id, new Alteration.Cancel());
        WorkflowAnswer answer = await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience);

        Assert.Equal((WorkflowOutcome.Cancelled, "cancelled by alice: mended the disk"), (answer.Outcome, answer.Error));
        Assert.Equal("+a#1 -a#1", string.Join(' ', engine.Kernel.Calls));
        var refused = await Assert.ThrowsAsync<AlterationRefusedException>(() => AlterAsync(engine, id, new Alteration.Retry()));
        Assert.Equal($"Retry of gated {id}: it is Cancelled", refused.Message);
    }

    [Fact]
    public async Task Cancel_OfOneThatWaitsForItsLanes_EndsItAtOnce_AndTheNextGoesOn()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.InLane("holds", "Shared", Definition.Gate("g")));
        engine.Definitions.Add(Definition.InLane("waits", "Exclusive", Definition.Ensure("w")));
        engine.Definitions.Add(Definition.InLane("next", "Shared", Definition.Ensure("n")));
        await engine.RunAsync();
        const string net = """{"Net":"1"}""";
        InstanceId holder = await engine.Runtime.StartAsync(Engine.Start("holds", "1", net), Engine.Token);
        InstanceId waiter = await engine.Runtime.StartAsync(Engine.Start("waits", "2", net), Engine.Token);
        InstanceId next = await engine.Runtime.StartAsync(Engine.Start("next", "3", net), Engine.Token);
        LaneView lane = Assert.Single(engine.Runtime.Lanes(next));
        Assert.Equal(("net/1", LaneMode.Shared), (lane.Key, lane.Mode));
        Assert.Equal([holder], lane.Holders);
        Assert.Equal([waiter, next], lane.Waiters);
        var refused = await Assert.ThrowsAsync<AlterationRefusedException>(() => AlterAsync(engine, waiter, new Alteration.Compensate()));
        Assert.Contains("it waits for its lanes and has done nothing; cancel it", refused.Message, StringComparison.Ordinal);

        await AlterAsync(engine, waiter, new Alteration.Cancel());

        Assert.Equal(WorkflowOutcome.Finished, (await engine.Runtime.AnswerAsync(next, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
        Assert.Equal(["+n#1"], engine.Kernel.Calls);
    }

    [Fact]
    public async Task Terminate_UndoesNothing_AndGivesTheLanesBack()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.InLane("gated", "Exclusive", Definition.Ensure("a"), Definition.Gate("g")));
        engine.Definitions.Add(Definition.InLane("next", "Exclusive", Definition.Ensure("n")));
        await engine.RunAsync();
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("gated", "1", """{"Net":"1"}"""), Engine.Token);
        Task<WorkflowAnswer> next = engine.RunAsync("next", "2", """{"Net":"1"}""");
        await engine.Gate.Arrived("g");

        await AlterAsync(engine, id, new Alteration.Terminate());

        Assert.Equal(WorkflowOutcome.Finished, (await next).Outcome);
        Assert.Equal((InstanceStatus.Cancelled, "terminated by alice: mended the disk"), (engine.Runtime.Instance(id)!.Status, engine.Runtime.Instance(id)!.Error));
        Assert.Equal("a n", engine.Kernel.Text);
        await engine.RestartAsync();
        Assert.Equal(0, engine.Runtime.Recovery.Open);
    }

    [Fact]
    public async Task UndoingThatFaulted_IsRetriedOrSkipped_AndKeepsTheFirstFault()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("undone", "", Definition.Ensure("a"), Definition.Ensure("b"), Definition.Ensure("c")));
        await engine.RunAsync();
        engine.Kernel.FailNext("+c", new RefusalException("no"));
        engine.Kernel.FailNext("-b", new IOException("busy"));
        engine.Kernel.FailNext("-a", new IOException("gone"));
        WorkflowAnswer faulted = await engine.RunAsync("undone", "k");
        InstanceId id = faulted.Instance;
        Assert.Equal(WorkflowOutcome.Faulted, faulted.Outcome);
        var refused = await Assert.ThrowsAsync<AlterationRefusedException>(() => AlterAsync(engine, id, new Alteration.Cancel()));
        Assert.Equal(
            $"Cancel of undone {id}: it is being undone already (it is Suspended, at the undoing of b (CompensationFaulted)); retry or skip that, or terminate",
            refused.Message);

        long seen = engine.Runtime.CommittedSeq;
        await AlterAsync(engine, id, new Alteration.Retry());
        await engine.EventsUntil(e => e.Kind == JournalEventKind.Suspended, seen);
        await AlterAsync(engine, id, new Alteration.Skip());
        WorkflowAnswer answer = await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience);

        Assert.Equal((WorkflowOutcome.Compensated, "no"), (answer.Outcome, answer.Error));
        Assert.Equal("+a#1 +b#1 +c#1 -c#1 -b#1 -b#2 -a#1", string.Join(' ', engine.Kernel.Calls));
        Assert.Equal(ExecutionStatus.CompensationSkipped, engine.Runtime.Executions(id)[0].Status);
    }

    [Fact]
    public async Task ModifyVariable_IsChecked_AndARetryWithItIsANewExecution()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of(
            "noted", Suspend, Definition.Ensure("a"),
            Definition.Ensure("b", more: """ "note": {"typeName": "String", "expression": {"type": "Variable", "value": "Handle"}}, """)));
        await engine.RunAsync();
        engine.Kernel.FailNext("+b", new IOException("on fire"));
        InstanceId id = (await engine.RunAsync("noted", "k")).Instance;

        var invalid = await Assert.ThrowsAsync<InvalidAlterationException>(() => AlterAsync(engine, id, Modify("Hande", "\"x\"")));
        Assert.Equal("noted has no variable 'Hande' (known: Handle)", invalid.Message);
        invalid = await Assert.ThrowsAsync<InvalidAlterationException>(() => AlterAsync(engine, id, Modify("Handle", "7")));
        Assert.Equal("variable 'Handle': 7 is no String", invalid.Message);
        await AlterAsync(engine, id, Modify("Handle", "\"x\""));
        Assert.Equal(InstanceStatus.Suspended, engine.Runtime.Instance(id)!.Status);
        Assert.Single(engine.Runtime.Incidents(new IncidentFilter(OpenOnly: true)));
        await AlterAsync(engine, id, new Alteration.Retry());
        await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience);

        Assert.Equal(
            [("a", ExecutionStatus.Completed), ("b", ExecutionStatus.Faulted), ("b", ExecutionStatus.Completed)],
            engine.Runtime.Executions(id).Select(e => (e.ActivityId, e.Status)));
        Assert.Contains("\"note\":\"x\"", engine.Runtime.Executions(id)[2].Input, StringComparison.Ordinal);
        Assert.Equal(["ModifyVariable", "Retry"], engine.Runtime.Audit(id).Select(a => a.Alteration));
    }

    [Fact]
    public async Task StepUnderWay_IsNeitherRetriedNorSkipped()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("gated", "", Definition.Gate("g")));
        await engine.RunAsync();
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("gated", "k"), Engine.Token);
        await engine.Gate.Arrived("g");

        foreach (Alteration alteration in (Alteration[])[new Alteration.Retry(), new Alteration.Skip()])
        {
            var refused = await Assert.ThrowsAsync<AlterationRefusedException>(() => AlterAsync(engine, id, alteration));
            Assert.Equal($"{alteration.Name} of gated {id}: it is Running, at gate-g (Running)", refused.Message);
        }
        await Assert.ThrowsAsync<InvalidAlterationException>(() => engine.Runtime.AlterAsync(id, new Alteration.Cancel(), "alice", " ", Engine.Token));
        await Assert.ThrowsAsync<KeyNotFoundException>(() => AlterAsync(engine, new InstanceId("nobody"), new Alteration.Cancel()));
        engine.Gate.Open("g");
        Assert.Equal(WorkflowOutcome.Finished, (await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
    }

    [Fact]
    public async Task DefinitionThatCameBack_LetsItBeRetried_WithoutItOnlyTerminated()
    {
        await using var engine = new Engine();
        string gated = Definition.InLane("gated", "Exclusive", Definition.Gate("g"));
        engine.Definitions.Add(gated);
        await engine.RunAsync();
        InstanceId first = await engine.Runtime.StartAsync(Engine.Start("gated", "1", """{"Net":"1"}"""), Engine.Token);
        InstanceId waits = await engine.Runtime.StartAsync(Engine.Start("gated", "2", """{"Net":"1"}"""), Engine.Token);
        await engine.Gate.Arrived("g");
        await engine.Runtime.DisposeAsync();
        ActivityCatalog whole = engine.Catalog;
        engine.Definitions.Clear();
        engine.Catalog = new ActivityCatalog();
        await engine.RunAsync();
        foreach (InstanceId id in (InstanceId[])[first, waits])
        {
            await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience);
            await Assert.ThrowsAsync<AlterationRefusedException>(() => AlterAsync(engine, id, new Alteration.Retry()));
        }
        await engine.Runtime.DisposeAsync();

        engine.Catalog = whole;
        engine.Definitions.Add(gated);
        await engine.RunAsync();
        // The second has no lanes yet: it goes back to waiting for them.
        await AlterAsync(engine, waits, new Alteration.Retry());
        Assert.Equal(InstanceStatus.Waiting, engine.Runtime.Instance(waits)!.Status);
        await AlterAsync(engine, first, new Alteration.Terminate());
        engine.Gate.Open("g");
        Assert.Equal(WorkflowOutcome.Finished, (await engine.Runtime.AnswerAsync(waits, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
        Assert.Equal(InstanceStatus.Cancelled, engine.Runtime.Instance(first)!.Status);
    }

    [Fact]
    public async Task JournalOfVersion1_IsUpgraded_AndItsInstancesGoOn()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("recorded", "", Definition.Ensure("new")));
        await using (var old = new SqliteConnection($"Data Source={engine.Options.JournalPath};Pooling=False"))
        {
            await old.OpenAsync(Engine.Token);
            await using SqliteCommand load = old.CreateCommand();
            load.CommandText = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "Journals", "v1.sql"), Engine.Token);
            await load.ExecuteNonQueryAsync(Engine.Token);
        }

        await engine.RunAsync();

        Assert.Equal((2, 1, 1), (engine.Runtime.Recovery.Open, engine.Runtime.Recovery.InDoubt, engine.Runtime.Recovery.Suspended));
        InstanceRow suspended = engine.Runtime.InstanceByKey("suspends", "suspended")!, inDoubt = engine.Runtime.InstanceByKey("recorded", "in-doubt")!;
        await AlterAsync(engine, suspended.Id, new Alteration.Retry());
        engine.Gate.Open("g");
        Assert.Equal(WorkflowOutcome.Finished, (await engine.Runtime.AnswerAsync(suspended.Id, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
        await engine.EventsUntil(e => e.Kind == JournalEventKind.Finished && e.Instance == inDoubt.Id);
        // With the steps it began with, kept in the journal.
        Assert.Equal("b d e", engine.Kernel.Text);
        Assert.Equal(InstanceStatus.Finished, engine.Runtime.InstanceByKey("suspends", "finished")!.Status);
    }

    private static Alteration.Skip Skip(string outputs) => new(JsonNode.Parse(outputs)!.AsObject());

    private static Alteration.ModifyVariable Modify(string name, string value)
    {
        using JsonDocument document = JsonDocument.Parse(value);
        return new Alteration.ModifyVariable(name, document.RootElement.Clone());
    }

    private static Task AlterAsync(Engine engine, InstanceId id, Alteration alteration) =>
        engine.Runtime.AlterAsync(id, alteration, "alice", "mended the disk", Engine.Token).WaitAsync(Engine.Patience);

    /// <summary>Three steps; the second faulted.</summary>
    private static async Task<InstanceId> SuspendedAsync(Engine engine)
    {
        engine.Definitions.Add(Definition.Of("suspends", Suspend, Definition.Ensure("a"), Definition.Ensure("b"), Definition.Ensure("c")));
        await engine.RunAsync();
        engine.Kernel.FailNext("+b", new IOException("on fire"));
        WorkflowAnswer answer = await engine.RunAsync("suspends", "k");
        Assert.Equal((WorkflowOutcome.Faulted, "on fire"), (answer.Outcome, answer.Error));
        return answer.Instance;
    }
}
