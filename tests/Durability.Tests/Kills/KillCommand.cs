using System.Diagnostics;
using System.Globalization;

namespace FlannelFlow.Durability.Tests.Kills;

/// <summary>tests/campaigns/kill.</summary>
internal static class KillCommand
{
    /// <summary>0: all agrees; 1: it does not, and the folder is left to be looked at.</summary>
    public static async Task<int> RunAsync(Arguments arguments)
    {
        int cycles = arguments.Number("--cycles", 500), seed = arguments.Number("--seed", Random.Shared.Next());
        string? kept = arguments.Text("--folder");
        string folder = kept is null ? Directory.CreateTempSubdirectory("fft-kill-").FullName : Directory.CreateDirectory(kept).FullName;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed {seed}, {cycles} cycles, in {folder}"));
        long began = Stopwatch.GetTimestamp();
        try
        {
            Agreement agreement = await new KillCampaign(folder, seed).RunAsync(cycles, cycle =>
            {
                if (cycle % 50 == 0) Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{cycle} kills"));
            });
            Console.WriteLine(agreement);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(began).TotalSeconds:0} s; all agrees"));
            if (kept is null) Directory.Delete(folder, recursive: true);
            return 0;
        }
        catch (DisagreementException e)
        {
            await Console.Error.WriteLineAsync($"{e.Message}\nledger and journal are in {folder}; again: tests/campaigns/kill --cycles {cycles} --seed {seed}");
            return 1;
        }
    }

    /// <summary>For tests/campaigns/machine: of a folder whose victim ran to its end.</summary>
    public static async Task<int> AgreeAsync(string folder, int kills)
    {
        try
        {
            Console.WriteLine(await Agreement.CheckAsync(folder, kills, early: 0));
            return 0;
        }
        catch (DisagreementException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }
}
