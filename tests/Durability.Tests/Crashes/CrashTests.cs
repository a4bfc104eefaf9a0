using FlannelFlow.Durability.Tests.Kit;

namespace FlannelFlow.Durability.Tests.Crashes;

/// <summary>The crash campaign, as much of it as ./test has time for: all points; of the pairs each nth. tests/campaigns/crash plays all.</summary>
[Trait("Takes", "long")]
public sealed class CrashTests
{
    private const int PairsEveryNth = 40;

    /// <summary>Its loops make it as long as four others, and its pairs sixteen times as many.</summary>
    private const int PairsOfRestoreEveryNth = 600;

    public static TheoryData<string> Shipped => [.. ShippedScenarios.Files.Select(file => file.Name)];

    public static TheoryData<string> Engine => [.. EngineScenarios.All.Select(scenario => scenario.Name)];

    [Theory]
    [MemberData(nameof(Shipped))]
    public async Task ShippedWorkflow_CrashAtEveryPoint_EndsAsIfThereWasNone(string file)
    {
        var total = new CrashCampaign.Count(0, 0, 0);
        foreach (Scenario scenario in await ShippedScenarios.OfAsync(ShippedScenarios.Files.Single(f => f.Name == file)))
            total += await new CrashCampaign(scenario, Environment.ProcessorCount).RunAsync(file == "restore.json" ? PairsOfRestoreEveryNth : PairsEveryNth);
        TestContext.Current.SendDiagnosticMessage("{0}: {1}", file, total);
        Assert.True(total is { Points: > 10, Pairs: > 0 }, $"{file}: {total}");
    }

    [Theory]
    [MemberData(nameof(Engine))]
    public async Task EngineConstruct_CrashAtEveryPoint_EndsAsIfThereWasNone(string name)
    {
        Scenario scenario = EngineScenarios.All.Single(s => s.Name == name);
        CrashCampaign.Count count = await new CrashCampaign(scenario, Environment.ProcessorCount).RunAsync(PairsEveryNth);
        TestContext.Current.SendDiagnosticMessage("{0}: {1}", name, count);
        Assert.True(count is { Points: > 10, Pairs: > 0 }, $"{name}: {count}");
    }

    [Fact]
    public async Task Points_HaveTheNamesThatTheDaemonIsToldOf()
    {
        Scenario scenario = EngineScenarios.All[0];
        using World world = World.Fresh(scenario.Kernel());
        Life.Story story = await Life.LiveAsync(scenario, world, crash: null);
        Assert.Equal(
            """
            crash/accept/before-enqueue
            crash/accept/before-commit
            crash/accept/after-commit
            crash/a/before-effect
            crash/a/after-effect
            crash/a/before-enqueue
            crash/a/before-commit
            crash/a/after-commit
            """,
            string.Join('\n', story.Crashes.Where(c => !c.Ambiguous).Take(8).Select(c => c.Point)));
    }
}
