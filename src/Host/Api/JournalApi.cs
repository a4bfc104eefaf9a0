using System.Text.Json;
using FlannelFlow.Operations;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Api;

/// <summary>The journal as server-sent events: what the command line follows.</summary>
public static class JournalApi
{
    public const string EventsPath = "/api/v1/journal/events";

    public static void MapJournal(this IEndpointRouteBuilder routes)
    {
        var runtime = routes.ServiceProvider.GetRequiredService<WorkflowRuntime>();
        var lifetime = routes.ServiceProvider.GetRequiredService<IHostApplicationLifetime>();
        routes.MapGet(EventsPath, async http =>
        {
            // What a reader that comes back has seen last (HTML living standard, 9.2.3 Last-Event-ID; it asks for the same URL again), or "after"; neither: from now on.
            var given = http.Request.Headers["Last-Event-ID"].FirstOrDefault() ?? http.Request.Query["after"].FirstOrDefault();
            long after;
            if (given is null)
            {
                after = runtime.CommittedSeq;
            }
            else if (!long.TryParse(given, out after) || after < 0)
            {
                await http.ProblemAsync(StatusCodes.Status400BadRequest, $"after: \"{given}\" is not a sequence number");
                return;
            }

            http.Response.ContentType = "text/event-stream";
            http.Response.Headers.CacheControl = "no-store";
            await http.Response.Body.FlushAsync(http.RequestAborted);
            using var until = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, lifetime.ApplicationStopping);
            try
            {
                await foreach (var journalEvent in runtime.FollowAsync(after, until.Token))
                {
                    await http.Response.WriteAsync(
                        $"id: {journalEvent.Seq}\ndata: {JsonSerializer.Serialize(journalEvent, OperationsJson.Options)}\n\n",
                        until.Token);
                    await http.Response.Body.FlushAsync(until.Token);
                }
            }
            catch (OperationCanceledException) when (until.IsCancellationRequested)
            {
                // The reader went away, or the daemon stops: the stream ends there, and can be resumed from its last id.
            }
        }).WithMetadata(new RequiredRole(Cluster.Access.Role.Viewer)).Described("Every commit of this host's journal as server-sent events", answer: null, body: null, "after");
    }
}
