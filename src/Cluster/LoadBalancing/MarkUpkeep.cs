using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Cluster.LoadBalancing;

/// <summary>Releases marks of services that have left their network, once every living host has acknowledged a state in which they had.</summary>
/// <remarks>As with addresses, it does not matter how many hosts look, and what was seen is remembered in memory only. Not thread safe.</remarks>
public sealed class MarkUpkeep(MarkAllocator allocator)
{
    /// <summary>The revision of the first state seen in which the service was not in the network.</summary>
    private readonly Dictionary<AllocatedMarks, long> _unusedAt = [];

    /// <summary>One look at all marks. How many pairs were released.</summary>
    public async Task<int> LookAsync(MirrorState state, CancellationToken ct)
    {
        var lingering = DesiredLoadBalancers.Lingering(state);
        var unused = (await allocator.ListAsync(ct))
            .Where(marks => DesiredLoadBalancers.Of(state, marks.Service) is null && !lingering.Contains(marks.Service))
            .ToList();
        foreach (var gone in _unusedAt.Keys.Except(unused).ToList()) _unusedAt.Remove(gone);
        var released = 0;
        foreach (var marks in unused)
        {
            // Not later than now: what was seen before etcd was put back counts from then on.
            _unusedAt[marks] = Math.Min(_unusedAt.GetValueOrDefault(marks, state.Revision), state.Revision);
            if (_unusedAt[marks] > state.AcknowledgedRevision) continue;
            await allocator.ReleaseAsync(marks, ct);
            released++;
        }

        return released;
    }
}
