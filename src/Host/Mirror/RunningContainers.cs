using System.Collections.Concurrent;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Host.Docker;

namespace FlannelFlow.Host.Mirror;

/// <summary>The records of the containers that run on this host. Asks Docker anew only for those of which something was heard.</summary>
public sealed class RunningContainers(DockerTruth docker, HostNetworks networks, OpeningTasks opening, FlannelFlowOptions options)
{
    /// <summary>Null: Docker was asked, and it is none of ours.</summary>
    private readonly ConcurrentDictionary<string, ContainerRecord?> _known = new(StringComparer.Ordinal);
    private long _forgotten;

    public void Forget(string containerId)
    {
        Interlocked.Increment(ref _forgotten);
        _known.TryRemove(containerId, out _);
    }

    public void ForgetAll()
    {
        Interlocked.Increment(ref _forgotten);
        _known.Clear();
    }

    /// <summary>It is waited for no more (<see cref="OpeningTasks"/>).</summary>
    public void Opened(string containerId)
    {
        if (_known.TryGetValue(containerId, out var record) && record is { IsOpening: true })
            _known.TryUpdate(containerId, record with { IsOpening = false }, record);
    }

    /// <exception cref="DockerUnavailableException">The engine did not answer, also if only for one container: half an answer would remove the rest.</exception>
    public async Task<IReadOnlyCollection<ContainerRecord>> ReadAsync(CancellationToken ct)
    {
        var running = await docker.RunningAsync(ct);
        foreach (var gone in _known.Keys.Except(running)) _known.TryRemove(gone, out _);
        var records = new ConcurrentDictionary<string, ContainerRecord?>(_known, StringComparer.Ordinal);
        await Parallel.ForEachAsync(
            running.Where(id => !records.ContainsKey(id)),
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = ct },
            async (id, token) =>
            {
                var before = Interlocked.Read(ref _forgotten);
                if (await docker.ContainerAsync(id, token) is not { } container) return;
                var record = DockerObjects.Container(container, options.HostName, network => networks.Find(network) is not null);
                var left = TimeSpan.Zero;
                if (record is not null && OpeningTasks.Concerns(record))
                    record = record with { IsOpening = opening.IsOpening(DockerObjects.Pid(container), DockerObjects.StartedAt(container), out left) };
                records[id] = record;
                _known[id] = record;

                // Of what is heard while Docker answers, the answer may know nothing.
                if (before != Interlocked.Read(ref _forgotten)) _known.TryRemove(id, out _);
                if (record is { IsOpening: true }) opening.Await(id, DockerObjects.Pid(container), left);
            });
        return [.. running.Select(id => records.GetValueOrDefault(id)).OfType<ContainerRecord>()];
    }
}
