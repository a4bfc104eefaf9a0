using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Operations;
using FlannelFlow.Host.Mirror;
using FlannelFlow.Operations.Draining;
using FlannelFlow.Operations.Workflows;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Draining;

/// <summary>Keeps in etcd, for the other hosts, the summaries of this host's open drains and of every workflow that waits for a person.</summary>
public sealed class SummaryPublisher(
    WorkflowRuntime runtime, OperationsStore store, FlannelFlowOptions options, TimeProvider time, ILogger<SummaryPublisher> logger) : BackgroundService
{
    /// <summary>What changes within this is written once.</summary>
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(2);

    private readonly Demand _changed = new();

    public override void Dispose()
    {
        _changed.Dispose();
        base.Dispose();
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(FollowAsync(stoppingToken), PublishAsync(stoppingToken));

    private async Task FollowAsync(CancellationToken ct)
    {
        await foreach (var happened in runtime.FollowAsync(runtime.CommittedSeq, ct))
        {
            if (happened.DefinitionId == DrainOperations.Definition
                || happened.Kind is JournalEventKind.Suspended or JournalEventKind.Altered or JournalEventKind.Finished or JournalEventKind.Compensated or JournalEventKind.Cancelled)
                _changed.Raise();
        }
    }

    private async Task PublishAsync(CancellationToken ct)
    {
        Dictionary<string, string>? written = null;
        var troubled = false;
        while (true)
        {
            try
            {
                // What a daemon before this one wrote is known after the first read; later, what was written is remembered.
                written ??= await store.SummaryTextsAsync(options.HostName, ct);
                await WriteAsync(written, Summaries.Wanted(runtime, options.HostName), ct);
                troubled = false;
            }
            catch (EtcdException e)
            {
                if (!troubled)
                    logger.LogWarning("telling the other hosts of this host's workflows: {Reason}", e.Message);
                troubled = true;
                written = null;
                await Task.Delay(RetryPause, time, ct);
                continue;
            }

            await _changed.WaitAsync(options.Reconcile.Interval, ct);
            await Task.Delay(Settle, time, ct);
        }
    }

    private async Task WriteAsync(Dictionary<string, string> written, Dictionary<string, string> wanted, CancellationToken ct)
    {
        foreach (var gone in written.Keys.Except(wanted.Keys).ToList())
        {
            await store.DeleteSummaryAsync(options.HostName, gone, ct);
            written.Remove(gone);
        }

        foreach (var (id, text) in wanted.Where(summary => written.GetValueOrDefault(summary.Key) != summary.Value))
        {
            await store.PutSummaryAsync(options.HostName, id, text, ct);
            written[id] = text;
        }
    }
}
