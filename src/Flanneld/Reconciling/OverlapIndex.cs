using FlannelFlow.Cluster.Addressing;

namespace FlannelFlow.Flanneld.Reconciling;

/// <summary>Disjoint networks inside one; answers by hash who is in the way of another one.</summary>
internal sealed class OverlapIndex(IPv4Network whole)
{
    private readonly HashSet<IPv4Network> _taken = [];
    /// <summary>Every network that contains a taken one, with that one.</summary>
    private readonly Dictionary<IPv4Network, IPv4Network> _around = [];

    /// <returns>Null if it was added; else the one that it overlaps.</returns>
    public IPv4Network? TryAdd(IPv4Network network)
    {
        if (_around.TryGetValue(network, out var inside)) return inside;
        for (var length = whole.Length; length <= network.Length; length++)
            if (_taken.TryGetValue(IPv4Network.Containing(network.First, length), out var around)) return around;

        _taken.Add(network);
        for (var length = whole.Length; length < network.Length; length++)
            _around[IPv4Network.Containing(network.First, length)] = network;
        return null;
    }
}
