using System.Diagnostics;

namespace FlannelFlow.EndToEnd.Tests.Harness;

/// <summary>Waiting for something outside this process: it is asked again and again until a deadline, then the last answer is the failure.</summary>
public static class Wait
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100) * Run.Patience;

    /// <param name="deadline">On a slow machine <see cref="Run.Patience"/> times as long.</param>
    /// <param name="problem">Null once it holds; otherwise what is still missing.</param>
    public static async Task<TimeSpan> UntilAsync(string what, TimeSpan deadline, Func<Task<string?>> problem)
    {
        deadline *= Run.Patience;
        var watch = Stopwatch.StartNew();
        while (true)
        {
            var missing = await problem();
            if (missing is null) return watch.Elapsed;
            if (watch.Elapsed > deadline)
                Assert.Fail($"not within {deadline.TotalSeconds:0.#} s: {what}\n{missing}");
            await Task.Delay(Pause, TimeProvider.System, Run.Ct);
        }
    }

    public static Task<TimeSpan> UntilAsync(string what, int seconds, Func<Task<string?>> problem) =>
        UntilAsync(what, TimeSpan.FromSeconds(seconds), problem);
}
