using FlannelFlow.Durability.Tests.Crashes;
using FlannelFlow.Durability.Tests.Kit;
using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Durability.Tests.Journals;

/// <summary>Journals that earlier versions wrote: the present code opens them and brings what is open to its end.</summary>
public sealed class RecordedJournalTests
{
    private static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "Journals");

    public static TheoryData<string> Files => [.. Directory.GetFiles(Folder, "*.sql").Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    /// <summary>A workflow that is shipped today may be open in a journal that tomorrow's version finds.</summary>
    [Fact]
    public void EveryWorkflow_HasARecordedJournal()
    {
        var recorded = Directory.GetFiles(Folder, "*.sql").Select(file => Path.GetFileNameWithoutExtension(file).Split('-', 2)[1]).ToHashSet(StringComparer.Ordinal);
        var shipped = ShippedScenarios.Files.Select(file => Path.GetFileNameWithoutExtension(file.Name));
        Assert.Empty(string.Join(' ', shipped.Except(recorded)));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public async Task RecordedJournal_IsResumed_ToTheSameEnd(string file)
    {
        RecordedJournal recorded = RecordedJournal.Parse(await File.ReadAllTextAsync(Path.Combine(Folder, file), Engine.Token));
        Scenario scenario = recorded.Scenario.StartsWith("engine/", StringComparison.Ordinal)
            ? EngineScenarios.All.Single(s => s.Name == recorded.Scenario)
            : new Scenario(recorded.Scenario, ShippedScenarios.Files, ShippedScenarios.Stage, Start: null);
        // What it goes on with is the definition that its journal keeps, whatever the files say now; the caller is gone.
        scenario = scenario with { Start = null, Have = recorded.Has };
        using World world = World.Fresh(scenario.Kernel());
        world.HasPast = true;
        SqlText.Execute(recorded.Sql, world.JournalPath);

        Life.Story story = await Life.LiveAsync(scenario, world, crash: null);

        Assert.Contains("kernel: " + recorded.Ends, story.Outcome, StringComparison.Ordinal);
    }
}
