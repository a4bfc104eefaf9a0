using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Cluster.Draining;

/// <summary>Says in etcd, to all hosts, that a container drains or does so no longer.</summary>
/// <remarks>A record is changed only as it was read: whoever comes between (its host, which reads Docker anew) wins, and the change is tried on what is there then.</remarks>
public sealed class DrainWriter(IEtcd etcd, ClusterKeys keys, TimeProvider time)
{
    /// <summary>
    /// The revision from which on the container drains: a host that has acknowledged it sends it no new connection. Null: there is no such record.
    /// One that drains already goes on for its first reason, but a person's or Swarm's, which stay, go over the others, which pass.
    /// </summary>
    public Task<long?> BeginAsync(string host, string containerId, DrainReason reason, CancellationToken ct) => ChangeAsync(
        host,
        containerId,
        record => record is { State: ContainerState.Draining, Drain: { } drain } && (IsLasting(drain.Reason) || !IsLasting(reason))
            ? record
            : ContainerDrain.Draining(record, record.Drain is { } running ? running with { Reason = reason } : DrainRecord.Begin(reason, time.GetUtcNow())),
        ct);

    /// <summary>The revision from which on the container is ready. Null: there is no such record.</summary>
    public Task<long?> CallOffAsync(string host, string containerId, CancellationToken ct) => ChangeAsync(host, containerId, ContainerDrain.Ready, ct);

    private static bool IsLasting(DrainReason reason) => reason is DrainReason.DesiredState or DrainReason.Operator;

    private async Task<long?> ChangeAsync(string host, string containerId, Func<ContainerRecord, ContainerRecord> change, CancellationToken ct)
    {
        var key = keys.DockerContainer(host, containerId);
        while (true)
        {
            var read = await etcd.RangeAsync(EtcdKeys.One(key), ct);
            if (read.Entries is not [var entry] || !MirrorJson.TryRead(entry.Value, MirrorJsonContext.Default.ContainerRecord, out var record)) return null;
            var text = MirrorJson.Write(change(record));
            if (text == entry.Value) return entry.ModRevision;
            var result = await etcd.TransactAsync(
                new EtcdTransaction([new EtcdCompare.ModRevision(key, entry.ModRevision)], [new EtcdOperation.Put(key, text)]), ct);
            if (result.Succeeded) return result.Revision;
        }
    }
}
