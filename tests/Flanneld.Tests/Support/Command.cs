using System.Diagnostics;

namespace FlannelFlow.Flanneld.Tests.Support;

/// <summary>Programs inside a network namespace. <c>ip netns exec</c> becomes the program: its pid is the program's.</summary>
internal static class Command
{
    public static Process Start(string networkNamespace, string program, params string[] arguments) =>
        Start(networkNamespace, new Dictionary<string, string>(), program, arguments);

    public static Process Start(string networkNamespace, IReadOnlyDictionary<string, string> environment, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo("ip", ["netns", "exec", networkNamespace, program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["ETCDCTL_API"] = "3";
        foreach (var (name, value) in environment) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    public static async Task<(int ExitCode, string Output, string Error)> TryRunAsync(string networkNamespace, string program, params string[] arguments)
    {
        using var process = Start(networkNamespace, program, arguments);
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await error);
    }

    public static async Task<string> RunAsync(string networkNamespace, string program, params string[] arguments)
    {
        var (exitCode, output, error) = await TryRunAsync(networkNamespace, program, arguments);
        return exitCode == 0 ? output : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: {exitCode} {error}");
    }

    /// <summary>iproute2 outside all namespaces, for making and deleting them.</summary>
    public static async Task<bool> IpAsync(string arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        await process.WaitForExitAsync();
        return process.ExitCode == 0;
    }
}

internal static class Wait
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static Task UntilAsync(string what, Func<Task<bool>> holds) => UntilAsync(what, holds, Patience, () => "");

    public static async Task UntilAsync(string what, Func<Task<bool>> holds, TimeSpan patience, Func<string> detail)
    {
        var since = Stopwatch.StartNew();
        while (!await holds())
        {
            if (since.Elapsed > patience) throw new TimeoutException($"after {since.Elapsed.TotalSeconds:F1} s still not: {what}\n{detail()}");
            await Task.Delay(20);
        }
    }
}
