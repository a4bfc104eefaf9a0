using System.Diagnostics;
using System.Globalization;

namespace FlannelFlow.Durability.Tests.PowerLoss;

/// <summary>tests/campaigns/powerloss.</summary>
internal static class PowerLossCommand
{
    public static async Task<int> RunAsync(Arguments arguments)
    {
        int images = arguments.Number("--images", 5000), cuts = arguments.Number("--cuts", 1000), seed = arguments.Number("--seed", Random.Shared.Next());
        long began = Stopwatch.GetTimestamp();
        try
        {
            (int frames, int random) = await PowerLossCampaign.CutAsync(instances: 30, cuts, seed, CancellationToken.None);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"log cut at {frames} boundaries of frames and {random} random bytes: each a prefix of history"));
            int lost = await PowerLossCampaign.LoseAsync(instances: 400, images, seed, CancellationToken.None);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"power lost at {images} moments, {lost} of them with something lost: nothing that was told is missing"));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed {seed}, {Stopwatch.GetElapsedTime(began).TotalSeconds:0} s"));
            return 0;
        }
        catch (BrokenHistoryException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }
}
