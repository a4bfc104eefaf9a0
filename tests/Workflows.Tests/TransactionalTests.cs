using FlannelFlow.Workflows.Tests.Kit;
using Microsoft.Data.Sqlite;

namespace FlannelFlow.Workflows.Tests;

public sealed class TransactionalTests
{
    private const string Tally = """
        { "id": "tally", "type": "Test.Tally", "customProperties": {"compensate": true, "retry": {"initialInterval": "00:00:00.001", "attempts": 3}},
          "label": {"typeName": "String", "expression": {"type": "Literal", "value": "t"}},
          "handle": {"typeName": "String", "memoryReference": {"id": "Handle"}} }
        """;

    [Fact]
    public async Task CrashAtEveryPoint_HasItsEffectExactlyOnce()
    {
        int points = int.MaxValue;
        for (int at = 1; at <= points; at++)
        {
            await using Engine engine = Create(Definition.Ensure("a"), Tally, Definition.Ensure("b"));
            var crash = new CrashAt(at);
            engine.Options = engine.Options with { CrashPoints = crash };
            await engine.RunAsync();
            await RunUntilCrashAsync(engine);
            if (!crash.Crashed) points = at;
            engine.Options = engine.Options with { CrashPoints = null };
            await engine.RestartAsync();

            Assert.Equal(WorkflowOutcome.Finished, (await engine.RunAsync("tx", "k")).Outcome);
            Assert.Equal(1, Count(engine));
        }
        Assert.InRange(points, 15, 50);
    }

    [Fact]
    public async Task CrashAtEveryPoint_IsUndoneExactlyOnce()
    {
        int points = int.MaxValue;
        for (int at = 1; at <= points; at++)
        {
            await using Engine engine = Create(Definition.Ensure("a"), Tally, Definition.Ensure("b"));
            engine.Kernel.FailNext("+b", new RefusalException("no"));
            var crash = new CrashAt(at);
            engine.Options = engine.Options with { CrashPoints = crash };
            await engine.RunAsync();
            await RunUntilCrashAsync(engine);
            if (!crash.Crashed) points = at;
            engine.Options = engine.Options with { CrashPoints = null };
            await engine.RestartAsync();

            Assert.Equal(WorkflowOutcome.Compensated, (await engine.RunAsync("tx", "k")).Outcome);
            Assert.Equal(0, Count(engine));
            Assert.Equal("", engine.Kernel.Text);
        }
        Assert.InRange(points, 20, 60);
    }

    [Fact]
    public async Task Fault_TakesBackWhatItWrote_AndIsRetried()
    {
        await using Engine engine = Create(Tally);
        var tally = (TallyActivity)engine.Tag!;
        tally.Throws = 2;
        await engine.RunAsync();

        Assert.Equal("""{"Handle":"t=1"}""", (await engine.RunAsync("tx", "k")).Output!.ToJsonString());
        Assert.Equal(1, Count(engine));
        Assert.Equal(3, tally.Calls);
    }

    [Fact]
    public async Task AStatementThatIsWrong_IsAFault_AndTheJournalGoesOn()
    {
        await using Engine engine = Create(Tally);
        ((TallyActivity)engine.Tag!).Statement = "INSERT INTO nowhere VALUES (1)";
        await engine.RunAsync();

        WorkflowAnswer answer = await engine.RunAsync("tx", "k");

        // Undone as in doubt; there is nothing to undo.
        Assert.Equal(WorkflowOutcome.Compensated, answer.Outcome);
        Assert.Contains("no such table: nowhere", answer.Error, StringComparison.Ordinal);
        Assert.Empty(engine.Stops);
        Assert.Equal(0, Count(engine));
    }

    [Fact]
    public async Task Boot_StepsAreToldThatEarlierOnesRanUnderAnother()
    {
        await using var engine = new Engine();
        var facts = new FactsActivity();
        engine.Catalog.Add(facts);
        const string step = """{ "id": "f", "type": "Test.Facts" }""";
        engine.Definitions.Add(Definition.Of("boot", "", Definition.Ensure("a"), Definition.Gate("g"), step));
        await engine.RunAsync();
        await engine.Runtime.StartAsync(Engine.Start("boot", "k"), Engine.Token);
        await engine.Gate.Arrived("g").WaitAsync(Engine.Patience, Engine.Token);
        await engine.Runtime.DisposeAsync();
        engine.Options = engine.Options with { BootId = "boot-2" };
        await engine.RunAsync();
        Assert.Equal(1, engine.Runtime.Recovery.FromAnotherBoot);
        engine.Gate.Open("g");
        await engine.RunAsync("boot", "k");
        await engine.RunAsync("boot", "fresh");

        Assert.Equal([("boot-2", true), ("boot-2", false)], facts.Seen);
    }

    private static Engine Create(params string[] steps)
    {
        var engine = new Engine();
        var tally = new TallyActivity();
        engine.Tag = tally;
        engine.Catalog.Add(tally);
        engine.Definitions.Add(Definition.Of("tx", "", steps));
        return engine;
    }

    private static async Task RunUntilCrashAsync(Engine engine)
    {
        try
        {
            await engine.RunAsync("tx", "k");
        }
        catch (RuntimeStoppedException)
        {
        }
    }

    private static long Count(Engine engine)
    {
        using var connection = new SqliteConnection($"Data Source={engine.Options.JournalPath};Mode=ReadOnly;Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT coalesce(sum(n), 0) FROM tallies";
        return (long)command.ExecuteScalar()!;
    }

    private sealed record TallyInput(string Label);

    private sealed record TallyOutput(string Handle);

    /// <summary>Not idempotent: that it counts once is the engine's doing.</summary>
    private sealed class TallyActivity : TransactionalActivity<TallyInput, TallyOutput>
    {
        public int Throws { get; set; }
        public int Calls { get; private set; }
        public string? Statement { get; set; }

        public override string Type => "Test.Tally";
        public override bool CanCompensate => true;
        public override string Tables => "CREATE TABLE IF NOT EXISTS tallies (name TEXT PRIMARY KEY, n INTEGER NOT NULL, CHECK (n >= 0))";

        public override TallyOutput Execute(TallyInput input, ActivityExecution execution, JournalDatabase database)
        {
            Calls++;
            database.Execute("INSERT INTO tallies VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1", input.Label);
            if (Statement is not null) database.Execute(Statement);
            if (Calls <= Throws) throw new IOException("busy");
            return new TallyOutput($"{input.Label}={database.Scalar("SELECT n FROM tallies WHERE name = ?", input.Label)}");
        }

        public override void Undo(TallyInput input, TallyOutput? output, ActivityExecution execution, JournalDatabase database)
        {
            // In doubt is not possible: without an output it never happened.
            if (output is not null) database.Execute("UPDATE tallies SET n = n - 1 WHERE name = ?", input.Label);
        }
    }

    private sealed class FactsActivity : Activity<Nothing, Nothing>
    {
        public List<(string, bool)> Seen { get; } = [];

        public override string Type => "Test.Facts";

        public override Task<Nothing> ExecuteAsync(Nothing input, ActivityExecution execution, CancellationToken ct)
        {
            Seen.Add((execution.BootId, execution.IsAfterReboot));
            return Task.FromResult(Nothing.Instance);
        }
    }
}
