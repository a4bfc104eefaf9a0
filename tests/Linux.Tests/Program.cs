using FlannelFlow.Linux.Processes;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Linux.Tests;

/// <summary>
/// The test runner; called as "supervise LOG ARGV…", a daemon that supervises one child until it is killed; called as
/// "bench-load-balancer", the program of bench/load-balancer.
/// </summary>
internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        if (args is ["bench-load-balancer"]) return await LoadBalancing.Benchmark.RunAsync();
        if (args is not ["supervise", var log, var file, .. var arguments]) return await Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args);
        await using var supervisor = new ProcessSupervisor(TimeProvider.System, NullLogger<ProcessSupervisor>.Instance);
        var child = await supervisor.EnsureAsync("child", new ChildConfig { File = file, Arguments = arguments, LogFile = log }, CancellationToken.None);
        Console.WriteLine(child.State.Process);
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System);
        return 0;
    }
}
