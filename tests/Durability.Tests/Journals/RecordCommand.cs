using FlannelFlow.Durability.Tests.Crashes;

namespace FlannelFlow.Durability.Tests.Journals;

/// <summary>tests/campaigns/record.</summary>
internal static class RecordCommand
{
    /// <summary>Those of the engine's scenarios that are recorded beside all of workflows/.</summary>
    private static readonly string[] Constructs =
        ["engine/compensates", "engine/parallel", "engine/foreach", "engine/flowchart", "engine/delay", "engine/signal", "engine/child", "engine/transactional"];

    public static async Task<int> RunAsync(Arguments arguments)
    {
        string folder = arguments.Text("--folder") ?? throw new ArgumentException("--folder is missing");
        string version = arguments.Text("--version") ?? throw new ArgumentException("--version is missing");
        var scenarios = EngineScenarios.All.Where(s => Constructs.Contains(s.Name)).ToList();
        foreach (var file in ShippedScenarios.Files) scenarios.Add((await ShippedScenarios.OfAsync(file))[0]);
        foreach (Scenario scenario in scenarios)
        {
            string path = Path.Combine(folder, $"{version}-{scenario.Name.Replace("/succeeds", "", StringComparison.Ordinal).Replace('/', '-')}.sql");
            // A journal of the past is not made anew.
            if (File.Exists(path)) continue;
            await File.WriteAllTextAsync(path, (await RecordedJournal.RecordAsync(scenario)).ToString());
            Console.WriteLine(path);
        }
        return 0;
    }
}
