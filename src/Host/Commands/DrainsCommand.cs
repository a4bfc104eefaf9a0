using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using FlannelFlow.Host.Api;
using FlannelFlow.Host.Draining;
using FlannelFlow.Operations.Draining;

namespace FlannelFlow.Host.Commands;

/// <summary><c>flannelflow drains</c>: the drains of all hosts, to see and to mend from any of them.</summary>
public static class DrainsCommand
{
    private static readonly string[] Columns = ["id", "host", "service", "network", "backend", "container", "reason", "status", "step", "since", "connections", "error"];

    public static Command Create() => new("drains", "Shows the connection drains of all hosts, and mends them from any host.")
    {
        CreateList(),
        CreateShow(),
        CreateOperation("retry", "Runs the step that failed again, now."),
        CreateOperation("force", "Ends the wait now: what is left of the connections is cut."),
        CreateOperation("cancel", "Calls it off on all hosts: the container gets connections again."),
    };

    private static Command CreateList()
    {
        var command = new Command("list", "Lists the open drains of all hosts.") { DaemonCall.Socket, DaemonCall.AsJson };
        command.SetAction(async (parsed, ct) =>
        {
            using var call = new DaemonCall(parsed);
            return await call.RunAsync<DrainPage>(HttpMethod.Get, DrainApi.DrainsPath, null, page =>
            {
                call.Table(Columns, page.Items.Select(drain => Row(drain, call.IsTerminal)));
                if (page.Notice is { } notice)
                    call.Line(notice);
            }, ct);
        });
        return command;
    }

    private static Command CreateShow()
    {
        var id = IdArgument();
        var command = new Command("show", "Shows one: its steps, connections, incidents and what was done to it.") { id, DaemonCall.Socket, DaemonCall.AsJson };
        command.SetAction(async (parsed, ct) =>
        {
            using var call = new DaemonCall(parsed);
            return await call.RunAsync<DrainDetail>(HttpMethod.Get, PathOf(parsed.GetValue(id)!), null, detail => Print(call, detail), ct);
        });
        return command;
    }

    private static Command CreateOperation(string verb, string description)
    {
        var id = IdArgument();
        var reason = new Option<string>("--reason") { Description = "Why; kept in the audit.", Required = true };
        var who = new Option<string>("--who")
        {
            Description = "Who does it; kept in the audit. Default: the user, before sudo.",
            DefaultValueFactory = _ => Environment.GetEnvironmentVariable("SUDO_USER") is { Length: > 0 } user ? user : Environment.UserName,
        };
        var command = new Command(verb, description) { id, reason, who, DaemonCall.Socket, DaemonCall.AsJson };
        command.SetAction(async (parsed, ct) =>
        {
            using var call = new DaemonCall(parsed);
            return await call.RunAsync<DrainDetail>(
                HttpMethod.Post,
                $"{PathOf(parsed.GetValue(id)!)}/{verb}",
                DaemonCall.Json(new DrainBody(parsed.GetValue(who), parsed.GetValue(reason))),
                detail => call.Line($"{verb}: drain {detail.Workflow.Workflow.Id} is {Camel(detail.Workflow.Workflow.Status)}"),
                ct);
        });
        return command;
    }

    private static void Print(DaemonCall call, DrainDetail detail)
    {
        if (detail.Open is { } open)
        {
            call.Line(open.IsHeldOpen
                ? $"held open: the last backend of its service; {Number(open.Open)} connections"
                : $"{Number(open.Open)} connections; what is left at {Time(open.Deadline)} is cut");
        }

        WorkflowsCommand.Print(call, detail.Workflow);
    }

    private static string[] Row(DrainView drain, bool shortened) =>
    [
        shortened && drain.Id.Length > 6 ? drain.Id[^6..] : drain.Id, drain.Host, drain.Service, drain.Network, drain.Address,
        drain.Container[..Math.Min(12, drain.Container.Length)], drain.Reason, drain.Status, drain.Step, Time(drain.Since),
        drain.Connections is { } connections ? Number(connections) : "", drain.Error ?? "",
    ];

    private static Argument<string> IdArgument() => new("ID") { Description = "The drain's id, or its last six or more digits." };

    private static string PathOf(string id) => $"{DrainApi.DrainsPath}/{Uri.EscapeDataString(id)}";

    private static string Camel<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Time(DateTimeOffset at) => at.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
}
