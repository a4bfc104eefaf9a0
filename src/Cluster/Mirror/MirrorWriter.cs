using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster.Mirror;

/// <summary>What a manager's Docker Engine knows of the cluster, as records.</summary>
/// <param name="NodesDown">Swarm's ids of nodes that Docker takes for dead: what runs there does not.</param>
public sealed record ClusterObjects(
    IReadOnlyCollection<NetworkRecord> Networks, IReadOnlyCollection<ServiceRecord> Services, IReadOnlySet<string> NodesDown);

/// <summary>Brings the mirror in etcd in line with Docker. Docker's data trumps etcd's.</summary>
/// <remarks>
/// Any number of managers may write the same objects: etcd is read before Docker is asked, and a key is changed or deleted only if nobody
/// wrote it since that read. So a manager that asked Docker earlier never undoes what another learnt later; it does nothing, and comes
/// to the same end with its next look. Only what differs is written.
/// </remarks>
public sealed class MirrorWriter(IEtcd etcd, ClusterKeys keys, DrainTerms terms, TimeProvider time)
{
    /// <summary>Networks, services, and the tasks of nodes that are down. How many keys were written or deleted.</summary>
    /// <param name="askDocker">Null: this host's engine is no manager, and nothing is written.</param>
    public async Task<int> WriteClusterAsync(Func<CancellationToken, Task<ClusterObjects?>> askDocker, CancellationToken ct)
    {
        var read = await etcd.TransactAsync(
            EtcdTransaction.ReadAll(
                new EtcdOperation.Read(EtcdKeys.Under(keys.DockerNetworks)),
                new EtcdOperation.Read(EtcdKeys.Under(keys.DockerServices)),
                new EtcdOperation.Read(EtcdKeys.Under(keys.DockerContainers))),
            ct);
        if (await askDocker(ct) is not { } docker) return 0;
        return await ApplyAsync(
            [
                .. MirrorDiff.Of(read.Ranges[0].Entries, docker.Networks.ToDictionary(network => keys.DockerNetwork(network.Id), MirrorJson.Write)),
                .. MirrorDiff.Of(read.Ranges[1].Entries, docker.Services.ToDictionary(service => keys.DockerService(service.Id), MirrorJson.Write)),
                .. MirrorDiff.TasksOf(docker.NodesDown, read.Ranges[2].Entries),
            ],
            ct);
    }

    /// <summary>The containers that run on a host. What etcd alone knows of a container (that it drains) stays. How many keys were written or deleted.</summary>
    public async Task<int> WriteContainersAsync(string host, Func<CancellationToken, Task<IReadOnlyCollection<ContainerRecord>>> askDocker, CancellationToken ct)
    {
        var read = await etcd.RangeAsync(EtcdKeys.Under(keys.DockerContainersOf(host)), ct);
        var docker = await askDocker(ct);
        return await ApplyAsync(MirrorDiff.OfContainers(keys, read.Entries, docker, terms, time.GetUtcNow()), ct);
    }

    /// <summary>Each key by itself: another's write of one holds no other up.</summary>
    private async Task<int> ApplyAsync(IReadOnlyList<MirrorChange> changes, CancellationToken ct)
    {
        var done = 0;
        foreach (var change in changes)
        {
            EtcdOperation operation = change.Value is { } value
                ? new EtcdOperation.Put(change.Key, value)
                : new EtcdOperation.Delete(EtcdKeys.One(change.Key));
            var result = await etcd.TransactAsync(
                new EtcdTransaction([new EtcdCompare.ModRevision(change.Key, change.ReadRevision)], [operation]), ct);
            if (result.Succeeded) done++;
        }

        return done;
    }
}

/// <param name="Value">Null: the key goes.</param>
/// <param name="ReadRevision">The key's ModRevision when it was read; 0: it was not there.</param>
public sealed record MirrorChange(string Key, string? Value, long ReadRevision);

/// <summary>What has to change in etcd.</summary>
public static class MirrorDiff
{
    /// <summary>In the order of the keys; nothing for what is equal.</summary>
    /// <param name="wanted">Key to value.</param>
    public static IReadOnlyList<MirrorChange> Of(IEnumerable<EtcdEntry> there, IReadOnlyDictionary<string, string> wanted)
    {
        var entries = there.ToDictionary(entry => entry.Key, StringComparer.Ordinal);
        return
        [
            .. wanted.Keys.Union(entries.Keys).Order(StringComparer.Ordinal)
                .Select(key => new MirrorChange(key, wanted.GetValueOrDefault(key), entries.GetValueOrDefault(key)?.ModRevision ?? 0))
                .Where(change => change.Value != entries.GetValueOrDefault(change.Key)?.Value),
        ];
    }

    /// <param name="running">As Docker has them: all ready.</param>
    /// <param name="now">By this host's clock, which also began what its containers drain for.</param>
    public static IReadOnlyList<MirrorChange> OfContainers(
        ClusterKeys keys, IReadOnlyCollection<EtcdEntry> there, IReadOnlyCollection<ContainerRecord> running, DrainTerms terms, DateTimeOffset now)
    {
        var known = Records(there).ToDictionary(pair => pair.Entry.Key, pair => pair.Record, StringComparer.Ordinal);
        return Of(there, running
            .Select(container => (Key: keys.DockerContainer(container.Host, container.Id), Container: container))
            .ToDictionary(pair => pair.Key, pair => MirrorJson.Write(ContainerDrain.Next(known.GetValueOrDefault(pair.Key), pair.Container, terms, now))));
    }

    /// <summary>The deletion of all tasks that ran on these nodes.</summary>
    public static IReadOnlyList<MirrorChange> TasksOf(IReadOnlySet<string> nodes, IEnumerable<EtcdEntry> there) =>
    [
        .. Records(there)
            .Where(pair => pair.Record.Task is { } task && nodes.Contains(task.NodeId))
            .Select(pair => new MirrorChange(pair.Entry.Key, Value: null, pair.Entry.ModRevision)),
    ];

    private static IEnumerable<(EtcdEntry Entry, ContainerRecord Record)> Records(IEnumerable<EtcdEntry> entries)
    {
        foreach (var entry in entries)
        {
            if (MirrorJson.TryRead(entry.Value, MirrorJsonContext.Default.ContainerRecord, out var record)) yield return (entry, record);
        }
    }
}
