using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Host.Api;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Commands;

/// <summary><c>flannelflow workflows</c>: the workflows of the daemon on this host, to see and to mend.</summary>
public static class WorkflowsCommand
{
    private static readonly string[] Columns = ["id", "workflow", "key", "status", "accepted", "updated", "error"];

    public static Command Create() => new("workflows", "Shows the workflows of the daemon on this host, and mends them.")
    {
        CreateList(),
        CreateShow(),
        CreateAlteration("retry", "Runs the step that faulted (or waits for its next attempt) again, now.", []),
        CreateSkip(),
        CreateAlteration("compensate", "Gives up: undoes in reverse what was done; it ends as compensated.", []),
        CreateAlteration("cancel", "Undoes in reverse what was done; it ends as cancelled.", []),
        CreateAlteration("terminate", "Ends it at once and undoes nothing: what it has done stays.", []),
        CreateSet(),
    };

    private static Command CreateList()
    {
        var definition = new Option<string>("--definition") { Description = "Only of this definition, such as network-create." };
        var status = new Option<InstanceStatus?>("--status") { Description = "Only in this status." };
        var key = new Option<string>("--key") { Description = "Only with this idempotency key." };
        var incident = new Option<bool>("--incident") { Description = "Only those that wait for an operator." };
        var since = new Option<DateTimeOffset?>("--since") { Description = "Only accepted then or later." };
        var until = new Option<DateTimeOffset?>("--until") { Description = "Only accepted before." };
        var before = new Option<long?>("--before") { Description = "The page after the one that named this number." };
        var limit = new Option<int>("--limit") { Description = "At most so many, up to 500.", DefaultValueFactory = _ => 50 };
        var command = new Command("list", "Lists workflows, the newest first.")
        {
            definition, status, key, incident, since, until, before, limit, DaemonCall.Socket, DaemonCall.AsJson,
        };
        command.SetAction(async (parsed, ct) =>
        {
            var query = new List<string> { string.Create(CultureInfo.InvariantCulture, $"limit={parsed.GetValue(limit)}") };
            Add("definition", parsed.GetValue(definition));
            Add("status", parsed.GetValue(status)?.ToString());
            Add("key", parsed.GetValue(key));
            Add("incident", parsed.GetValue(incident) ? "true" : null);
            Add("since", parsed.GetValue(since)?.ToString("O", CultureInfo.InvariantCulture));
            Add("until", parsed.GetValue(until)?.ToString("O", CultureInfo.InvariantCulture));
            Add("before", parsed.GetValue(before)?.ToString(CultureInfo.InvariantCulture));
            using var call = new DaemonCall(parsed);
            return await call.RunAsync<WorkflowPage>(HttpMethod.Get, $"{WorkflowApi.WorkflowsPath}?{string.Join('&', query)}", null, page =>
            {
                call.Table(Columns, page.Items.Select(w => Row(w, call.IsTerminal)));
                if (call.IsTerminal && page.Next is { } next)
                    call.Line($"more: --before {next}");
            }, ct);

            void Add(string name, string? value)
            {
                if (value is not null)
                    query.Add($"{name}={Uri.EscapeDataString(value)}");
            }
        });
        return command;
    }

    private static Command CreateShow()
    {
        var id = IdArgument();
        var command = new Command("show", "Shows one: its steps, incidents, alterations, and who holds its lanes.") { id, DaemonCall.Socket, DaemonCall.AsJson };
        command.SetAction(async (parsed, ct) =>
        {
            using var call = new DaemonCall(parsed);
            return await call.RunAsync<WorkflowDetail>(HttpMethod.Get, PathOf(parsed.GetValue(id)!), null, detail => Print(call, detail), ct);
        });
        return command;
    }

    private static Command CreateSkip()
    {
        var outputs = new Option<JsonObject?>("--outputs")
        {
            Description = "The step's outputs as a JSON object, such as '{\"vni\":6514}'.",
            CustomParser = result => ParseJson(result) as JsonObject ?? Refuse(result),
        };
        return CreateAlteration(
            "skip", "Takes the step that faulted as done, with these outputs, and goes on.", [outputs],
            (body, parsed) => body with { Outputs = parsed.GetValue(outputs) });

        static JsonObject? Refuse(System.CommandLine.Parsing.ArgumentResult result)
        {
            result.AddError("--outputs is no JSON object");
            return null;
        }
    }

