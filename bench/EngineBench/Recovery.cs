using System.Diagnostics;
using System.Globalization;
using FlannelFlow.Bench;
using FlannelFlow.Workflows;

namespace FlannelFlow.EngineBench;

/// <summary>A process that finds many open instances.</summary>
internal static class Recovery
{
    public static async Task RunAsync(string folder, int open)
    {
        foreach (string file in Directory.GetFiles(folder, "journal.db*")) File.Delete(file);
        var activity = new StepActivity { Gate = new TaskCompletionSource().Task };
        WorkflowRuntime runtime = await SixSteps.OpenAsync(folder, activity);
        runtime.Resume();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, open), new ParallelOptions { MaxDegreeOfParallelism = 256 },
            async (n, ct) => await runtime.StartAsync(SixSteps.Start(n), ct));
        await runtime.DisposeAsync();
        using Process child = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["recover", folder, open.ToString(CultureInfo.InvariantCulture)]))!;
        await child.WaitForExitAsync();
    }

    /// <summary>The process: from its start until each instance has gone on by a step.</summary>
    public static async Task<int> RecoverAsync(string folder, int open)
    {
        DateTime began = Process.GetCurrentProcess().StartTime.ToUniversalTime();
        var activity = new StepActivity();
        await using WorkflowRuntime runtime = await SixSteps.OpenAsync(folder, activity);
        double opened = Since(began);
        runtime.Resume();
        // Each runs its step in doubt again, commits, and so comes to its second.
        while (activity.Times.Count < open) await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        double advanced = Since(began);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"== {runtime.Recovery.Open} open instances: loaded {opened:0.00} s after the process began, each a step further {advanced:0.00} s after (at most 5), {Environment.WorkingSet / 1048576.0:0} MB resident"));
        Results.Add($"{open} open instances, each a step further after a start", advanced, "s", bound: "<=5");
        return 0;
    }

    private static double Since(DateTime began) => (TimeProvider.System.GetUtcNow().UtcDateTime - began).TotalSeconds;
}
