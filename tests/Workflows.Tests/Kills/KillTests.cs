using System.Diagnostics;
using System.Globalization;
using FlannelFlow.Workflows.Tests.Kit;
using Microsoft.Data.Sqlite;

namespace FlannelFlow.Workflows.Tests.Kills;

/// <summary>Real SIGKILLs of a real process; then ledger, answers and journal must agree.</summary>
public sealed class KillTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("fft-kill-").FullName;

    private string JournalPath => Path.Combine(_folder, "journal.db");

    [Fact]
    public async Task KilledAtRandom_NothingIsLost_NothingHappensMoreOftenThanItsCrashes()
    {
        int seed = Random.Shared.Next();
        TestContext.Current.SendDiagnosticMessage("kill seed {0}", seed);
        var random = new Random(seed);
        int kills = 0;
        for (int cycle = 0; cycle < 6; cycle++)
        {
            using Process victim = Start("");
            int more = Lines("ledger").Length + random.Next(1, 60);
            await Poll(() => victim.HasExited || Lines("ledger").Length >= more);
            if (victim.HasExited) break;
            victim.Kill();
            await victim.WaitForExitAsync(Engine.Token);
            kills++;
        }
        using Process last = Start("");
        await last.WaitForExitAsync(Engine.Token).WaitAsync(Engine.Patience);
        Assert.True(last.ExitCode == 0, $"seed {seed}: the last run ended with {last.ExitCode}");
        Assert.InRange(kills, 2, 6);
        await AssertAgreementAsync(kills);
    }

    [Theory]
    [InlineData("load/b/after-effect")]
    [InlineData("load/a/before-commit")]
    [InlineData("load/c/after-commit")]
    [InlineData("load/b/undo-after-effect")]
    public async Task CrashPointOption_KillsOnceAtThatPoint(string point)
    {
        using (Process first = Start(point))
        {
            await first.WaitForExitAsync(Engine.Token).WaitAsync(Engine.Patience);
            Assert.Equal(128 + 9, first.ExitCode);
        }
        Assert.True(File.Exists(Path.Combine(_folder, "crashed-at-" + point.Replace('/', '_'))));
        using Process second = Start(point);
        await second.WaitForExitAsync(Engine.Token).WaitAsync(Engine.Patience);
        Assert.Equal(0, second.ExitCode);
        await AssertAgreementAsync(1);
    }

    [Fact]
    public async Task SecondProcess_IsRefused_NamingTheHolder()
    {
        await using var engine = new Engine();
        engine.Options = engine.Options with { JournalPath = JournalPath };
        await engine.RunAsync();

        using Process second = Start("", redirect: true);
        string error = await second.StandardError.ReadToEndAsync(Engine.Token);
        await second.WaitForExitAsync(Engine.Token).WaitAsync(Engine.Patience);

        Assert.Equal((3, $"journal {JournalPath} is in use by process {Environment.ProcessId}\n"), (second.ExitCode, error));
    }

    private async Task AssertAgreementAsync(int kills)
    {
        await using var engine = new Engine();
        engine.Options = engine.Options with { JournalPath = JournalPath };
        await engine.OpenAsync();
        Assert.Equal(0, engine.Runtime.Recovery.Open);

        // Every start was accepted once, and ended as it must.
        var instances = engine.Runtime.Instances(new InstanceFilter(null, null, Limit: 1000));
        Assert.Equal(Victim.Instances, instances.Count);
        Assert.Equal(Victim.Instances, instances.Select(i => i.IdempotencyKey).Distinct().Count());
        foreach (InstanceRow row in instances)
        {
            bool refused = Victim.IsRefused(int.Parse(row.IdempotencyKey[1..], CultureInfo.InvariantCulture));
            Assert.Equal(refused ? InstanceStatus.Compensated : InstanceStatus.Finished, row.Status);
        }

        // Every answer that was given is what the journal says.
        var outcomes = instances.ToDictionary(i => i.IdempotencyKey, i => i.Status.ToString());
        Assert.All(Lines("answers"), line => Assert.Equal(outcomes[line.Split(' ')[0]], line.Split(' ')[1]));

        // Effects: each at least once, at most once more per kill; a repeated effect is in the journal as an attempt.
        var effects = Lines("ledger").GroupBy(line => line.Split(' ')[1]).ToDictionary(g => g.Key, g => g.Count());
        Assert.All(effects.Values, count => Assert.InRange(count, 1, 1 + kills));
        foreach (InstanceRow row in instances)
        {
            foreach (ExecutionRow execution in engine.Runtime.Executions(row.Id))
            {
                string key = $"{row.Id}/{execution.Seq}-{execution.ActivityId}";
                if (row.Status == InstanceStatus.Compensated) Assert.InRange(effects[key + "/undo"], 1, execution.Attempt);
                else Assert.InRange(effects[key], 1, execution.Attempt);
            }
        }

        // The kernel of the ledger holds what finished instances made, and nothing of those that were undone.
        var things = new HashSet<string>();
        foreach (string line in Lines("ledger"))
        {
            string thing = line[1..line.IndexOf(' ', StringComparison.Ordinal)];
            if (line[0] == '+') things.Add(thing);
            else things.Remove(thing);
        }
        var expected = instances.Where(i => i.Status == InstanceStatus.Finished)
            .SelectMany(i => new[] { "a", "b", "c" }.Select(step => $"{i.IdempotencyKey}/{step}"));
        Assert.Equal(expected.ToHashSet(), things);

        AssertGapless();
    }

    private void AssertGapless()
    {
        using var connection = new SqliteConnection($"Data Source={JournalPath};Mode=ReadOnly;Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT min(seq) = 1 AND max(seq) = count(*) FROM journal";
        Assert.Equal(1L, command.ExecuteScalar());
    }

    private Process Start(string crashPoint, bool redirect = false) => Process.Start(
        new ProcessStartInfo(Environment.ProcessPath!, ["victim", _folder, crashPoint]) { RedirectStandardError = redirect })!;

    private string[] Lines(string file)
    {
        string path = Path.Combine(_folder, file);
        return File.Exists(path) ? File.ReadAllLines(path) : [];
    }

    private static async Task Poll(Func<bool> done)
    {
        var patience = Stopwatch.StartNew();
        while (!done())
        {
            Assert.True(patience.Elapsed < Engine.Patience, "waited too long");
            await Task.Delay(1, Engine.Token);
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
