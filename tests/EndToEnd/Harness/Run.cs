using System.Collections.Immutable;
using System.Globalization;
using Xunit.Sdk;
using Xunit.v3;

namespace FlannelFlow.EndToEnd.Tests.Harness;

/// <summary>What this run of the suite is told, by environment variables.</summary>
public static class Run
{
    /// <summary>FLANNELFLOW_LONG=1: the campaigns at full length (tests/campaigns/end-to-end); otherwise a short form of each.</summary>
    public static bool IsLong { get; } = Environment.GetEnvironmentVariable("FLANNELFLOW_LONG") == "1";

    /// <summary>FLANNELFLOW_SEED: the seed of what is random; a failing test prints the one it used.</summary>
    public static int Seed { get; } =
        int.TryParse(Environment.GetEnvironmentVariable("FLANNELFLOW_SEED"), NumberStyles.None, CultureInfo.InvariantCulture, out var seed) ? seed : 20_261;

    /// <summary>LAB_PATIENCE: how many times longer than usual to wait for anything, on a slow machine such as the guest of tests/lab/uml.</summary>
    public static int Patience { get; } =
        int.TryParse(Environment.GetEnvironmentVariable("LAB_PATIENCE"), NumberStyles.None, CultureInfo.InvariantCulture, out var patience) ? Math.Max(patience, 1) : 1;

    public static string Root { get; } = FindRoot();
    public static string LabScript { get; } = Path.Combine(Root, "tests/lab/lab");
    public static string Daemon { get; } = Environment.GetEnvironmentVariable("FLANNELFLOW_BIN") ?? Path.Combine(Root, "artifacts/flannelflow");
    public static string Plugin { get; } = Environment.GetEnvironmentVariable("FLANNELFLOW_PLUGIN") ?? Path.Combine(Daemon, "plugin");

    /// <summary>FLANNELFLOW_TARBALL: what is installed on fresh machines, made by build/package.sh; otherwise the published folder, which has the same parts.</summary>
    public static string? Tarball { get; } = Environment.GetEnvironmentVariable("FLANNELFLOW_TARBALL");

    /// <summary>FLANNELFLOW_KERNELS=1: fresh machines are kernels of their own (tests/campaigns/install).</summary>
    public static bool WantsKernels { get; } = Environment.GetEnvironmentVariable("FLANNELFLOW_KERNELS") == "1";

    /// <summary>FLANNELFLOW_DAEMON_ENV: more environment for every daemon, one NAME=VALUE per line; tests/campaigns/guest uses it.</summary>
    public static IReadOnlyList<string> DaemonEnvironment { get; } =
        (Environment.GetEnvironmentVariable("FLANNELFLOW_DAEMON_ENV") ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>FLANNELFLOW_SOAK, in minutes: for how long faults happen at random; two hours in tests/campaigns/soak.</summary>
    public static TimeSpan Soak { get; } = TimeSpan.FromMinutes(
        int.TryParse(Environment.GetEnvironmentVariable("FLANNELFLOW_SOAK"), NumberStyles.None, CultureInfo.InvariantCulture, out var minutes) ? minutes : 10);

    /// <summary>FLANNELFLOW_LAB: the folder of a lab that is up, with its daemons: it is taken as it is, and left so. tests/campaigns/guest uses it.</summary>
    public static string? StandingLab { get; } = Environment.GetEnvironmentVariable("FLANNELFLOW_LAB");

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static void Say(string text) => TestContext.Current.SendDiagnosticMessage(text);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "FlannelFlow.sln"))) return folder.FullName;
        }

        throw new InvalidOperationException($"{AppContext.BaseDirectory} is not in a clone of FlannelFlow");
    }
}

/// <summary>The order is the same in each run, and what works a network comes before what breaks one.</summary>
public sealed class CollectionsByName : ITestCollectionOrderer
{
    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(collection => collection.TestCollectionDisplayName, StringComparer.Ordinal)];
}
