using System.Diagnostics;
using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Durability.Tests.Kills;

/// <summary>Real SIGKILLs of a real process; then ledger, answers and journal must agree. tests/campaigns/kill is the long form.</summary>
public sealed class KillTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private readonly string _folder = Directory.CreateTempSubdirectory("fft-kill-").FullName;

    [Fact]
    [Trait("Takes", "long")]
    public async Task KilledAtRandom_NothingIsLost_NothingHappensMoreOftenThanItsCrashes()
    {
        int seed = Random.Shared.Next();
        TestContext.Current.SendDiagnosticMessage("kill seed {0}", seed);
        try
        {
            Agreement agreement = await new KillCampaign(_folder, seed).RunAsync(30, progress: null);
            TestContext.Current.SendDiagnosticMessage("{0}", agreement);
            Assert.InRange(agreement.Instances, 30, int.MaxValue);
        }
        catch (DisagreementException e)
        {
            Assert.Fail($"{e.Message}; again: tests/campaigns/kill --cycles 30 --seed {seed}");
        }
    }

    [Theory]
    [InlineData("plain/b/after-effect")]
    [InlineData("plain/a/before-commit")]
    [InlineData("plain/c/after-commit")]
    [InlineData("refused/b/undo-after-effect")]
    public async Task CrashPointOption_KillsOnceAtThatPoint(string point)
    {
        using (Process first = KillCampaign.Start(_folder, 1, 120, point))
        {
            await first.WaitForExitAsync(Engine.Token).WaitAsync(Patience);
            Assert.Equal(128 + 9, first.ExitCode);
        }
        Assert.True(File.Exists(Path.Combine(_folder, "crashed-at-" + point.Replace('/', '_'))));
        using Process second = KillCampaign.Start(_folder, 1, 120, point);
        await second.WaitForExitAsync(Engine.Token).WaitAsync(Patience);
        Assert.Equal(0, second.ExitCode);
        Assert.Equal(120, (await Agreement.CheckAsync(_folder, kills: 1, early: 0)).Instances);
    }

    [Fact]
    public async Task SecondProcess_IsRefused_NamingTheHolder()
    {
        await using var engine = new Engine();
        engine.Options = engine.Options with { JournalPath = Path.Combine(_folder, "journal.db") };
        await engine.RunAsync();

        using Process second = KillCampaign.Start(_folder, 1, 1, "", redirect: true);
        string error = await second.StandardError.ReadToEndAsync(Engine.Token);
        await second.WaitForExitAsync(Engine.Token).WaitAsync(Patience);

        Assert.Equal((3, $"journal {engine.Options.JournalPath} is in use by process {Environment.ProcessId}\n"), (second.ExitCode, error));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
