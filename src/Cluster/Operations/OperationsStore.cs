using System.Runtime.CompilerServices;
using System.Text.Json;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster.Operations;

/// <summary>What hosts tell each other of their workflows, and ask of each other.</summary>
public sealed class OperationsStore(IEtcd etcd, ClusterKeys keys)
{
    /// <summary>A request that its host does not take within this is gone.</summary>
    public static readonly TimeSpan RequestLife = TimeSpan.FromMinutes(1);

    /// <summary>Of all hosts; what is no summary of this version is left out.</summary>
    public async Task<IReadOnlyList<WorkflowSummary>> SummariesAsync(CancellationToken ct) =>
    [
        .. (await etcd.RangeAsync(EtcdKeys.Under(keys.Hosts), ct)).Entries
            .Where(entry => entry.Key[keys.Hosts.Length..].Split('/') is [_, "workflows", _])
            .Select(entry => Read(entry.Value, ClusterJson.Default.WorkflowSummary))
            .OfType<WorkflowSummary>(),
    ];

    /// <summary>The summaries of a host as texts, by workflow id.</summary>
    public async Task<Dictionary<string, string>> SummaryTextsAsync(string host, CancellationToken ct) =>
        (await etcd.RangeAsync(EtcdKeys.Under(keys.HostWorkflows(host)), ct)).Entries
            .ToDictionary(entry => entry.Key[keys.HostWorkflows(host).Length..], entry => entry.Value, StringComparer.Ordinal);

    public static string TextOf(WorkflowSummary summary) => JsonSerializer.Serialize(summary, ClusterJson.Default.WorkflowSummary);

    public Task PutSummaryAsync(string host, string id, string text, CancellationToken ct) =>
        etcd.PutAsync(keys.HostWorkflows(host) + id, text, EtcdLeaseId.None, ct);

    public Task DeleteSummaryAsync(string host, string id, CancellationToken ct) =>
        etcd.DeleteAsync(EtcdKeys.One(keys.HostWorkflows(host) + id), ct);

    /// <summary>Asks a host, and waits for its answer. The request as it is answered; null: not within the time.</summary>
    public async Task<OperatorRequest?> AskAsync(string host, OperatorRequest request, TimeSpan patience, CancellationToken ct)
    {
        var key = keys.HostRequests(host) + request.Id;
        var lease = await etcd.GrantLeaseAsync(RequestLife, ct);
        var asked = await etcd.PutAsync(key, Write(request), lease.Id, ct);
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(ct);
        bound.CancelAfter(patience);
        try
        {
            await foreach (var batch in etcd.WatchAsync(EtcdKeys.One(key), asked + 1, bound.Token))
            {
                if (batch is not EtcdChanges changes) return null;
                foreach (var change in changes.Events)
                {
                    if (change.Kind == EtcdEventKind.Put && Read(change.Entry.Value, ClusterJson.Default.OperatorRequest) is { State: not RequestState.Asked } answered)
                        return answered;
                }
            }
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            // Not within the time.
        }

        return null;
    }

    /// <summary>Every request to a host that is not answered yet, those that are there first. Ends when history is lost: begin anew.</summary>
    public async IAsyncEnumerable<(OperatorRequest Request, EtcdEntry Entry)> RequestsAsync(string host, [EnumeratorCancellation] CancellationToken ct)
    {
        var there = await etcd.RangeAsync(EtcdKeys.Under(keys.HostRequests(host)), ct);
        foreach (var entry in there.Entries)
        {
            if (Open(entry) is { } request) yield return (request, entry);
        }

        await foreach (var batch in etcd.WatchAsync(EtcdKeys.Under(keys.HostRequests(host)), there.Revision + 1, ct))
        {
            if (batch is not EtcdChanges changes) yield break;
            foreach (var change in changes.Events.Where(change => change.Kind == EtcdEventKind.Put))
            {
                if (Open(change.Entry) is { } request) yield return (request, change.Entry);
            }
        }

        static OperatorRequest? Open(EtcdEntry entry) =>
            Read(entry.Value, ClusterJson.Default.OperatorRequest) is { State: RequestState.Asked } request ? request : null;
    }

    /// <summary>Answers in place, unless it has gone meanwhile.</summary>
    public Task AnswerAsync(EtcdEntry asked, OperatorRequest answered, CancellationToken ct) => etcd.TransactAsync(
        new EtcdTransaction(
            [new EtcdCompare.ModRevision(asked.Key, asked.ModRevision)],
            [new EtcdOperation.Put(asked.Key, Write(answered), asked.Lease)]),
        ct);

    private static string Write(OperatorRequest request) => JsonSerializer.Serialize(request, ClusterJson.Default.OperatorRequest);

    private static T? Read<T>(string text, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(text, type);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
