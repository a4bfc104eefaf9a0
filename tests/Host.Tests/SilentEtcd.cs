using System.Runtime.CompilerServices;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Host.Tests;

/// <summary>Reads find nothing, unless they are told to fail, and no write arrives.</summary>
internal sealed class SilentEtcd : IEtcd
{
    /// <summary>How many of the next reads find no etcd.</summary>
    public int Refusals { get; set; }

    public int Reads { get; private set; }

    public Task<EtcdRange> RangeAsync(EtcdKeys keys, CancellationToken ct)
    {
        Reads++;
        return Refusals-- > 0 ? throw Away() : Task.FromResult(new EtcdRange(1, []));
    }

    public Task<EtcdRange> RangeAsync(EtcdKeys keys, long revision, CancellationToken ct) => RangeAsync(keys, ct);

    public Task<long> PutAsync(string key, string value, EtcdLeaseId lease, CancellationToken ct) => throw Away();

    public Task<long> DeleteAsync(EtcdKeys keys, CancellationToken ct) => throw Away();

    public Task<EtcdTransactionResult> TransactAsync(EtcdTransaction transaction, CancellationToken ct) => throw Away();

    public Task<EtcdLease> GrantLeaseAsync(TimeSpan timeToLive, CancellationToken ct) => throw Away();

    public Task RevokeLeaseAsync(EtcdLeaseId lease, CancellationToken ct) => throw Away();

    public Task<TimeSpan?> KeepLeaseAliveAsync(EtcdLeaseId lease, CancellationToken ct) => throw Away();

    public Task<TimeSpan?> TimeToLiveAsync(EtcdLeaseId lease, CancellationToken ct) => throw Away();

    public async IAsyncEnumerable<EtcdWatchBatch> WatchAsync(EtcdKeys keys, long fromRevision, [EnumeratorCancellation] CancellationToken ct)
    {
        await Task.CompletedTask;
        yield break;
    }

    private static EtcdUnavailableException Away() => new("no etcd", null);
}
