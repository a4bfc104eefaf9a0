using System.Diagnostics;
using System.Globalization;
using FlannelFlow.Bench;
using FlannelFlow.Workflows;

namespace FlannelFlow.EngineBench;

/// <summary>Bare SQLite and the engine, in turn, round by round.</summary>
/// <param name="disk">In the names of the results.</param>
/// <param name="groupedBound">The target at 64 in flight, which is set for a disk whose syncs take some time; "": none.</param>
internal sealed class Throughput(string folder, string disk, string groupedBound, TimeSpan time, int rounds)
{
    private static readonly int[] InFlight = [1, 16, 64, 512];

    private sealed record Measured(double StepsPerSecond, double P50, double P99, double BytesPerInstance);

    public async Task RunAsync()
    {
        var serial = new List<double>();
        var grouped = InFlight.ToDictionary(n => n, _ => new List<double>());
        var engine = InFlight.ToDictionary(n => n, _ => new List<Measured>());
        for (int round = 0; round < rounds; round++)
        {
            foreach (int n in InFlight)
            {
                serial.Add(BareSqlite.Serial(folder, time / 2));
                grouped[n].Add(await BareSqlite.GroupedAsync(folder, n, time));
                engine[n].Add(await EngineAsync(n));
            }
        }
        double commits = Median(serial);
        Print($"serial: {commits:0} commits/s, {1000 / commits:0.000} ms each");
        Print($"{"in flight",9} {"grouped/s",10} {"steps/s",9} {"of grouped",10} {"of serial",9} {"p50 ms",8} {"p99 ms",8} {"bytes/inst",10} {"resident MB",11}");
        foreach (int n in InFlight)
        {
            double bare = Median(grouped[n]), steps = Median(engine[n].Select(m => m.StepsPerSecond));
            Print(
                $"{n,9} {bare,10:0} {steps,9:0} {steps / bare,9:0.00}x {steps / commits,8:0.00}x {Median(engine[n].Select(m => m.P50)),8:0.00} {Median(engine[n].Select(m => m.P99)),8:0.00} {Median(engine[n].Select(m => m.BytesPerInstance)),10:0} {Environment.WorkingSet / 1048576.0,11:0}");
        }
        double one = Median(engine[1].Select(m => m.P50)) * commits / 1000;
        Print($"targets: at 1 in flight a step takes {one:0.00} commits' time (at most 1.3); at 64 {Median(engine[64].Select(m => m.StepsPerSecond)) / Median(grouped[64]):0.00} of grouped (at least 0.5 with 4 ms more), {Median(engine[64].Select(m => m.StepsPerSecond)) / commits:0.0} times serial (at least 5 with 4 ms more)");
        Results.Add($"a step at 1 in flight, {disk}", Median(engine[1].Select(m => m.P50)), "ms", "a SQLite commit", 1000 / commits, "<=1.3");
        Results.Add($"steps per second at 64 in flight, {disk}", Median(engine[64].Select(m => m.StepsPerSecond)), "/s", "grouped SQLite commits", Median(grouped[64]), groupedBound);
    }

    private async Task<Measured> EngineAsync(int inFlight)
    {
        foreach (string file in Directory.GetFiles(folder, "journal.db*")) File.Delete(file);
        var activity = new StepActivity();
        WorkflowRuntime runtime = await SixSteps.OpenAsync(folder, activity);
        runtime.Resume();
        long next = 0, began = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, inFlight).Select(async _ =>
        {
            while (Stopwatch.GetElapsedTime(began) < time) await runtime.RunAsync(SixSteps.Start(Interlocked.Increment(ref next)), CancellationToken.None);
        }));
        double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        // Closed, its log is in the file.
        await runtime.DisposeAsync();
        long bytes = Directory.GetFiles(folder, "journal.db*").Where(f => !f.EndsWith("-shm", StringComparison.Ordinal)).Sum(f => new FileInfo(f).Length);
        float[] times = [.. activity.Times.Order()];
        return new Measured(activity.Executions / seconds, times[times.Length / 2], times[times.Length * 99 / 100], bytes / (double)next);
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    private static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
