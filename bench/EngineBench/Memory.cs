using System.Globalization;
using FlannelFlow.Workflows;

namespace FlannelFlow.EngineBench;

/// <summary>Memory while many instances finish: they are on disk only.</summary>
internal static class Memory
{
    public static async Task RunAsync(string folder, int finished)
    {
        foreach (string file in Directory.GetFiles(folder, "journal.db*")) File.Delete(file);
        var activity = new StepActivity();
        await using WorkflowRuntime runtime = await SixSteps.OpenAsync(folder, activity);
        runtime.Resume();
        Console.WriteLine($"== memory while {finished} instances finish");
        for (int done = 0, part = Math.Max(1, finished / 5); done < finished; done += part)
        {
            await Parallel.ForEachAsync(
                Enumerable.Range(done, part), new ParallelOptions { MaxDegreeOfParallelism = 64 },
                async (n, ct) => await runtime.RunAsync(SixSteps.Start(n), ct));
            activity.Times.Clear();
            double managed = GC.GetTotalMemory(forceFullCollection: true) / 1048576.0;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{done + part,9} finished: {managed:0.0} MB managed, {Environment.WorkingSet / 1048576.0:0} MB resident, journal {new FileInfo(Path.Combine(folder, "journal.db")).Length / 1048576.0:0} MB"));
        }
    }
}
