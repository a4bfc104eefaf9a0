using System.Collections.Immutable;
using FlannelFlow.Cluster.Addressing;

namespace FlannelFlow.Cluster.Mirror;

/// <summary><c>docker/networks/&lt;id&gt;</c>: a Docker network of ours, as a manager's Docker Engine describes it.</summary>
/// <param name="Id">Docker's, 25 characters for a swarm network.</param>
/// <param name="Name">Unique in a swarm.</param>
/// <param name="IsInternal">Created with --internal.</param>
/// <param name="IsAttachable">Containers that are no tasks may join.</param>
/// <param name="Labels">All of the network's.</param>
public sealed record NetworkRecord(
    string Id,
    string Name,
    IPv4Network Pool,
    bool IsInternal,
    bool IsAttachable,
    ImmutableSortedDictionary<string, string> Labels);
