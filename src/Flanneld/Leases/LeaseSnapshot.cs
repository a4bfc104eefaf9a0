using System.Collections.Immutable;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Flanneld.Leases;

/// <summary>All keys under PREFIX/subnets/ as of a revision, raw: which of them count is decided where the data plane is planned.</summary>
internal sealed record LeaseSnapshot(long Revision, ImmutableSortedDictionary<string, EtcdEntry> Entries)
{
    public static LeaseSnapshot Of(EtcdRange range) =>
        new(range.Revision, range.Entries.ToImmutableSortedDictionary(e => e.Key, e => e, StringComparer.Ordinal));

    public LeaseSnapshot With(EtcdChanges changes)
    {
        var entries = Entries.ToBuilder();
        foreach (var change in changes.Events)
        {
            switch (change.Kind)
            {
                case EtcdEventKind.Put:
                    entries[change.Entry.Key] = change.Entry;
                    break;
                case EtcdEventKind.Delete:
                    entries.Remove(change.Entry.Key);
                    break;
                default:
                    throw new ArgumentOutOfRangeException(nameof(changes), change.Kind, "not a kind of event");
            }
        }
        return new LeaseSnapshot(changes.Revision, entries.ToImmutable());
    }
}
