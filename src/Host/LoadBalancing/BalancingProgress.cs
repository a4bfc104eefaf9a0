using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Host.LoadBalancing;

/// <summary>Up to which revision of the mirror the kernel acts, while differences come, are mended and come again.</summary>
/// <remarks>
/// A difference holds the revision back to before the state in which it was first seen, until it is gone or was mended: then the kernel is
/// as of a state no older than that with which its workflow began, and a difference that stands again counts from the newer state. One that was seen before
/// etcd was put back to an earlier revision counts from then on.
/// </remarks>
internal sealed class BalancingProgress
{
    private readonly Dictionary<string, long> _since = new(StringComparer.Ordinal);

    /// <summary>What is different now. Returns the revision that the kernel acts by.</summary>
    public long Seen(IReadOnlyCollection<string> differences, MirrorState state)
    {
        foreach (var gone in _since.Keys.Except(differences).ToList()) _since.Remove(gone);
        foreach (var difference in differences) _since[difference] = Math.Min(_since.GetValueOrDefault(difference, state.Revision), state.Revision);
        return _since.Count == 0 ? state.Revision : _since.Values.Min() - 1;
    }

    public void Mended(string difference) => _since.Remove(difference);
}
