using System.CommandLine;
using System.Globalization;
using FlannelFlow.Host.Api;
using FlannelFlow.Host.Reconcile;
using FlannelFlow.Operations.Reconcile;

namespace FlannelFlow.Host.Commands;

/// <summary><c>flannelflow drift</c>: what differs on a host between Docker, etcd, the kernel and its files.</summary>
public static class DriftCommand
{
    private static readonly string[] Columns = ["status", "kind", "since", "what", "mended by"];

    public static Command Create()
    {
        var host = new Option<string?>("--host") { Description = "Of another host. Default: this one." };
        var command = new Command("drift", "Shows what differs on a host between Docker, etcd, the kernel and its files, and what was mended. Exit code 1 if anything stands.")
        {
            host, DaemonCall.Socket, DaemonCall.AsJson,
        };
        command.SetAction(async (parsed, ct) =>
        {
            using var call = new DaemonCall(parsed);
            return await call.RunAsync<DriftView>(HttpMethod.Get, parsed.GetValue(host) is { } other ? $"{DriftApi.DriftPath}?host={Uri.EscapeDataString(other)}" : DriftApi.DriftPath, null, drift =>
            {
                if (drift.Standing.Count > 0) call.FailWith(CommandTree.Failed);
                call.Table(Columns, drift.Standing.Select(one => Row("open", one.Kind, one.Since, one.Text, one.Command ?? WorkflowOf(one.Workflow)))
                    .Concat(drift.Mended.Select(one => Row("ok", one.Kind, one.Since, $"{one.Text} ({one.Took.TotalSeconds.ToString("F1", CultureInfo.InvariantCulture)} s)", WorkflowOf(one.Workflow)))));
                if (drift.Trouble is { } trouble) call.Line($"not all could be compared: {trouble}");
                else call.Line(drift.Looked is { } looked ? $"last compared {Time(looked)}" : "not compared yet");
            }, ct);
        });
        return command;
    }

    private static string[] Row(string status, DriftKind kind, DateTimeOffset since, string what, string by) => [status, kind.ToString(), Time(since), what, by];

    private static string WorkflowOf(string? workflow) => workflow is null ? "-" : $"workflow {workflow}";

    private static string Time(DateTimeOffset at) => at.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
