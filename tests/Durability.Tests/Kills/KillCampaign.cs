using System.Diagnostics;
using System.Globalization;

namespace FlannelFlow.Durability.Tests.Kills;

/// <summary>Kills the victim again and again, then lets it run to its end, and compares.</summary>
internal sealed class KillCampaign(string folder, int seed)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private readonly Random _random = new(seed);
    private int _early;

    public async Task<Agreement> RunAsync(int cycles, Action<int>? progress)
    {
        for (int cycle = 1; cycle <= cycles; cycle++)
        {
            await KillAsync();
            progress?.Invoke(cycle);
        }
        using Process last = Start(folder, seed, instances: 0, crashPoint: "");
        if (!last.WaitForExit(Patience))
        {
            last.Kill();
            throw new DisagreementException($"the last run came to no end in {Patience.TotalMinutes:0} minutes");
        }
        if (last.ExitCode != 0) throw new DisagreementException($"the last run ended with {last.ExitCode}");
        return await Agreement.CheckAsync(folder, cycles, _early);
    }

    /// <summary>Every fourth during its start, by time; the others after some more effects.</summary>
    private async Task KillAsync()
    {
        using Process victim = Start(folder, seed, instances: int.MaxValue / 2, crashPoint: "");
        if (_random.Next(4) == 0)
        {
            _early++;
            await Task.Delay(TimeSpan.FromMilliseconds(_random.Next(300)), TimeProvider.System);
        }
        else
        {
            long more = Size("ledger") + (30 * _random.Next(1, 80));
            var patience = Stopwatch.StartNew();
            while (!victim.HasExited && Size("ledger") < more)
            {
                if (patience.Elapsed > Patience)
                {
                    victim.Kill();
                    throw new DisagreementException($"the victim had no effect in {Patience.TotalMinutes:0} minutes");
                }
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
            }
        }
        if (victim.HasExited) throw new DisagreementException($"the victim ended by itself, with {victim.ExitCode}");
        victim.Kill();
        await victim.WaitForExitAsync(CancellationToken.None);
    }

    public static Process Start(string folder, int seed, int instances, string crashPoint, bool redirect = false)
    {
        string[] arguments = ["victim", folder, seed.ToString(CultureInfo.InvariantCulture), instances.ToString(CultureInfo.InvariantCulture), crashPoint];
        return Process.Start(new ProcessStartInfo(Environment.ProcessPath!, arguments) { RedirectStandardError = redirect })!;
    }

    private long Size(string file)
    {
        string path = Path.Combine(folder, file);
        return File.Exists(path) ? new FileInfo(path).Length : 0;
    }
}
