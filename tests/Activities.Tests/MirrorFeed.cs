using System.Runtime.CompilerServices;
using System.Threading.Channels;
using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Activities.Tests;

/// <summary>As much of an etcd as a <see cref="DockerMirror"/> follows: records that a test puts and deletes.</summary>
public sealed class MirrorFeed : IEtcd
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, EtcdEntry> _entries = new(StringComparer.Ordinal);
    private readonly List<(EtcdKeys Keys, ChannelWriter<EtcdWatchBatch> Writer)> _watchers = [];
    private long _revision = 1;

    public ClusterKeys Keys { get; } = new("/flannelflow");

    public void Put(NetworkRecord network) => Put(Keys.DockerNetwork(network.Id), MirrorJson.Write(network));

    public void Put(ServiceRecord service) => Put(Keys.DockerService(service.Id), MirrorJson.Write(service));

    public void Put(ContainerRecord container) => Put(Keys.DockerContainer(container.Host, container.Id), MirrorJson.Write(container));

    public void Delete(ContainerRecord container)
    {
        var key = Keys.DockerContainer(container.Host, container.Id);
        lock (_gate)
        {
            _entries.Remove(key);
            Tell(new EtcdEvent(EtcdEventKind.Delete, new EtcdEntry(key, "", 0, ++_revision, 0, EtcdLeaseId.None), Previous: null));
        }
    }

    public Task<EtcdTransactionResult> TransactAsync(EtcdTransaction transaction, CancellationToken ct)
    {
        lock (_gate)
        {
            return Task.FromResult(new EtcdTransactionResult(true, _revision, [
                .. transaction.Then.Cast<EtcdOperation.Read>()
                    .Select(read => new EtcdRange(_revision, [.. _entries.Values.Where(entry => entry.Key.StartsWith(read.Keys.Start, StringComparison.Ordinal))])),
            ]));
        }
    }

    public async IAsyncEnumerable<EtcdWatchBatch> WatchAsync(EtcdKeys keys, long fromRevision, [EnumeratorCancellation] CancellationToken ct)
    {
        var channel = Channel.CreateUnbounded<EtcdWatchBatch>();
        lock (_gate)
        {
            // What came between the read and this.
            foreach (var entry in _entries.Values.Where(entry => entry.ModRevision >= fromRevision && entry.Key.StartsWith(keys.Start, StringComparison.Ordinal)))
                channel.Writer.TryWrite(new EtcdChanges(entry.ModRevision, [new EtcdEvent(EtcdEventKind.Put, entry, Previous: null)]));
            _watchers.Add((keys, channel.Writer));
        }

        await foreach (var batch in channel.Reader.ReadAllAsync(ct)) yield return batch;
    }

    public Task<EtcdRange> RangeAsync(EtcdKeys keys, CancellationToken ct) => throw new NotSupportedException();

    public Task<EtcdRange> RangeAsync(EtcdKeys keys, long revision, CancellationToken ct) => throw new NotSupportedException();

    public Task<long> PutAsync(string key, string value, EtcdLeaseId lease, CancellationToken ct) => throw new NotSupportedException();

    public Task<long> DeleteAsync(EtcdKeys keys, CancellationToken ct) => throw new NotSupportedException();

    public Task<EtcdLease> GrantLeaseAsync(TimeSpan timeToLive, CancellationToken ct) => throw new NotSupportedException();

    public Task<TimeSpan?> KeepLeaseAliveAsync(EtcdLeaseId lease, CancellationToken ct) => throw new NotSupportedException();

    public Task RevokeLeaseAsync(EtcdLeaseId lease, CancellationToken ct) => throw new NotSupportedException();

    public Task<TimeSpan?> TimeToLiveAsync(EtcdLeaseId lease, CancellationToken ct) => throw new NotSupportedException();

    private void Put(string key, string value)
    {
        lock (_gate)
        {
            var entry = _entries[key] = new EtcdEntry(key, value, ++_revision, _revision, 1, EtcdLeaseId.None);
            Tell(new EtcdEvent(EtcdEventKind.Put, entry, Previous: null));
        }
    }

    private void Tell(EtcdEvent happened)
    {
        foreach (var (_, writer) in _watchers.Where(watcher => happened.Entry.Key.StartsWith(watcher.Keys.Start, StringComparison.Ordinal)))
            writer.TryWrite(new EtcdChanges(_revision, [happened]));
    }
}