    private static Command CreateSet()
    {
        var variable = new Argument<string>("VARIABLE") { Description = "Its name in the definition." };
        var value = new Argument<string>("VALUE") { Description = "JSON, such as 7 or '\"text\"'; null clears it." };
        value.Validators.Add(result =>
        {
            if (ParseJson(result) is null && result.GetValueOrDefault<string>() != "null")
                result.AddError("VALUE is no JSON; a text stands in quotes: '\"text\"'");
        });
        return CreateAlteration(
            "set", "Sets a variable, for the steps that begin from now on.", [variable, value],
            (body, parsed) => body with
            {
                Kind = "modifyVariable",
                Variable = parsed.GetValue(variable),
                Value = JsonNode.Parse(parsed.GetValue(value)!),
            });
    }

    private static Command CreateAlteration(
        string verb, string description, Symbol[] more, Func<AlterationBody, ParseResult, AlterationBody>? fill = null)
    {
        var id = IdArgument();
        var reason = new Option<string>("--reason") { Description = "Why; kept in the audit.", Required = true };
        var who = new Option<string>("--who")
        {
            Description = "Who does it; kept in the audit. Default: the user, before sudo.",
            DefaultValueFactory = _ => Environment.GetEnvironmentVariable("SUDO_USER") is { Length: > 0 } user ? user : Environment.UserName,
        };
        var command = new Command(verb, description) { id };
        foreach (var symbol in more)
        {
            if (symbol is Argument argument)
                command.Add(argument);
            else
                command.Add((Option)symbol);
        }
        foreach (var option in (Option[])[reason, who, DaemonCall.Socket, DaemonCall.AsJson])
            command.Add(option);
        command.SetAction(async (parsed, ct) =>
        {
            var body = new AlterationBody(verb, parsed.GetValue(who), parsed.GetValue(reason));
            using var call = new DaemonCall(parsed);
            return await call.RunAsync<WorkflowDetail>(
                HttpMethod.Post,
                PathOf(parsed.GetValue(id)!) + "/alterations",
                DaemonCall.Json(fill?.Invoke(body, parsed) ?? body),
                detail => call.Line($"{verb}: {detail.Workflow.Definition} {detail.Workflow.Id} is {Camel(detail.Workflow.Status)}"),
                ct);
        });
        return command;
    }

    private static void Print(DaemonCall call, WorkflowDetail detail)
    {
        call.Table(Columns, [Row(detail.Workflow, shortened: false)]);
        call.Line($"input     {detail.Input?.ToJsonString()}");
        call.Line($"variables {detail.Variables?.ToJsonString()}");
        if (detail.Answer is { } answer)
            call.Line($"answer    {answer.ToJsonString()}");
        call.Table(
            ["#", "step", "type", "status", "attempt", "began", "ended", "error"],
            detail.Executions.Select(e => new[]
            {
                Number(e.Seq), e.Activity, e.Type, Camel(e.Status), Number(e.Attempt), Time(e.StartedAt), Time(e.EndedAt ?? e.DueAt), e.Error ?? "",
            }));
        Section("incidents", ["status", "step", "opened", "closed", "what"], detail.Incidents.Select(i => new[]
        {
            i.ClosedAt is null ? "open" : "closed", i.Activity ?? "", Time(i.OpenedAt), Time(i.ClosedAt), i.Message,
        }));
        Section("alterations", ["at", "what", "step", "who", "why"], detail.Audit.Select(a => new[]
        {
            Time(a.At), a.Alteration, a.Activity ?? "", a.Who, a.Why,
        }));
        Section("lanes", ["lane", "mode", "held by", "waiting"], detail.Lanes.Select(l => new[]
        {
            l.Key, Camel(l.Mode), string.Join(' ', l.Holders), string.Join(' ', l.Waiters),
        }));

        void Section(string name, string[] columns, IEnumerable<string[]> rows)
        {
            var all = rows.ToList();
            if (all.Count == 0)
                return;
            call.Line(name);
            call.Table(columns, all);
        }
    }

    private static string[] Row(WorkflowView w, bool shortened) =>
    [
        shortened && w.Id.Length > 6 ? w.Id[^6..] : w.Id, w.Definition, shortened && w.Key.Length > 24 ? w.Key[..23] + "…" : w.Key, Camel(w.Status),
        Time(w.AcceptedAt), Time(w.FinishedAt ?? w.UpdatedAt), w.Error ?? "",
    ];

    private static Argument<string> IdArgument() => new("ID") { Description = "The workflow's id, or its last six or more digits." };

    private static string PathOf(string id) => $"{WorkflowApi.WorkflowsPath}/{Uri.EscapeDataString(id)}";

    private static JsonNode? ParseJson(System.CommandLine.Parsing.ArgumentResult result)
    {
        try
        {
            return JsonNode.Parse(string.Join(' ', result.Tokens.Select(t => t.Value)));
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Camel<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Time(DateTimeOffset? at) => at?.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) ?? "";
}
