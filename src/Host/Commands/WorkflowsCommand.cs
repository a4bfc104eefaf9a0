using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Host.Api;
using FlannelFlow.Operations.Workflows;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Commands;

/// <summary><c>flannelflow workflows</c>: the workflows of the daemon on this host, to see and to mend.</summary>
public static class WorkflowsCommand
{
    private static readonly string[] Columns = ["id", "workflow", "key", "status", "accepted", "updated", "error"];

    private static readonly string[] LaneColumns = ["lane", "mode", "held by", "waiting"];

    public static Command Create() => new("workflows", "Shows the workflows of the daemon on this host, and mends them.")
    {
        CreateList(),
        CreateShow(),
        CreateRetry(),
        CreateSkip(),
        CreateAlteration("compensate", "Gives up: undoes in reverse what was done; it ends as compensated.", []),
        CreateAlteration("cancel", "Undoes in reverse what was done; it ends as cancelled.", []),
        CreateAlteration("terminate", "Ends it at once and undoes nothing: what it has done stays.", []),
        CreateAlteration("migrate", "Goes on with the definition that is loaded now, not with the one it began with; not while a step is under way.", []),
        CreateSet(),
        CreateSignal(),
        CreateLanes(),
    };

    private static Command CreateList()
    {
        var definition = new Option<string>("--definition") { Description = "Only of this definition, such as network-create." };
        var status = new Option<InstanceStatus?>("--status") { Description = "Only in this status." };
        var key = new Option<string>("--key") { Description = "Only with this idempotency key." };
        var parent = new Option<string>("--parent") { Description = "Only those that a step of this one waits, or waited, for." };
        var incident = new Option<bool>("--incident") { Description = "Only those that wait for an operator." };
        var since = new Option<DateTimeOffset?>("--since") { Description = "Only accepted then or later." };
        var until = new Option<DateTimeOffset?>("--until") { Description = "Only accepted before." };
        var before = new Option<string?>("--before") { Description = "The page after the one that named this." };
        var allHosts = new Option<bool>("--all-hosts") { Description = "Of all hosts whose daemon answers, not of this one only." };
        var limit = new Option<int>("--limit") { Description = "At most so many, up to 500.", DefaultValueFactory = _ => 50 };
        var command = new Command("list", "Lists workflows, the newest first.")
        {
            definition, status, key, parent, incident, since, until, before, limit, allHosts, DaemonCall.Socket, DaemonCall.AsJson,
        };
        command.SetAction(async (parsed, ct) =>
        {
            var query = new List<string> { string.Create(CultureInfo.InvariantCulture, $"limit={parsed.GetValue(limit)}") };
            Add("definition", parsed.GetValue(definition));
            Add("status", parsed.GetValue(status)?.ToString());
            Add("key", parsed.GetValue(key));
            Add("parent", parsed.GetValue(parent));
            Add("incident", parsed.GetValue(incident) ? "true" : null);
            Add("since", parsed.GetValue(since)?.ToString("O", CultureInfo.InvariantCulture));
            Add("until", parsed.GetValue(until)?.ToString("O", CultureInfo.InvariantCulture));
            Add("before", parsed.GetValue(before));
            using var call = new DaemonCall(parsed);
            if (parsed.GetValue(allHosts))
            {
                return await call.RunAsync<ClusterWorkflowPage>(HttpMethod.Get, $"{WorkflowApi.ClusterWorkflowsPath}?{string.Join('&', query)}", null, page =>
                {
                    call.Table(["host", .. Columns], page.Items.Select(w => (string[])[w.Host, .. Row(w.Workflow, call.IsTerminal)]));
                    if (page.Notice is { } notice)
                        call.Line(notice);
                    SayMore(page.Next);
                }, ct);
            }

            return await call.RunAsync<WorkflowPage>(HttpMethod.Get, $"{WorkflowApi.WorkflowsPath}?{string.Join('&', query)}", null, page =>
            {
                call.Table(Columns, page.Items.Select(w => Row(w, call.IsTerminal)));
                SayMore(page.Next?.ToString(CultureInfo.InvariantCulture));
            }, ct);

            void SayMore(string? next)
            {
                if (call.IsTerminal && next is not null)
                    call.Line($"more: --before {next}");
            }

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
        var watch = new Option<bool>("--watch") { Description = "Goes on showing it until it is over; ends 0 if it finished, else 1." };
        var command = new Command("show", "Shows one: its steps, incidents, alterations, and who holds its lanes.") { id, watch, DaemonCall.Socket, DaemonCall.AsJson };
        command.SetAction(async (parsed, ct) =>
        {
            if (parsed.GetValue(watch))
                return await new WorkflowWatch(parsed, PathOf(parsed.GetValue(id)!)).RunAsync(Print, ct);
            using var call = new DaemonCall(parsed);
            return await call.RunAsync<WorkflowDetail>(HttpMethod.Get, PathOf(parsed.GetValue(id)!), null, detail => Print(call, detail), ct);
        });
        return command;
    }

    private static Command CreateRetry()
    {
        var step = StepOption();
        return CreateAlteration(
            "retry", "Runs the steps that faulted (or wait for their next attempt) again, now.", [step],
            (body, parsed) => body with { Activity = parsed.GetValue(step) });
    }

    private static Option<string> StepOption() => new("--step") { Description = "Only this one, where several stand, in branches." };

    private static Command CreateSignal()
    {
        var name = new Argument<string>("NAME") { Description = "The eventName of the step that waits." };
        var correlation = new Argument<string>("TO") { Description = "The idempotency key of the workflow that waits, what its step correlates by, or its id." };
        var payload = new Option<string>("--payload") { Description = "JSON; the result of the step that waits." };
        payload.Validators.Add(result =>
        {
            if (ParseJson(result) is null && result.GetValueOrDefault<string>() != "null")
                result.AddError("--payload is no JSON; a text stands in quotes: '\"text\"'");
        });
        var id = new Option<string>("--id") { Description = "Sent again with the same id, it is the same signal." };
        var command = new Command("signal", "Sends a signal to a workflow that waits for it, or will.") { name, correlation, payload, id, DaemonCall.Socket, DaemonCall.AsJson };
        command.SetAction(async (parsed, ct) =>
        {
            var json = parsed.GetValue(payload);
            var body = new SignalBody(parsed.GetValue(name), parsed.GetValue(correlation), json is null ? null : JsonNode.Parse(json), parsed.GetValue(id));
            using var call = new DaemonCall(parsed);
            return await call.RunAsync<SignalSent>(HttpMethod.Post, WorkflowApi.SignalsPath, DaemonCall.Json(body), sent => call.Line(
                sent.IsKnown ? $"{sent.Id}: was sent before" : sent.Workflow is { } to ? $"{sent.Id}: to {to}" : $"{sent.Id}: kept for the first that waits for it"), ct);
        });
        return command;
    }

    private static Command CreateLanes()
    {
        var command = new Command("lanes", "Lists the lanes that are claimed: who holds them, and who waits.") { DaemonCall.Socket, DaemonCall.AsJson };
        command.SetAction(async (parsed, ct) =>
        {
            using var call = new DaemonCall(parsed);
            return await call.RunAsync<List<LaneDetail>>(
                HttpMethod.Get, WorkflowApi.LanesPath, null, lanes => call.Table(LaneColumns, lanes.Select(LaneRow)), ct);
        });
        return command;
    }

    private static Command CreateSkip()
    {
        var step = StepOption();
        var outputs = new Option<JsonObject?>("--outputs")
        {
            Description = "The step's outputs as a JSON object, such as '{\"vni\":6514}'.",
            CustomParser = result => ParseJson(result) as JsonObject ?? Refuse(result),
        };
        return CreateAlteration(
            "skip", "Takes the step that faulted, or waits, as done, with these outputs, and goes on.", [outputs, step],
            (body, parsed) => body with { Outputs = parsed.GetValue(outputs), Activity = parsed.GetValue(step) });

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

    internal static void Print(DaemonCall call, WorkflowDetail detail)
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
        Section("incidents", ["status", "step", "kind", "failures", "opened", "closed", "what"], detail.Incidents.Select(i => new[]
        {
            i.ClosedAt is null ? "open" : "closed", i.Activity ?? "", Camel(i.Kind), Number(i.Failures), Time(i.OpenedAt), Time(i.ClosedAt), i.Message,
        }));
        Section("alterations", ["at", "what", "step", "who", "why"], detail.Audit.Select(a => new[]
        {
            Time(a.At), a.Alteration, a.Activity ?? "", a.Who, a.Why,
        }));
        Section("lanes", LaneColumns, detail.Lanes.Select(LaneRow));

        void Section(string name, string[] columns, IEnumerable<string[]> rows)
        {
            var all = rows.ToList();
            if (all.Count == 0)
                return;
            call.Line(name);
            call.Table(columns, all);
        }
    }

    private static string[] LaneRow(LaneDetail lane) => [lane.Key, Camel(lane.Mode), string.Join(' ', lane.Holders), string.Join(' ', lane.Waiters)];

    private static string[] Row(WorkflowView w, bool shortened) =>
    [
        shortened && w.Id.Length > 6 ? w.Id[^6..] : w.Id, w.Definition, shortened && w.Key.Length > 24 ? w.Key[..23] + "…" : w.Key, Camel(w.Status),
        Time(w.AcceptedAt), Time(w.FinishedAt ?? w.UpdatedAt), w.Error ?? "",
    ];

    private static Argument<string> IdArgument() => new("ID") { Description = "The workflow's id, or its last six or more digits." };

    private static string PathOf(string id) => $"{WorkflowApi.WorkflowsPath}/{Uri.EscapeDataString(id)}";

    private static JsonNode? ParseJson(System.CommandLine.Parsing.SymbolResult result)
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
