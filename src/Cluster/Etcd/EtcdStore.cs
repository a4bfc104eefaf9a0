using Microsoft.Extensions.Logging;

namespace FlannelFlow.Cluster.Etcd;

/// <summary>etcd over gRPC.</summary>
public sealed class EtcdStore(EtcdOptions options, TimeProvider time, ILogger<EtcdStore> log) : IEtcd, IAsyncDisposable
{
    public Task<EtcdRange> RangeAsync(EtcdKeys keys, CancellationToken ct) => throw NotYet();

    public Task<EtcdRange> RangeAsync(EtcdKeys keys, long revision, CancellationToken ct) => throw NotYet();

    public Task<long> PutAsync(string key, string value, EtcdLeaseId lease, CancellationToken ct) => throw NotYet();

    public Task<long> DeleteAsync(EtcdKeys keys, CancellationToken ct) => throw NotYet();

    public Task<EtcdTransactionResult> TransactAsync(EtcdTransaction transaction, CancellationToken ct) => throw NotYet();

    public Task<EtcdLease> GrantLeaseAsync(TimeSpan timeToLive, CancellationToken ct) => throw NotYet();

    public Task RevokeLeaseAsync(EtcdLeaseId lease, CancellationToken ct) => throw NotYet();

    public Task<TimeSpan?> TimeToLiveAsync(EtcdLeaseId lease, CancellationToken ct) => throw NotYet();

    public IAsyncEnumerable<EtcdWatchBatch> WatchAsync(EtcdKeys keys, long fromRevision, CancellationToken ct) => throw NotYet();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private NotSupportedException NotYet() => new($"{options} {time} {log}");
}
