using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Flanneld.Logging;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Flanneld.Leases;

/// <summary>
/// Follows the leases. An unreachable etcd changes nothing: the last snapshot stays until there is a newer one. After a compaction, or an
/// error that the watch does not mend by itself, everything is read anew.
/// </summary>
/// <param name="changed">Called with every new snapshot, one at a time.</param>
internal sealed class LeaseWatch(IEtcd etcd, FlannelKeys keys, Func<LeaseSnapshot, CancellationToken, Task> changed, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly OncePerReason _told = new();

    public async Task<LeaseSnapshot> ReadAsync(CancellationToken ct)
    {
        while (true)
        {
            try
            {
                var snapshot = LeaseSnapshot.Of(await etcd.RangeAsync(EtcdKeys.Under(keys.Subnets), ct));
                if (_told.Clear()) log.LogInformation("reading the leases: etcd answers again");
                return snapshot;
            }
            catch (EtcdException e)
            {
                if (_told.IsNew(e.Message)) log.LogWarning("reading the leases, retrying every {Pause} s: {Reason}", Pause.TotalSeconds, e.Message);
                await Task.Delay(Pause, time, ct);
            }
        }
    }

    public async Task RunAsync(LeaseSnapshot first, CancellationToken ct)
    {
        for (var (snapshot, isRead) = (first, false); ; (snapshot, isRead) = (await ReadAsync(ct), true))
        {
            try
            {
                if (isRead) await changed(snapshot, ct);
                await foreach (var batch in etcd.WatchAsync(EtcdKeys.Under(keys.Subnets), snapshot.Revision + 1, ct))
                {
                    switch (batch)
                    {
                        case EtcdChanges changes:
                            snapshot = snapshot.With(changes);
                            await changed(snapshot, ct);
                            break;
                        case EtcdCompacted compacted:
                            log.LogInformation("watching the leases: revision {Seen} was compacted away, the oldest is {Oldest}; reading anew",
                                snapshot.Revision + 1, compacted.CompactRevision);
                            break;
                        default:
                            throw new InvalidOperationException($"watch batch {batch}");
                    }
                }
            }
            catch (EtcdException e)
            {
                if (_told.IsNew(e.Message)) log.LogWarning("watching the leases, beginning anew: {Reason}", e.Message);
            }
            await Task.Delay(Pause, time, ct);
        }
    }
}
