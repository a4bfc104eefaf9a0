using System.CommandLine;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using FlannelFlow.Host.Api;
using FlannelFlow.Operations;
using FlannelFlow.Workflows;
using Spectre.Console;

namespace FlannelFlow.Host.Commands;

/// <summary><c>flannelflow follow</c>: a running daemon's workflows as they advance, a line per event.</summary>
public static class FollowCommand
{
    private static readonly TimeSpan ReconnectInterval = TimeSpan.FromMilliseconds(500);

    public static Command Create()
    {
        var after = new Option<long?>("--after") { Description = "Begin after this sequence number; 0 shows all that the journal keeps. Default: from now on." };
        var json = new Option<bool>("--json") { Description = "One JSON object per line." };
        var command = new Command("follow", "Shows the workflows of the daemon on this host as they advance, step by step.") { DaemonCall.Socket, after, json };
        command.SetAction((parsed, ct) => FollowAsync(parsed.GetValue(DaemonCall.Socket)!, parsed.GetValue(after), parsed.GetValue(json), ct));
        return command;
    }

    private static async Task<int> FollowAsync(string socket, long? after, bool json, CancellationToken ct)
    {
        // Into a pipe or a file, a line per event: only a terminal has a width to fold at.
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = int.MaxValue;
        using var client = ApiClient.Over(socket);
        var seen = after;
        var waited = false;
        while (!ct.IsCancellationRequested)
        {
            try
            {
                var query = seen is { } seq ? string.Create(CultureInfo.InvariantCulture, $"?after={seq}") : "";
                using var stream = await client.GetStreamAsync(new Uri(JournalApi.EventsPath + query, UriKind.Relative), ct);
                waited = false;
                using var reader = new StreamReader(stream);
                while (await reader.ReadLineAsync(ct) is { } line)
                {
                    if (!line.StartsWith("data: ", StringComparison.Ordinal))
                        continue;
                    var journalEvent = JsonSerializer.Deserialize<JournalEvent>(line.AsSpan(6), OperationsJson.Options)!;
                    seen = journalEvent.Seq;
                    if (json)
                        await Console.Out.WriteLineAsync(line[6..]);
                    else
                        AnsiConsole.MarkupLine(Line(journalEvent));
                }
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                break;
            }
            catch (HttpRequestException forbidden) when (ApiClient.IsForbidden(forbidden))
            {
                await Console.Error.WriteLineAsync(DaemonCall.NotForThisUser(socket));
                return CommandTree.Failed;
            }
            catch (Exception gone) when (gone is HttpRequestException or IOException or SocketException)
            {
                if (!waited)
                    await Console.Error.WriteLineAsync($"the daemon does not answer on {socket} ({gone.Message}); waiting for it");
                waited = true;
            }

            if (!ct.IsCancellationRequested)
                await Task.Delay(ReconnectInterval, TimeProvider.System, ct).ContinueWith(_ => { }, TaskScheduler.Default);
        }

        return 0;
    }

    internal static string Line(JournalEvent journalEvent)
    {
        var (mark, colour) = journalEvent.Kind switch
        {
            JournalEventKind.Accepted => ("begun", "blue"),
            JournalEventKind.StepStarted => ("  ...", "grey"),
            JournalEventKind.StepCompleted => ("  ok", "green"),
            JournalEventKind.StepFaulted => ("  failed", "red"),
            JournalEventKind.RetryScheduled => ("  again", "yellow"),
            JournalEventKind.Responded => ("answered", "blue"),
            JournalEventKind.CompensationStarted => ("  undoing", "yellow"),
            JournalEventKind.StepCompensated => ("  undone", "yellow"),
            JournalEventKind.CompensationFaulted => ("  not undone", "red"),
            JournalEventKind.Suspended => ("waits for an operator", "red"),
            JournalEventKind.Finished => ("finished", "green"),
            JournalEventKind.Compensated => ("failed, undone", "red"),
            JournalEventKind.Cancelled => ("cancelled", "yellow"),
            JournalEventKind.Altered => ("altered", "magenta"),
            JournalEventKind.StepSkipped => ("  skipped", "yellow"),
            JournalEventKind.CompensationSkipped => ("  taken as undone", "yellow"),
            JournalEventKind.ScopeEntered => ("  into", "grey"),
            JournalEventKind.ScopeLeft => ("  out of", "grey"),
            JournalEventKind.StepWaits => ("  waits", "blue"),
            JournalEventKind.Expired => ("too late", "red"),
        };
        var instance = journalEvent.Instance.Value;
        var shortId = instance.Length > 6 ? instance[^6..] : instance;
        var attempt = journalEvent.Attempt > 1 ? $" (attempt {journalEvent.Attempt})" : "";
        var detail = journalEvent.Kind is JournalEventKind.Accepted or JournalEventKind.Responded || journalEvent.Detail is null
            ? ""
            : "  " + journalEvent.Detail;
        var text = $"{journalEvent.DefinitionId} {shortId}";
        return $"[grey]{journalEvent.At.ToLocalTime():HH:mm:ss.fff}[/] {Markup.Escape(text),-28} " +
            $"[{colour}]{mark,-12}[/] {Markup.Escape((journalEvent.ActivityId ?? "") + attempt + detail)}";
    }
}
