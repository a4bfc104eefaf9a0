using System.Collections.Immutable;
using System.Text.Json;
using FlannelFlow.Workflows.Tests.Kit;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Time.Testing;
using static FlannelFlow.Workflows.Tests.Kit.Definition;

namespace FlannelFlow.Workflows.Tests;

public sealed class SignalTests
{
    private static readonly string Waits = Tree("waits", Sequence("all", Ensure("a"), Event("wait", "go"), Ensure("b"), RespondWith("Payload")));

    [Fact]
    public async Task Signal_ToOneThatWaits_GoesOnWithItsPayload()
    {
        await using Engine engine = await RunningAsync(Waits);
        InstanceId id = await WaitingAsync(engine, "k");

        SignalReceipt receipt = await SendAsync(engine, "k", """{"n":7}""");

        Assert.Equal((id, false), (receipt.Instance, receipt.IsKnown));
        WorkflowAnswer answer = await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience);
        Assert.Equal("""{"answer":{"n":7}}""", answer.Output!.ToJsonString());
        Assert.Equal("a b", engine.Kernel.Text);
        // Accept, a | wait, wait | b, b and the end; the signal is its own.
        Assert.Equal(4, engine.Runtime.Commits);
    }

    [Fact]
    public async Task Signal_ThatCameBeforeTheWait_IsKept_AlsoOverARestart()
    {
        await using Engine engine = await RunningAsync(Waits);
        SignalReceipt early = await SendAsync(engine, "k", "1");
        Assert.Null(early.Instance);
        Assert.Equal("go", Assert.Single(engine.Runtime.UnmatchedSignals(10)).Name);
        await engine.RestartAsync();

        Assert.Equal("""{"answer":1}""", (await engine.RunAsync("waits", "k")).Output!.ToJsonString());
        Assert.Empty(engine.Runtime.UnmatchedSignals(10));
    }

    [Fact]
    public async Task Signal_TwiceWithOneId_IsOne_AndOneWakesOne()
    {
        await using Engine engine = await RunningAsync(Waits, Tree("other", Sequence("all", Event("wait", "go", "shared"), Ensure("c"))));
        InstanceId first = await WaitingAsync(engine, "1", "other");
        InstanceId second = await WaitingAsync(engine, "2", "other");

        SignalReceipt sent = await SendAsync(engine, "shared", "1", "id");
        SignalReceipt again = await SendAsync(engine, "shared", "1", "id");

        Assert.Equal((first, false), (sent.Instance, sent.IsKnown));
        Assert.Equal((null, true), (again.Instance, again.IsKnown));
        await engine.Runtime.AnswerAsync(first, Engine.Token).WaitAsync(Engine.Patience);
        Assert.Equal(InstanceStatus.Running, engine.Runtime.Instance(second)!.Status);
        // An instance's id serves as well as what it correlates by.
        Assert.Equal(second, (await SendAsync(engine, second.Value, "1")).Instance);
        await engine.Runtime.AnswerAsync(second, Engine.Token).WaitAsync(Engine.Patience);
    }

    [Fact]
    public async Task Signal_ManySentWhileManyBeginToWait_NoneIsLost()
    {
        await using Engine engine = await RunningAsync(Waits);

        var answers = Enumerable.Range(0, 200).Select(i => engine.RunAsync("waits", $"k{i}")).ToList();
        await Task.WhenAll(Enumerable.Range(0, 200).Select(i => SendAsync(engine, $"k{i}", $"{i}")));

        Assert.Equal(Enumerable.Range(0, 200).Select(i => $$"""{"answer":{{i}}}"""), (await Task.WhenAll(answers)).Select(a => a.Output!.ToJsonString()));
    }

    [Fact]
    public void Signal_MatchedToOneThatIsGivenUp_GoesToTheNext()
    {
        using var connection = new SqliteConnection("Data Source=:memory:");
        connection.Open();
        JournalSchema.Ensure(connection);
        using var table = new SignalTable(connection);
        var waits = new BookmarkDraft(1, 1, "go", "shared", Waits: true, Consumes: false);
        BookmarkDraft gone = waits with { Waits = false }, taken = gone with { Consumes = true };
        Assert.Empty(table.Match(1, Commit("a", waits)));
        Assert.Empty(table.Match(2, Commit("b", waits)));
        Assert.Empty(table.Match(3, Commit("c", waits)));

        Assert.Equal("a", table.Send(new Signal("go", "shared", null, "s1"), default).Match!.Instance.Value);
        Assert.Equal("b", table.Send(new Signal("go", "shared", null, "s2"), default).Match!.Instance.Value);
        // s1 passes from a to c; s2 is taken; then s1 is kept, until somebody comes.
        Assert.Equal("c", Assert.Single(table.Match(1, Commit("a", gone))).Instance.Value);
        Assert.Empty(table.Match(2, Commit("b", taken)));
        Assert.Empty(table.Match(3, Commit("c", gone)));
        Assert.Equal("d", Assert.Single(table.Match(4, Commit("d", waits))).Instance.Value);
        Assert.Empty(table.Match(4, Commit("d", taken)));
        Assert.Empty(table.Match(5, Commit("e", waits)));

        static InstanceCommit Commit(string id, BookmarkDraft draft)
        {
            var state = new InstanceState
            {
                Id = new InstanceId(id),
                DefinitionId = "d",
                DefinitionHash = "h",
                IdempotencyKey = id,
                Inputs = ImmutableDictionary<string, JsonElement>.Empty,
                Claims = [],
                AcceptedAt = default,
                Status = InstanceStatus.Running,
            };
            return new InstanceCommit(state, [], [], [], default) { Bookmarks = [draft] };
        }
    }

    [Fact]
    public async Task Signal_MatchedWhenTheProcessDies_IsTakenAtTheNextStart()
    {
        await using Engine engine = await RunningAsync(Waits);
        InstanceId id = await WaitingAsync(engine, "k");
        var crash = new CrashAtMoment("signal-before-enqueue");
        engine.Options = engine.Options with { CrashPoints = crash };
        await engine.RestartAsync();
        Assert.Equal(id, (await SendAsync(engine, "k", "1")).Instance);
        await crash.Crashed.WaitAsync(Engine.Patience, Engine.Token);
        engine.Options = engine.Options with { CrashPoints = null };
        await engine.RestartAsync();

        Assert.Equal("""{"answer":1}""", (await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience)).Output!.ToJsonString());
    }

    [Fact]
    public async Task Timeout_IsAFault_RetriedByThePolicy_AndALateSignalServesTheNextWait()
    {
        var time = new FakeTimeProvider();
        await using var engine = new Engine { Time = time };
        engine.Definitions.Add(Tree("waits", Sequence(
            "all", Event("wait", "go", null, """ "timeout": "00:01:00", "retry": {"initialInterval": "00:00:10", "attempts": 2}, "onFault": "Suspend" """), Ensure("b"))));
        await engine.RunAsync();
        InstanceId id = await WaitingAsync(engine, "k");
        await AdvanceUntilAsync(engine, time, e => e.Kind == JournalEventKind.RetryScheduled);
        Assert.Null((await SendAsync(engine, "k", "1")).Instance);
        Task<WorkflowAnswer> answer = engine.Runtime.AnswerAsync(id, Engine.Token);
        while (await Task.WhenAny(answer, Task.Delay(5, Engine.Token)) != answer) time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(WorkflowOutcome.Finished, (await answer).Outcome);
        ExecutionRow wait = engine.Runtime.Executions(id)[0];
        Assert.Equal((2, 1, """{"result":1}"""), (wait.Attempt, wait.Failures, wait.Output));

        InstanceId never = await WaitingAsync(engine, "never");
        Task<WorkflowAnswer> faulted = engine.Runtime.AnswerAsync(never, Engine.Token);
        while (await Task.WhenAny(faulted, Task.Delay(5, Engine.Token)) != faulted) time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal((WorkflowOutcome.Faulted, "no signal 'go' within 00:01:00"), ((await faulted).Outcome, (await faulted).Error));
    }

    [Fact]
    public async Task Wait_IsSkippedByAnOperator_WhoGivesTheResult()
    {
        await using Engine engine = await RunningAsync(Waits);
        InstanceId id = await WaitingAsync(engine, "k");

        await engine.Runtime.AlterAsync(id, new Alteration.Skip(new() { ["result"] = "by hand" }), "alice", "it will not come", Engine.Token);

        Assert.Equal("""{"answer":"by hand"}""", (await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience)).Output!.ToJsonString());
        // Its bookmark is gone: a late signal is kept for another.
        Assert.Null((await SendAsync(engine, "k", "1")).Instance);
    }

    [Theory]
    [InlineData("", "k", "a signal without a name")]
    [InlineData("go", " ", "signal 'go': it is not said whom it is for (a correlation, an idempotency key, or an instance's id)")]
    public async Task Signal_WithoutAddress_IsRefused(string name, string correlation, string message)
    {
        await using Engine engine = await RunningAsync(Waits);
        var e = await Assert.ThrowsAsync<InvalidSignalException>(() => engine.Runtime.SignalAsync(new Signal(name, correlation), Engine.Token));
        Assert.Equal(message, e.Message);
    }

    /// <summary>The sender sends again after each crash, with the same id, as one must who was not told.</summary>
    [Fact]
    public async Task CrashAtEveryPoint_TheSignalIsTakenOnce()
    {
        int points = int.MaxValue;
        for (int at = 1; at <= points; at++)
        {
            await using var engine = new Engine();
            engine.Definitions.Add(Tree("twice", Sequence("all", Event("first", "go"), Ensure("a"), Event("second", "go"), Ensure("b"))));
            var crash = new CrashAt(at);
            engine.Options = engine.Options with { CrashPoints = crash };
            await engine.RunAsync();
            try
            {
                InstanceId id = await engine.Runtime.StartAsync(Engine.Start("twice", "k"), Engine.Token);
                await SendAsync(engine, "k", "1", "s1");
                await SendAsync(engine, "k", "2", "s2");
                await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience);
            }
            catch (RuntimeStoppedException)
            {
            }
            if (!crash.Crashed) points = at;
            engine.Options = engine.Options with { CrashPoints = null };
            await engine.RestartAsync();
            await SendAsync(engine, "k", "1", "s1");
            await SendAsync(engine, "k", "2", "s2");
            WorkflowAnswer answer = await engine.RunAsync("twice", "k");

            Assert.Equal((WorkflowOutcome.Finished, "a b"), (answer.Outcome, engine.Kernel.Text));
            Assert.Equal(["""{"result":1}""", """{"result":2}"""], engine.Runtime.Executions(answer.Instance).Where(e => e.ActivityType == "Elsa.Event").Select(e => e.Output));
            Assert.Empty(engine.Runtime.UnmatchedSignals(10));
        }
        Assert.InRange(points, 20, 100);
    }

    private static async Task<Engine> RunningAsync(params string[] definitions)
    {
        var engine = new Engine();
        engine.Definitions.AddRange(definitions);
        await engine.RunAsync();
        return engine;
    }

    private static async Task<InstanceId> WaitingAsync(Engine engine, string key, string definition = "waits")
    {
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start(definition, key), Engine.Token);
        await engine.EventsUntil(e => e.Kind == JournalEventKind.StepWaits && e.Instance == id);
        return id;
    }

    private static Task<SignalReceipt> SendAsync(Engine engine, string correlation, string payload, string? id = null) =>
        engine.Runtime.SignalAsync(new Signal("go", correlation, JsonSerializer.Deserialize<JsonElement>(payload), id), Engine.Token).WaitAsync(Engine.Patience);

    private static async Task AdvanceUntilAsync(Engine engine, FakeTimeProvider time, Func<JournalEvent, bool> last)
    {
        Task<List<JournalEvent>> events = engine.EventsUntil(last);
        while (await Task.WhenAny(events, Task.Delay(5, Engine.Token)) != events) time.Advance(TimeSpan.FromSeconds(1));
        await events;
    }

    private sealed class CrashAtMoment(string moment) : ICrashPoints
    {
        private readonly TaskCompletionSource _crashed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Crashed => _crashed.Task;

        public void Pass(CrashPoint point)
        {
            if (point.Moment != moment) return;
            _crashed.TrySetResult();
            throw new SimulatedCrashException(point);
        }
    }
}
