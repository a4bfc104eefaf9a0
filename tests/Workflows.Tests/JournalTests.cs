using System.Diagnostics;
using FlannelFlow.Workflows.Tests.Kit;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Time.Testing;

namespace FlannelFlow.Workflows.Tests;

public sealed class JournalTests
{
    [Fact]
    public async Task SecondRuntime_IsRefused_NamingTheHolder_AndTheFirstGoesOn()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("one", "", Definition.Ensure("a")));
        WorkflowRuntime first = await engine.RunAsync();

        var e = await Assert.ThrowsAsync<JournalUnusableException>(engine.OpenAsync);

        Assert.Equal($"journal {engine.Options.JournalPath} is in use by process {Environment.ProcessId}", e.Message);
        Assert.Equal(WorkflowOutcome.Finished, (await first.RunAsync(Engine.Start("one", "k"), Engine.Token)).Outcome);
    }

    [Fact]
    public async Task NewerVersion_IsRefused_AndNotTouched()
    {
        await using var engine = new Engine();
        await engine.RunAsync();
        await engine.Runtime.DisposeAsync();
        Execute(engine, "PRAGMA user_version=99");
        byte[] before = await File.ReadAllBytesAsync(engine.Options.JournalPath, Engine.Token);

        var e = await Assert.ThrowsAsync<JournalUnusableException>(engine.OpenAsync);

        Assert.Equal(
            $"journal {engine.Options.JournalPath} has version 99, this program knows up to {JournalSchema.Version}: it was written by a newer FlannelFlow", e.Message);
        Assert.Equal(before, await File.ReadAllBytesAsync(engine.Options.JournalPath, Engine.Token));
    }

    [Theory]
    [InlineData(0, "damaged")]
    [InlineData(5000, "damaged")]
    public async Task DamagedFile_IsRefused_AndNotTouched(int from, string message)
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("one", "", Definition.Ensure("a")));
        await engine.RunAsync();
        for (int i = 0; i < 50; i++) await engine.RunAsync("one", $"k{i}");
        await engine.Runtime.DisposeAsync();
        byte[] bytes = await File.ReadAllBytesAsync(engine.Options.JournalPath, Engine.Token);
        for (int i = from; i < bytes.Length; i++) bytes[i] = (byte)(i * 31);
        await File.WriteAllBytesAsync(engine.Options.JournalPath, bytes, Engine.Token);

        var e = await Assert.ThrowsAsync<JournalUnusableException>(engine.OpenAsync);

        Assert.Contains(message, e.Message, StringComparison.Ordinal);
        Assert.Equal(bytes, await File.ReadAllBytesAsync(engine.Options.JournalPath, Engine.Token));
    }

    [Fact]
    public async Task ForeignSqliteFile_IsRefused()
    {
        await using var engine = new Engine();
        Execute(engine, "CREATE TABLE recipes (name TEXT)");

        var e = await Assert.ThrowsAsync<JournalUnusableException>(engine.OpenAsync);

        Assert.Equal($"{engine.Options.JournalPath} is an SQLite file, but no FlannelFlow journal", e.Message);
    }

    [Fact]
    public async Task MissingFileWithItsLogLeft_IsRefused()
    {
        await using var engine = new Engine();
        await File.WriteAllTextAsync(engine.Options.JournalPath + "-wal", "the only copy", Engine.Token);

        var e = await Assert.ThrowsAsync<JournalUnusableException>(engine.OpenAsync);

        Assert.Contains("write-ahead log", e.Message, StringComparison.Ordinal);
        Assert.Equal("the only copy", await File.ReadAllTextAsync(engine.Options.JournalPath + "-wal", Engine.Token));
    }

    [Fact]
    public async Task ManyAtOnce_ShareCommits()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("one", "", Definition.Ensure("a"), Definition.Ensure("b")));
        var slow = new SlowCommits();
        engine.Options = engine.Options with { CrashPoints = slow };
        await engine.RunAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => engine.RunAsync("one", $"k{i}")));

        Assert.All(answers, a => Assert.Equal(WorkflowOutcome.Finished, a.Outcome));
        // 600 commits of instances; alone each would have been one of the journal.
        Assert.Equal(600, slow.Writes);
        Assert.InRange(engine.Runtime.Commits, 3, 300);
    }

    [Fact]
    public async Task FailedCommit_StopsTheEngine_AndTellsNobodyItWasDone()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("one", "", Definition.Ensure("a")));
        engine.Options = engine.Options with { CrashPoints = new DiskFull() };
        await engine.RunAsync();

        await Assert.ThrowsAsync<RuntimeStoppedException>(() => engine.RunAsync("one", "k"));
        await Assert.ThrowsAsync<RuntimeStoppedException>(() => engine.RunAsync("one", "k2"));

        Assert.Equal(["writing the journal: disk full"], engine.Stops);
        Assert.Empty(engine.Kernel.Calls);
        engine.Options = engine.Options with { CrashPoints = null };
        await engine.RestartAsync();
        Assert.Equal(0, engine.Runtime.Recovery.Open);
        Assert.Equal(WorkflowOutcome.Finished, (await engine.RunAsync("one", "k")).Outcome);
    }

    [Fact]
    public async Task InstanceWrittenBySomebodyElse_IsNotOverwritten_TheEngineStops()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("gated", "", Definition.Gate("g"), Definition.Ensure("a")));
        await engine.RunAsync();
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("gated", "k"), Engine.Token);
        Execute(engine, "UPDATE instances SET rev = rev + 1");

        engine.Gate.Open("g");
        await Assert.ThrowsAsync<RuntimeStoppedException>(() => engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience));

        Assert.Equal($"running instance {id} of gated: instance {id} is not at revision 1 in the journal", Assert.Single(engine.Stops));
        Assert.Equal(ExecutionStatus.Running, Assert.Single(engine.Runtime.Executions(id)).Status);
        Assert.Empty(engine.Kernel.Calls);
    }

    [Fact]
    public async Task Follow_FromAnyEvent_GivesTheRestWithoutGap_WhileItGrows()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("one", "", Definition.Ensure("a")));
        await engine.RunAsync();
        Task<List<JournalEvent>> live = engine.EventsUntil(e => e.Seq == 400);

        await Task.WhenAll(Enumerable.Range(0, 100).Select(i => engine.RunAsync("one", $"k{i}")));
        var all = await live;
        await engine.RestartAsync();
        var rest = await engine.EventsUntil(e => e.Seq == 400, afterSeq: 123);

        Assert.Equal(Enumerable.Range(1, 400).Select(n => (long)n), all.Select(e => e.Seq));
        Assert.Equal(all.Skip(123), rest);
        Assert.All(all.GroupBy(e => e.Instance), i => Assert.Equal("Accepted\nStepStarted a#1\nStepCompleted a#1\nFinished", Engine.Print(i)));
    }

    [Fact]
    public async Task Reads_ArePagedByKey_AndFiltered()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("one", "", Definition.Ensure("a")));
        engine.Definitions.Add(Definition.Of("two", "", Definition.Ensure("b")));
        await engine.RunAsync();
        for (int i = 0; i < 7; i++) await engine.RunAsync(i % 3 == 0 ? "two" : "one", $"k{i}");

        var first = engine.Runtime.Instances(new InstanceFilter(null, InstanceStatus.Finished, Limit: 4));
        var second = engine.Runtime.Instances(new InstanceFilter(null, InstanceStatus.Finished, first[^1].Row, Limit: 4));

        Assert.Equal("k6 k5 k4 k3 k2 k1 k0", string.Join(' ', first.Concat(second).Select(i => i.IdempotencyKey)));
        Assert.Equal("k6 k3 k0", string.Join(' ', engine.Runtime.Instances(new InstanceFilter("two", null)).Select(i => i.IdempotencyKey)));
        Assert.Empty(engine.Runtime.Instances(new InstanceFilter(null, InstanceStatus.Running)));
        Assert.Equal("k4 k3", string.Join(' ', engine.Runtime.Instances(new InstanceFilter(null, null, Limit: 2) { Skip = 2 }).Select(i => i.IdempotencyKey)));
        Assert.Equal((7, 3, 0), (engine.Runtime.Count(new InstanceFilter(null, null, Limit: 1)), engine.Runtime.Count(new InstanceFilter("two", null)), engine.Runtime.Count(new InstanceFilter(null, null) { Statuses = [InstanceStatus.Running, InstanceStatus.Waiting] })));
    }

    [Fact]
    public async Task Text_IsFoundInIdDefinitionKeyInputAndError()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.InLane("find-me", "Shared", Definition.Ensure("a")));
        await engine.RunAsync();
        engine.Kernel.FailNext("+a", new RefusalException("needle in the error"));
        var failed = (await engine.RunAsync("find-me", "k0", """{"Net":"n"}""")).Instance;
        await engine.RunAsync("find-me", "needle-in-key", """{"Net":"n"}""");
        await engine.RunAsync("find-me", "k2", """{"Net":"needle-in-input"}""");

        Assert.Equal("k2 needle-in-key k0", Found("needle"));
        Assert.Equal("k2 needle-in-key k0", Found("find-me"));
        Assert.Equal("k0", Found(failed.Value[8..]));
        Assert.Equal("", Found("Needle"));

        string Found(string text) => string.Join(' ', engine.Runtime.Instances(new InstanceFilter(null, null) { Text = text }).Select(i => i.IdempotencyKey));
    }

    [Fact]
    public async Task Retention_PurgesWhatFinishedLongAgo_KeepsTheOpen_AndFollowGoesOn()
    {
        var time = new FakeTimeProvider();
        await using var engine = new Engine { Time = time };
        engine.Definitions.Add(Definition.Of("one", "", Definition.Ensure("a")));
        engine.Definitions.Add(Definition.Of("open", "", Definition.Gate("g")));
        await engine.RunAsync();
        InstanceId open = await engine.Runtime.StartAsync(Engine.Start("open", "o"), Engine.Token);
        for (int i = 0; i < 150; i++) await engine.RunAsync("one", $"old{i}");
        time.Advance(TimeSpan.FromDays(6));
        await engine.RunAsync("one", "new");
        long seen = (await engine.EventsUntil(e => e.Kind == JournalEventKind.Finished, afterSeq: 600))[^1].Seq;

        time.Advance(TimeSpan.FromDays(1.5));
        var deadline = Stopwatch.StartNew();
        // Events go chunk by chunk with the instances, of which there are fewer.
        while ((engine.Runtime.Instances(new InstanceFilter(null, null, Limit: 1000)).Count > 2 || Number(engine, "SELECT min(seq) FROM journal") <= 500) && deadline.Elapsed < Engine.Patience)
            await Task.Delay(10, Engine.Token);

        Assert.Equal("new o", string.Join(' ', engine.Runtime.Instances(new InstanceFilter(null, null)).Select(i => i.IdempotencyKey)));
        Assert.Single(engine.Runtime.Executions(open));
        Assert.Equal(2, Number(engine, "SELECT count(*) FROM executions"));
        await engine.RunAsync("one", "newest");
        var events = await engine.EventsUntil(e => e.Seq == seen + 4);
        Assert.Equal(Enumerable.Range(0, events.Count).Select(n => events[0].Seq + n), events.Select(e => e.Seq));
        Assert.True(events[0].Seq > 500);
    }

    private static long Number(Engine engine, string sql)
    {
        using var connection = new SqliteConnection($"Data Source={engine.Options.JournalPath};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        return (long)command.ExecuteScalar()!;
    }

    private static void Execute(Engine engine, string sql)
    {
        using var connection = new SqliteConnection($"Data Source={engine.Options.JournalPath};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>Every fsync takes a while, so that others gather behind it.</summary>
    private sealed class SlowCommits : ICrashPoints
    {
        private int _writes;

        public int Writes => _writes;

        public void Pass(CrashPoint point)
        {
            if (!point.Moment.EndsWith("before-commit", StringComparison.Ordinal)) return;
            if (Interlocked.Increment(ref _writes) % 8 == 1) Thread.Sleep(1);
        }
    }

    private sealed class DiskFull : ICrashPoints
    {
        public void Pass(CrashPoint point)
        {
            if (point.Moment == "before-commit") throw new IOException("disk full");
        }
    }
}
