using System.Diagnostics;
using System.Globalization;
using FlannelFlow.Durability.Tests.Crashes;

namespace FlannelFlow.Durability.Tests.Simulation;

/// <summary>tests/campaigns/simulate.</summary>
internal static class SimulationCommand
{
    public static async Task<int> RunAsync(Arguments arguments)
    {
        int from = arguments.Number("--from", 1), seeds = arguments.Number("--seeds", 10000), parallel = arguments.Number("--parallel", Environment.ProcessorCount), ends = 0;
        long began = Stopwatch.GetTimestamp();
        try
        {
            const int part = 1000;
            for (int at = 0; at < seeds; at += part)
            {
                ends += await Simulation.PlayAsync(from + at, Math.Min(part, seeds - at), parallel);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seeds {from} to {from + Math.Min(seeds, at + part) - 1}: {ends} ends of the process, all invariants hold"));
            }
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(began).TotalSeconds:0} s"));
            return 0;
        }
        catch (BrokenInvariantException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }
}
