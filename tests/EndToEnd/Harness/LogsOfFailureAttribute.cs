using System.Reflection;
using System.Text.RegularExpressions;
using Xunit.v3;

namespace FlannelFlow.EndToEnd.Tests.Harness;

/// <summary>After a test that failed: what daemons and Docker warned of meanwhile, on every host, on the console. Where ./test runs far away, its output is all there is.</summary>
[AttributeUsage(AttributeTargets.Assembly)]
public sealed partial class LogsOfFailureAttribute : BeforeAfterTestAttribute
{
    /// <summary>Of each log; its last lines.</summary>
    private const int MostLines = 15;

    /// <summary>What Docker says all the time: no lab has a registry, and a worker is asked whether it is a manager.</summary>
    private static readonly string[] Usual = ["registry", "not a swarm manager"];

    /// <summary>One test at a time (Assembly.cs).</summary>
    private Dictionary<string, long> _began = [];

    public override void Before(MethodInfo methodUnderTest, IXunitTest test) => _began = Logs().ToDictionary(log => log, log => new FileInfo(log).Length);

    public override void After(MethodInfo methodUnderTest, IXunitTest test)
    {
        ArgumentNullException.ThrowIfNull(test);
        if (TestContext.Current.TestState?.Result != TestResult.Failed) return;
        foreach (var log in Logs())
        {
            var warnings = Lines(log, _began.GetValueOrDefault(log)).Where(IsWarning).TakeLast(MostLines).ToList();
            if (warnings.Count > 0) Console.WriteLine($"{Path.GetRelativePath(Lab.Current!.StateFolder, log)}, during {test.TestDisplayName}:\n{string.Join('\n', warnings)}");
        }
    }

    private static IEnumerable<string> Logs() =>
        from host in Lab.Current?.Hosts ?? []
        let folder = host.LogFile("")
        where Directory.Exists(folder)
        from log in Directory.EnumerateFiles(folder, "*.log").Order(StringComparer.Ordinal)
        select log;

    private static string[] Lines(string log, long from)
    {
        using var stream = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        stream.Seek(Math.Min(from, stream.Length), SeekOrigin.Begin);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().Split('\n');
    }

    /// <summary>Of Serilog's short levels and logrus' ones.</summary>
    private static bool IsWarning(string line) => Warning().IsMatch(line) && !Usual.Any(line.Contains);

    [GeneratedRegex(@"^\S+ (WRN|ERR|FTL) |level=(warning|error|fatal)")]
    private static partial Regex Warning();
}
