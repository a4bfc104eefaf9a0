using FlannelFlow.Workflows.Tests.Kit;
using Microsoft.Extensions.Time.Testing;

namespace FlannelFlow.Workflows.Tests;

public sealed class RunTests
{
    private const string RetryThrice =
        """ "compensate": true, "retry": {"initialInterval": "00:00:01", "backoff": 2, "maximumInterval": "00:01:00", "attempts": 3} """;

    [Fact]
    public async Task Sequence_ThreeSteps_FourCommits()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("three", "", Definition.Ensure("a"), Definition.Ensure("b"), Definition.Ensure("c")));
        WorkflowRuntime runtime = await engine.RunAsync();

        WorkflowAnswer answer = await engine.RunAsync("three", "k");
        var events = await engine.EventsUntil(e => e.Kind == JournalEventKind.Finished);

        Assert.Equal(WorkflowOutcome.Finished, answer.Outcome);
        Assert.Equal("""{"Handle":"h-c"}""", answer.Output!.ToJsonString());
        Assert.Equal("a b c", engine.Kernel.Text);
        Assert.Equal(4, runtime.Commits);
        Assert.Equal(
            """
            Accepted
            StepStarted a#1
            StepCompleted a#1
            StepStarted b#1
            StepCompleted b#1
            StepStarted c#1
            StepCompleted c#1
            Finished
            """,
            Engine.Print(events));
    }

    [Fact]
    public async Task Respond_AnswersWhileTheTailGoesOn()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("tail", "", Definition.Ensure("a"), Definition.Respond, Definition.Gate("g"), Definition.Ensure("b")));
        WorkflowRuntime runtime = await engine.RunAsync();

        WorkflowAnswer answer = await engine.RunAsync("tail", "k");

        Assert.Equal(WorkflowOutcome.Answered, answer.Outcome);
        Assert.Equal("""{"handle":"h-a"}""", answer.Output!.ToJsonString());
        Assert.Equal("a", engine.Kernel.Text);
        Assert.Equal(InstanceStatus.Running, runtime.Instance(answer.Instance)!.Status);

        engine.Gate.Open("g");
        await engine.EventsUntil(e => e.Kind == JournalEventKind.Finished);
        Assert.Equal("a b", engine.Kernel.Text);
        // Respond cost no commit of its own: three steps, four commits.
        Assert.Equal(4, runtime.Commits);
        Assert.Equal(WorkflowOutcome.Answered, (await runtime.AnswerAsync(answer.Instance, Engine.Token)).Outcome);
    }

    [Fact]
    public async Task Refusal_IsNotRetried_UndoesInReverse_AndIsTheAnswer()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of(
            "refused", """ "onFault": "Suspend" """,
            Definition.Ensure("a"), Definition.Ensure("plain", ""), Definition.Ensure("b"), Definition.Ensure("c", RetryThrice)));
        await engine.RunAsync();
        engine.Kernel.FailNext("+c", new RefusalException("pool 10.1.0.0/20 is full"));

        WorkflowAnswer answer = await engine.RunAsync("refused", "k");

        Assert.Equal(WorkflowOutcome.Compensated, answer.Outcome);
        Assert.Equal("pool 10.1.0.0/20 is full", answer.Error);
        // The refusing step is in doubt, so it is undone too; the one without compensate stays.
        Assert.Equal("+a#1 +plain#1 +b#1 +c#1 -c#1 -b#1 -a#1", string.Join(' ', engine.Kernel.Calls));
        Assert.Equal("plain", engine.Kernel.Text);
    }

    [Fact]
    public async Task Retry_BacksOff_AndItsAttemptsPersist()
    {
        var time = new FakeTimeProvider();
        await using var engine = new Engine { Time = time };
        engine.Definitions.Add(Definition.Of("retried", "", Definition.Ensure("a"), Definition.Ensure("b", RetryThrice)));
        await engine.RunAsync();
        engine.Kernel.FailNext("+b", new IOException("busy"), new IOException("busy"), new IOException("still busy"));

        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("retried", "k"), Engine.Token);
        await engine.EventsUntil(e => e.Kind == JournalEventKind.RetryScheduled);
        ExecutionRow scheduled = engine.Runtime.Executions(id)[1];
        Assert.Equal((ExecutionStatus.RetryScheduled, 1, 1), (scheduled.Status, scheduled.Attempt, scheduled.Failures));
        Assert.Equal(time.GetUtcNow() + TimeSpan.FromSeconds(1), scheduled.DueAt);

        // Not before its time; a restart does not shorten it, and does not count as a failure.
        time.Advance(TimeSpan.FromSeconds(0.9));
        await engine.RestartAsync();
        Assert.Equal(1, engine.Runtime.Recovery.Scheduled);
        Assert.Equal(["+a#1", "+b#1"], engine.Kernel.Calls);
        long seen = (await engine.EventsUntil(e => e.Kind == JournalEventKind.RetryScheduled))[^1].Seq;
        await AdvanceUntil(engine, time, TimeSpan.FromSeconds(0.1), e => e.Kind == JournalEventKind.RetryScheduled, seen);
        Assert.Equal(2, engine.Runtime.Executions(id)[1].Failures);

        // Overdue at the next start: fires at once.
        await engine.Runtime.DisposeAsync();
        time.Advance(TimeSpan.FromHours(1));
        await engine.RunAsync();
        WorkflowAnswer answer = await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience);
        Assert.Equal((WorkflowOutcome.Compensated, "still busy"), (answer.Outcome, answer.Error));
        Assert.Equal("+a#1 +b#1 +b#2 +b#3 -b#1 -a#1", string.Join(' ', engine.Kernel.Calls));
    }

    /// <summary>The timer is set just after the commit that announces it, so one advance could come too early.</summary>
    private static async Task AdvanceUntil(Engine engine, FakeTimeProvider time, TimeSpan by, Func<JournalEvent, bool> last, long afterSeq)
    {
        Task<List<JournalEvent>> events = engine.EventsUntil(last, afterSeq);
        time.Advance(by);
        while (await Task.WhenAny(events, Task.Delay(10)) != events) time.Advance(TimeSpan.FromMilliseconds(1));
        await events;
    }

    [Fact]
    public async Task Timeout_EndsTheAttempt_ThenTheNextSucceeds()
    {
        var time = new FakeTimeProvider();
        await using var engine = new Engine { Time = time };
        string gate = Definition.Gate("slow").Replace(
            "\"gate\":",
            """
            "customProperties": {"timeout": "00:00:20", "retry": {"initialInterval": "00:00:01", "attempts": 2}}, "gate":
            """,
            StringComparison.Ordinal);
        engine.Definitions.Add(Definition.Of("timed", "", gate));
        await engine.RunAsync();

        Task<WorkflowAnswer> answer = engine.RunAsync("timed", "k");
        await engine.Gate.Arrived("slow").WaitAsync(Engine.Patience, Engine.Token);
        time.Advance(TimeSpan.FromSeconds(20));
        var events = await engine.EventsUntil(e => e.Kind == JournalEventKind.RetryScheduled);
        Assert.EndsWith("no result within 00:00:20", events[^1].Detail, StringComparison.Ordinal);

        engine.Gate.Open("slow");
        await AdvanceUntil(engine, time, TimeSpan.FromSeconds(1), e => e.Kind == JournalEventKind.Finished, events[^1].Seq);
        Assert.Equal(WorkflowOutcome.Finished, (await answer).Outcome);
    }

    [Fact]
    public async Task FailingCompensation_IsAnIncident_HoldsItsLane_AndKeepsTheFirstError()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.InLane("laned", "Exclusive", Definition.Ensure("a"), Definition.Ensure("b", "")));
        await engine.RunAsync();
        engine.Kernel.FailNext("+b", new IOException("first"));
        engine.Kernel.FailNext("-a", new IOException("second"));

        WorkflowAnswer answer = await engine.RunAsync("laned", "k1", """{"Net":"n"}""");
        Assert.Equal((WorkflowOutcome.Faulted, "first"), (answer.Outcome, answer.Error));
        InstanceId waiting = await engine.Runtime.StartAsync(Engine.Start("laned", "k2", """{"Net":"n"}"""), Engine.Token);

        await engine.RestartAsync();

        // Still so after a restart, which tries nothing by itself.
        Assert.Equal((1, 1), (engine.Runtime.Recovery.Suspended, engine.Runtime.Recovery.Waiting));
        IncidentRow incident = Assert.Single(engine.Runtime.Incidents(new IncidentFilter(OpenOnly: true)));
        Assert.Equal(("undoing a: second", "a"), (incident.Message, incident.ActivityId));
        Assert.Equal(InstanceStatus.Waiting, engine.Runtime.Instance(waiting)!.Status);
        Assert.Equal(answer, await engine.Runtime.AnswerAsync(answer.Instance, Engine.Token));
        Assert.Equal(["+a#1", "+b#1", "-a#1"], engine.Kernel.Calls);
    }

    [Fact]
    public async Task OnFault_Continue_GoesOn_StepLevelBeatsTheWorkflows()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("on", "", Definition.Ensure("a", """ "onFault": "Continue" """), Definition.Ensure("b")));
        await engine.RunAsync();
        engine.Kernel.FailNext("+a", new IOException("no matter"));

        WorkflowAnswer answer = await engine.RunAsync("on", "k");

        Assert.Equal(WorkflowOutcome.Finished, answer.Outcome);
        Assert.Equal("b", engine.Kernel.Text);
        Assert.Equal("no matter", engine.Runtime.Executions(answer.Instance)[0].Error);
    }

    [Fact]
    public async Task BrokenInvariant_Suspends_WhateverThePolicySays()
    {
        await using var engine = new Engine();
        engine.Options = engine.Options with { Classify = e => e is IOException ? FaultKind.BrokenInvariant : FaultKind.Retryable };
        engine.Definitions.Add(Definition.Of("broken", "", Definition.Ensure("a"), Definition.Ensure("b", RetryThrice)));
        await engine.RunAsync();
        engine.Kernel.FailNext("+b", new IOException("two owners of 10.1.2.3"));

        WorkflowAnswer answer = await engine.RunAsync("broken", "k");

        Assert.Equal((WorkflowOutcome.Faulted, "two owners of 10.1.2.3"), (answer.Outcome, answer.Error));
        Assert.Equal("b: two owners of 10.1.2.3", Assert.Single(engine.Runtime.Incidents(new IncidentFilter(OpenOnly: true))).Message);
    }

    [Fact]
    public async Task Join_TwoAtOnceAndAfterRestart_OneInstanceOneAnswer()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("joined", "", Definition.Ensure("a"), Definition.Respond, Definition.Gate("g")));
        await engine.RunAsync();

        WorkflowAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => engine.RunAsync("joined", "same")));
        await engine.RestartAsync();
        WorkflowAnswer afterRestart = await engine.RunAsync("joined", "same");
        engine.Gate.Open("g");
        await engine.EventsUntil(e => e.Kind == JournalEventKind.Finished);
        WorkflowAnswer afterEnd = await engine.RunAsync("joined", "same");
        WorkflowAnswer whileOpen = await engine.RunAsync("joined", "same", join: JoinPolicy.WhileOpen);

        Assert.Single(answers.Append(afterRestart).Append(afterEnd).Select(a => (a.Instance, a.Output!.ToJsonString())).Distinct());
        Assert.NotEqual(afterEnd.Instance, whileOpen.Instance);
        Assert.Equal(["+a#1", "+a#1"], engine.Kernel.Calls);
    }

    [Theory]
    [InlineData("nothing", "{}", "starting nothing: no such definition (known: laned)")]
    [InlineData("laned", "{}", "starting laned: input 'Net' is missing")]
    [InlineData("laned", """{"Net":7,"Nets":"x"}""", "starting laned: input 'Net': 7 is no String; unknown input 'Nets'")]
    public async Task Start_ThatDoesNotFit_IsRefusedBeforeItIsAccepted(string definition, string input, string message)
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.InLane("laned", "Exclusive", Definition.Ensure("a")));
        await engine.RunAsync();

        var e = await Assert.ThrowsAsync<InvalidStartException>(() => engine.RunAsync(definition, "k", input));

        Assert.Equal(message, e.Message);
        Assert.Equal(0, engine.Runtime.Commits);
    }

    [Fact]
    public async Task OpenInstance_GoesOnWithTheDefinitionItBeganWith()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("pinned", "", Definition.Gate("g"), Definition.Ensure("old")));
        await engine.RunAsync();
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("pinned", "k"), Engine.Token);
        await engine.Runtime.DisposeAsync();

        engine.Definitions[0] = Definition.Of("pinned", "", Definition.Gate("g"), Definition.Ensure("new"));
        await engine.RunAsync();
        engine.Gate.Open("g");
        await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience);
        Assert.Equal("old", engine.Kernel.Text);
        await engine.RunAsync("pinned", "k2");
        Assert.Equal("new old", engine.Kernel.Text);
    }

    [Fact]
    public async Task OpenInstance_WhoseActivityTypeIsGone_IsAnIncident_OthersRun()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("gated", "", Definition.Gate("g")));
        engine.Definitions.Add(Definition.Of("fine", "", Definition.Ensure("a")));
        await engine.RunAsync();
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("gated", "k"), Engine.Token);
        await engine.Runtime.DisposeAsync();

        engine.Definitions.RemoveAt(0);
        engine.Catalog = new ActivityCatalog().Add(new EnsureActivity(engine.Kernel));
        await engine.RunAsync();
        WorkflowAnswer answer = await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience);

        Assert.Equal(WorkflowOutcome.Faulted, answer.Outcome);
        Assert.Contains("unknown activity type 'Test.Gate'", answer.Error, StringComparison.Ordinal);
        Assert.Equal(WorkflowOutcome.Finished, (await engine.RunAsync("fine", "k")).Outcome);
    }

    [Fact]
    public async Task Dispose_BeforeResume_EndsThoseWhoWait_AndLosesNothing()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("gated", "", Definition.Gate("g")));
        await engine.RunAsync();
        InstanceId open = await engine.Runtime.StartAsync(Engine.Start("gated", "k"), Engine.Token);
        await engine.Runtime.DisposeAsync();
        await engine.OpenAsync();
        Task<WorkflowAnswer> answer = engine.Runtime.AnswerAsync(open, Engine.Token);
        Task<InstanceId> start = engine.Runtime.StartAsync(Engine.Start("gated", "k2"), Engine.Token);

        await engine.Runtime.DisposeAsync();

        await Assert.ThrowsAsync<RuntimeStoppedException>(() => answer.WaitAsync(Engine.Patience));
        await Assert.ThrowsAsync<RuntimeStoppedException>(() => start.WaitAsync(Engine.Patience));
        await engine.RunAsync();
        Assert.Equal((1, 1), (engine.Runtime.Recovery.Open, engine.Runtime.Recovery.InDoubt));
        await engine.EventsUntil(e => e is { Kind: JournalEventKind.StepStarted, Attempt: 2 });
    }

    [Fact]
    public async Task AnotherBoot_IsReported_AndTheNewAttemptIsOfThisBoot()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("gated", "", Definition.Gate("g")));
        await engine.RunAsync();
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("gated", "k"), Engine.Token);
        Assert.Equal("boot-1", engine.Runtime.Executions(id)[0].BootId);
        engine.Options = engine.Options with { BootId = "boot-2" };

        await engine.RestartAsync();
        await engine.EventsUntil(e => e is { Kind: JournalEventKind.StepStarted, Attempt: 2 });

        Assert.Equal(1, engine.Runtime.Recovery.FromAnotherBoot);
        Assert.Equal("boot-2", engine.Runtime.Executions(id)[0].BootId);
    }
}
