using System.Diagnostics;
using System.Globalization;

namespace FlannelFlow.Durability.Tests.Crashes;

/// <summary>tests/campaigns/crash.</summary>
internal static class CrashCommand
{
    /// <summary>0: all ended as they must; 1: one did not, and how to play it again.</summary>
    public static async Task<int> RunAsync(Arguments arguments)
    {
        string? only = arguments.Text("--scenario"), at = arguments.Text("--at"), then = arguments.Text("--then");
        int everyNth = arguments.Number("--every", 1), parallel = arguments.Number("--parallel", Environment.ProcessorCount);
        var scenarios = new List<Scenario>(EngineScenarios.All);
        foreach (var file in ShippedScenarios.Files) scenarios.AddRange(await ShippedScenarios.OfAsync(file));
        var chosen = scenarios.Where(s => only is null || s.Name.StartsWith(only, StringComparison.Ordinal)).ToList();
        if (chosen.Count == 0)
        {
            await Console.Error.WriteLineAsync($"crash: no scenario {only}; there are {string.Join(", ", scenarios.Select(s => s.Name))}");
            return 2;
        }
        try
        {
            if (at is not null)
            {
                await new CrashCampaign(chosen[0], 1).ReplayAsync(Crash.Parse(at), then is null ? null : Crash.Parse(then));
                Console.WriteLine($"{chosen[0].Name}: ended as without a crash");
                return 0;
            }
            var total = new CrashCampaign.Count(0, 0, 0);
            long began = Stopwatch.GetTimestamp();
            foreach (Scenario scenario in chosen)
            {
                CrashCampaign.Count count = await new CrashCampaign(scenario, parallel).RunAsync(everyNth);
                Console.WriteLine($"{scenario.Name,-36} {count}");
                total += count;
            }
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{chosen.Count} scenarios: {total}, in {Stopwatch.GetElapsedTime(began).TotalSeconds:0} s; all ended as without a crash"));
            return 0;
        }
        catch (BrokenInvariantException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }
}
