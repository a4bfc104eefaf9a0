using Microsoft.Extensions.Logging;

namespace FlannelFlow.Workflows;

/// <summary>Purges what finished long ago, in chunks so small that no commit waits for them noticeably.</summary>
internal sealed class Retention(WorkflowRuntimeOptions options, JournalWriter writer, TimeProvider time, ILogger log)
{
    private const int Chunk = 100;

    public async Task RunAsync(CancellationToken ct)
    {
        try
        {
            using var timer = new PeriodicTimer(options.PurgeInterval, time);
            do
            {
                DateTimeOffset before = time.GetUtcNow() - options.KeepFinished;
                int gone = 0, chunk;
                while ((chunk = await writer.PurgeAsync(before, Chunk, ct)) > 0) gone += chunk;
                if (gone > 0) log.LogInformation("Purged {Rows} instances and events from before {Before:O}", gone, before);
            }
            while (await timer.WaitForNextTickAsync(ct));
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
        }
        catch (RuntimeStoppedException)
        {
        }
    }
}
