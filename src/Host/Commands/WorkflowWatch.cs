using System.CommandLine;
using System.Text.Json;
using FlannelFlow.Host.Api;
using FlannelFlow.Operations;
using FlannelFlow.Operations.Workflows;
using FlannelFlow.Workflows;
using Spectre.Console;

namespace FlannelFlow.Host.Commands;

/// <summary><c>flannelflow workflows show ID --watch</c>: in a terminal the whole again with each of its events, else a line per event.</summary>
/// <remarks>
/// 1 the journal's events are opened from now on, 2 then the workflow is read: nothing falls between. It ends when the workflow is over.
/// </remarks>
internal sealed class WorkflowWatch(ParseResult parsed, string path)
{
    public async Task<int> RunAsync(Action<DaemonCall, WorkflowDetail> print, CancellationToken ct)
    {
        using var events = new DaemonCall(parsed);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var opened = new TaskCompletionSource();
        // 1
        var stream = events.EventsAsync(JournalApi.EventsPath, () => opened.TrySetResult(), over.Token).GetAsyncEnumerator(over.Token);
        var next = stream.MoveNextAsync().AsTask();
        try
        {
            await Task.WhenAny(opened.Task, next);
            // 2
            var (code, detail) = await ReadAsync(print, ct);
            while (detail is not null && !IsOver(detail.Workflow.Status) && await next)
            {
                var happened = JsonSerializer.Deserialize<JournalEvent>(stream.Current, OperationsJson.Options)!;
                next = stream.MoveNextAsync().AsTask();
                if (happened.Instance.Value != detail.Workflow.Id)
                    continue;
                if (!events.IsTerminal)
                    events.Line(Markup.Remove(FollowCommand.Line(happened)));
                if (events.IsTerminal || IsOver(happened.Kind))
                    (code, detail) = await ReadAsync(print, ct);
            }
            return detail is null ? code : detail.Workflow.Status == InstanceStatus.Finished ? 0 : CommandTree.Failed;
        }
        catch (Exception gone) when (gone is HttpRequestException or IOException)
        {
            await parsed.InvocationConfiguration.Error.WriteLineAsync($"flannelflow: the daemon does not answer: {gone.Message}");
            return CommandTree.Failed;
        }
        finally
        {
            // An enumerator must not be disposed while it moves.
            await over.CancelAsync();
            await next.ContinueWith(_ => { }, TaskScheduler.Default);
            await stream.DisposeAsync();
        }
    }

    private async Task<(int Code, WorkflowDetail? Detail)> ReadAsync(Action<DaemonCall, WorkflowDetail> print, CancellationToken ct)
    {
        WorkflowDetail? read = null;
        using var call = new DaemonCall(parsed);
        if (call.IsTerminal && !parsed.GetValue(DaemonCall.AsJson))
            AnsiConsole.Clear();
        var code = await call.RunAsync<WorkflowDetail>(
            HttpMethod.Get, path, null,
            detail =>
            {
                read = detail;
                print(call, detail);
            },
            ct);
        return (code, read);
    }

    private static bool IsOver(InstanceStatus status) => status is InstanceStatus.Finished or InstanceStatus.Compensated or InstanceStatus.Cancelled;

    private static bool IsOver(JournalEventKind kind) => kind is JournalEventKind.Finished or JournalEventKind.Compensated or JournalEventKind.Cancelled;
}
