using System.CommandLine;
using System.Text.Json;
using FlannelFlow.Host.Doctor;
using FlannelFlow.Host.Installation;
using FlannelFlow.Linux.Processes;
using FlannelFlow.Operations;

namespace FlannelFlow.Host.Commands;

/// <summary><c>flannelflow doctor</c>: what is well on this host, what is not, and what to do. Needs nothing to run.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var socket = new Option<string?>("--socket") { Description = "The daemon's own socket. Default: api.sock in RUNTIME_DIRECTORY." };
        var json = new Option<bool>("--json") { Description = "The report as JSON." };
        var command = new Command("doctor", "Looks at kernel, etcd, Docker, the daemon and its networks on this host, and says what to do. Exit code 1 if there is a problem; warnings are none.")
        {
            socket, json,
        };
        command.SetAction((parsed, ct) => ExamineAsync(parsed, parsed.GetValue(socket), parsed.GetValue(json), ct));
        return command;
    }

    private static async Task<int> ExamineAsync(ParseResult parsed, string? socket, bool asJson, CancellationToken ct)
    {
        var time = TimeProvider.System;
        var (configuration, source, hidden) = Configuration();
        var (options, problems) = new ConfigurationReader(configuration).ReadAll();
        var configured = problems.Select(problem => Finding.Problem("options", problem, "docs/configuration.md; the daemon does not start with this"))
            .Concat(hidden is null ? [] : [Finding.Problem("options", $"{hidden} The defaults are taken for them", "run flannelflow doctor as root")])
            .DefaultIfEmpty(Finding.Ok("options", $"valid ({source})"));
        var found = await new FactsReader(options, socket ?? options.ApiSocket, time).ReadAsync(ct);
        var report = new DoctorReport(options.HostName, time.GetUtcNow(), source, [.. configured, .. found]);
        var output = parsed.InvocationConfiguration.Output;
        if (asJson) await output.WriteLineAsync(JsonSerializer.Serialize(report, OperationsJson.Options));
        else await output.WriteAsync(Text(report));
        return report.Problems > 0 ? CommandTree.Failed : 0;
    }

    /// <summary>The options by which the daemon runs; where none does, those by which it would. Hidden: why they could not be read.</summary>
    private static (IConfiguration Configuration, string Source, string? Hidden) Configuration()
    {
        var builder = new ConfigurationBuilder().AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json"), optional: true);
        if (FactsReader.DaemonPids() is [var pid, ..] && ProcessTable.EnvironmentOf(pid) is { Count: > 0 } environment)
            return (builder.AddInMemoryCollection(Keys(environment)).Build(), $"of the daemon, pid {pid}", null);
        if (!File.Exists(InstallPlan.EnvironmentFile)) return (builder.AddEnvironmentVariables().Build(), "of this command's environment", null);
        string? hidden = null;
        try
        {
            builder.AddInMemoryCollection(Keys(EnvironmentText.Parse(File.ReadAllText(InstallPlan.EnvironmentFile))));
        }
        catch (UnauthorizedAccessException e)
        {
            hidden = e.Message;
        }

        return (builder.AddEnvironmentVariables().Build(), $"of {InstallPlan.EnvironmentFile}", hidden);
    }

    private static IEnumerable<KeyValuePair<string, string?>> Keys(IReadOnlyDictionary<string, string> variables) =>
        variables.Select(variable => KeyValuePair.Create(variable.Key.Replace("__", ":", StringComparison.Ordinal), (string?)variable.Value));

    internal static string Text(DoctorReport report)
    {
        var lines = report.Findings.SelectMany(finding => new[]
        {
            $"{finding.Severity.ToString().ToLowerInvariant(),-8} {finding.Check}: {finding.Text.ReplaceLineEndings(" ")}",
            finding.Advice is null ? "" : $"{"",-8}   → {finding.Advice}",
        }).Where(line => line.Length > 0);
        return string.Join('\n', lines) + $"\n{report.Problems} problems, {report.Warnings} warnings\n";
    }
}
