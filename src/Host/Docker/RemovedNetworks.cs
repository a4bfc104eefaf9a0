using System.Collections.Concurrent;
using FlannelFlow.Cluster.Garbage;

namespace FlannelFlow.Host.Docker;

/// <summary>The networks that Swarm has removed and this engine may still list.</summary>
/// <remarks>
/// A manager lists Swarm's networks and those that its own engine carries, and the two look alike: one that is removed stays in the list until its last
/// container here is gone, which a task's grace can take minutes to be. Swarm tells of the removal (moby daemon/cluster_events.go). What was removed
/// while nobody listened is not known. Safe for concurrent callers.
/// </remarks>
public sealed class RemovedNetworks
{
    private readonly ConcurrentDictionary<string, bool> _ids = new(StringComparer.Ordinal);

    public void Heard(string id) => _ids[id] = true;

    /// <summary>Those that Swarm has. One that is no longer listed is forgotten: its id never comes again.</summary>
    public IReadOnlyCollection<DockerNetwork> Without(IReadOnlyCollection<DockerNetwork> listed)
    {
        foreach (var gone in _ids.Keys.Except(listed.Select(network => network.Id), StringComparer.Ordinal)) _ids.TryRemove(gone, out _);
        return [.. listed.Where(network => !_ids.ContainsKey(network.Id))];
    }
}
