namespace FlannelFlow.Cluster.Etcd;

/// <summary>
/// If all of <see cref="When"/> hold, all of <see cref="Then"/> happen at one revision, else all of <see cref="Otherwise"/>.
/// etcd refuses two writes to one key in one transaction, and more than 128 operations (--max-txn-ops).
/// </summary>
public sealed record EtcdTransaction(IReadOnlyList<EtcdCompare> When, IReadOnlyList<EtcdOperation> Then, IReadOnlyList<EtcdOperation> Otherwise)
{
    public EtcdTransaction(IReadOnlyList<EtcdCompare> when, IReadOnlyList<EtcdOperation> then)
        : this(when, then, [])
    {
    }

    /// <summary>Several reads at one revision.</summary>
    public static EtcdTransaction ReadAll(params IReadOnlyList<EtcdOperation> reads) => new([], reads);
}

/// <param name="Ranges">The results of the reads among the operations that happened, in their order.</param>
public sealed record EtcdTransactionResult(bool Succeeded, long Revision, IReadOnlyList<EtcdRange> Ranges);

public abstract record EtcdOperation
{
    private EtcdOperation()
    {
    }

    public sealed record Put(string Key, string Value, EtcdLeaseId Lease) : EtcdOperation
    {
        public Put(string key, string value)
            : this(key, value, EtcdLeaseId.None)
        {
        }
    }

    public sealed record Delete(EtcdKeys Keys) : EtcdOperation;

    /// <param name="KeysOnly">Leaves the values empty.</param>
    public sealed record Read(EtcdKeys Keys, bool KeysOnly) : EtcdOperation
    {
        public Read(EtcdKeys keys)
            : this(keys, KeysOnly: false)
        {
        }
    }
}

/// <summary>A condition of a transaction. A condition on a prefix must hold for every key under it (etcd 3.3 and later).</summary>
/// <remarks>A key that does not exist compares as one with all revisions 0; its value equals nothing (etcd server/etcdserver/apply.go, applyCompare).</remarks>
public abstract record EtcdCompare
{
    private EtcdCompare()
    {
    }

    /// <summary>CreateRevision == revision; 0: the key does not exist.</summary>
    public sealed record CreateRevision(string Key, long Revision) : EtcdCompare;

    /// <summary>ModRevision == revision: nobody wrote the key since it was read. 0: the key does not exist.</summary>
    public sealed record ModRevision(string Key, long Revision) : EtcdCompare;

    public sealed record Value(string Key, string Text) : EtcdCompare;

    public sealed record KeyExists(string Key) : EtcdCompare;

    /// <summary>There is no key under the prefix.</summary>
    public sealed record NothingUnder(string Prefix) : EtcdCompare;

    /// <summary>No key under the prefix was created or changed after the revision. Deletions are not seen by it.</summary>
    public sealed record NothingModifiedUnder(string Prefix, long SinceRevision) : EtcdCompare;

    /// <summary>No key under the prefix was created after the revision. Changes of existing keys and deletions are not seen by it.</summary>
    public sealed record NothingCreatedUnder(string Prefix, long SinceRevision) : EtcdCompare;

    public static EtcdCompare Absent(string key) => new CreateRevision(key, 0);
}
