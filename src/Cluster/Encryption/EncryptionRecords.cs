using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster.Encryption;

/// <summary>All hosts' <see cref="EncryptionRecord"/>s at one moment, by host.</summary>
/// <param name="Texts">As they stand in etcd.</param>
public sealed record EncryptionState(ImmutableDictionary<string, EncryptionRecord> Records, ImmutableDictionary<string, string> Texts)
{
    public static EncryptionState Empty { get; } = new(
        ImmutableDictionary.Create<string, EncryptionRecord>(StringComparer.Ordinal), ImmutableDictionary.Create<string, string>(StringComparer.Ordinal));

    /// <param name="text">Null: it is gone. One that is no record of the host's counts as none.</param>
    public EncryptionState With(string host, string? text) => new(
        text is not null && EncryptionRecord.Read(text) is { } record && record.Host == host ? Records.SetItem(host, record) : Records.Remove(host),
        text is null ? Texts.Remove(host) : Texts.SetItem(host, text));
}

/// <summary>The records of encryption in etcd.</summary>
public sealed class EncryptionRecords(IEtcd etcd, ClusterKeys keys)
{
    /// <summary>The present state, and the state after each change; without end, but for the loss of history, after which it is read anew.</summary>
    /// <exception cref="EtcdException">etcd did not answer.</exception>
    public async IAsyncEnumerable<EncryptionState> FollowAsync([EnumeratorCancellation] CancellationToken ct)
    {
        var all = EtcdKeys.Under(keys.Encryption);
        var range = await etcd.RangeAsync(all, ct);
        var state = range.Entries.Aggregate(EncryptionState.Empty, (so, entry) => so.With(HostOf(entry.Key), entry.Value));
        yield return state;
        await foreach (var batch in etcd.WatchAsync(all, range.Revision + 1, ct))
        {
            if (batch is not EtcdChanges changes) yield break;
            foreach (var change in changes.Events)
                state = state.With(HostOf(change.Entry.Key), change.Kind == EtcdEventKind.Put ? change.Entry.Value : null);
            yield return state;
        }

        string HostOf(string key) => key[keys.Encryption.Length..];
    }

    public async Task<bool> HasAsync(string host, CancellationToken ct) => (await etcd.RangeAsync(EtcdKeys.One(keys.EncryptionOf(host)), ct)).Entries.Count > 0;

    public Task PutAsync(EncryptionRecord record, CancellationToken ct) => etcd.PutAsync(keys.EncryptionOf(record.Host), record.ToJson(), EtcdLeaseId.None, ct);

    /// <summary>None is success.</summary>
    public Task DeleteAsync(string host, CancellationToken ct) => etcd.DeleteAsync(EtcdKeys.One(keys.EncryptionOf(host)), ct);
}
