using System.Collections.Immutable;
using System.Net;

namespace FlannelFlow.Activities.Dns;

/// <summary>What Docker says of the sandbox of a running container.</summary>
/// <param name="Key">Path of its network namespace.</param>
/// <param name="Networks">Ids of those of the container's networks that are ours, in the order in which Docker's resolver asks them.</param>
/// <param name="IsOursOnly">There are no names that Docker's resolver alone knows: those of other drivers' networks, and of <c>--link</c>.</param>
/// <param name="IsInternal">All its networks are <c>--internal</c>.</param>
/// <param name="Servers">Its <c>--dns</c>.</param>
/// <param name="NdotsSet">Its <c>--dns-option</c> has ndots.</param>
public sealed record SandboxFacts(
    string ContainerId,
    string Key,
    ImmutableArray<string> Networks,
    bool IsOursOnly,
    bool IsInternal,
    ImmutableArray<IPAddress> Servers,
    bool NdotsSet);

/// <summary>Docker, asked for sandboxes.</summary>
public interface IDockerSandboxes
{
    /// <summary>The sandbox in which an endpoint is; null while its container does not run.</summary>
    Task<SandboxFacts?> FindAsync(string networkId, string endpointId, CancellationToken ct);
}
