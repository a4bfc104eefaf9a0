namespace FlannelFlow.Cluster.Etcd;

/// <summary>
/// The part of etcd v3 that FlannelFlow uses. Keys and values are UTF-8 text.
/// </summary>
/// <remarks>
/// Every call ends within <see cref="EtcdOptions.CallTimeout"/>. Errors: <see cref="EtcdUnavailableException"/> (retry, the write may
/// have happened), other <see cref="EtcdException"/>s (do not retry), <see cref="OperationCanceledException"/> only for the caller's token.
/// Reads are linearizable. A failed write is sent to another endpoint only where the first certainly never got it.
/// </remarks>
public interface IEtcd
{
    /// <summary>The present state of the selected keys, sorted by key.</summary>
    Task<EtcdRange> RangeAsync(EtcdKeys keys, CancellationToken ct);

    /// <summary>The state as of a revision. <see cref="EtcdCompactedException"/> when it is gone.</summary>
    Task<EtcdRange> RangeAsync(EtcdKeys keys, long revision, CancellationToken ct);

    /// <summary>Unconditional write; detaches the key from any other lease. Returns the revision of the write.</summary>
    Task<long> PutAsync(string key, string value, EtcdLeaseId lease, CancellationToken ct);

    /// <summary>Returns how many keys there were. None is success.</summary>
    Task<long> DeleteAsync(EtcdKeys keys, CancellationToken ct);

    Task<EtcdTransactionResult> TransactAsync(EtcdTransaction transaction, CancellationToken ct);

    /// <summary>Grants a lease; etcd counts in whole seconds, at least one, and may grant more than was asked.</summary>
    Task<EtcdLease> GrantLeaseAsync(TimeSpan timeToLive, CancellationToken ct);

    /// <summary>Ends a lease and deletes its keys. A lease that is already gone is success.</summary>
    Task RevokeLeaseAsync(EtcdLeaseId lease, CancellationToken ct);

    /// <summary>Prolongs a lease to its full time, which is answered; null: it is gone, and its keys with it.</summary>
    Task<TimeSpan?> KeepLeaseAliveAsync(EtcdLeaseId lease, CancellationToken ct);

    /// <summary>What is left of a lease, or null when it is gone.</summary>
    Task<TimeSpan?> TimeToLiveAsync(EtcdLeaseId lease, CancellationToken ct);

    /// <summary>
    /// Every change from <paramref name="fromRevision"/> (inclusive; normally the revision of a range read + 1), in order, none missing,
    /// none twice. Survives lost connections: reconnects from the last revision seen, forever. After <see cref="EtcdCompacted"/>
    /// the sequence ends: read the state anew and watch from there.
    /// </summary>
    IAsyncEnumerable<EtcdWatchBatch> WatchAsync(EtcdKeys keys, long fromRevision, CancellationToken ct);
}

/// <summary>One key, or all keys that begin with a text. A prefix that means a folder ends in '/'.</summary>
public readonly record struct EtcdKeys
{
    private EtcdKeys(string start, bool isPrefix)
    {
        ArgumentException.ThrowIfNullOrEmpty(start);
        Start = start;
        IsPrefix = isPrefix;
    }

    public string Start { get; }

    public bool IsPrefix { get; }

    public static EtcdKeys One(string key) => new(key, isPrefix: false);

    public static EtcdKeys Under(string prefix) => new(prefix, isPrefix: true);

    public override string ToString() => IsPrefix ? Start + "*" : Start;
}

/// <summary>0 is "no lease", as in etcd.</summary>
public readonly record struct EtcdLeaseId(long Value)
{
    public static EtcdLeaseId None { get; }

    /// <summary>As etcdctl prints it.</summary>
    public override string ToString() => Value.ToString("x16", System.Globalization.CultureInfo.InvariantCulture);
}

public sealed record EtcdLease(EtcdLeaseId Id, TimeSpan TimeToLive);

/// <param name="Version">1 for a fresh key, +1 with each put since its creation.</param>
public sealed record EtcdEntry(string Key, string Value, long CreateRevision, long ModRevision, long Version, EtcdLeaseId Lease);

/// <param name="Revision">The store's revision of this read: watch from Revision + 1 to miss nothing.</param>
public sealed record EtcdRange(long Revision, IReadOnlyList<EtcdEntry> Entries);

public abstract record EtcdWatchBatch;

/// <summary>One or more changes. Changes of one transaction are never spread over two batches.</summary>
/// <param name="Revision">The revision of the last change.</param>
public sealed record EtcdChanges(long Revision, IReadOnlyList<EtcdEvent> Events) : EtcdWatchBatch;

/// <summary>Changes were lost: read the state anew. Nothing follows.</summary>
/// <param name="CompactRevision">The oldest revision that can still be watched.</param>
public sealed record EtcdCompacted(long CompactRevision) : EtcdWatchBatch;

public enum EtcdEventKind
{
    Put,
    Delete,
}

/// <param name="Entry">For a deletion only key and ModRevision mean something; what was there is in Previous.</param>
/// <param name="Previous">What the key held before; null when it was created, or when that revision is compacted.</param>
public sealed record EtcdEvent(EtcdEventKind Kind, EtcdEntry Entry, EtcdEntry? Previous);
