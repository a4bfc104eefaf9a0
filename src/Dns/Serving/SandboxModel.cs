using System.Collections.Immutable;
using FlannelFlow.Dns.Upstreams;

namespace FlannelFlow.Dns.Serving;

/// <summary>What a sandbox's server must know of its container.</summary>
/// <param name="Networks">Ids of the networks it is in, in the order in which Docker's resolver asks them.</param>
/// <param name="Upstreams">Asked in this order for what is not ours; empty: unknown names do not exist here.</param>
/// <param name="NdotsSet">The container's own options say ndots: a name without a dot is then never asked of an upstream, as with Docker.</param>
public sealed record SandboxModel(ImmutableArray<string> Networks, ImmutableArray<UpstreamModel> Upstreams, bool NdotsSet)
{
    public bool Equals(SandboxModel? other) =>
        other is not null && NdotsSet == other.NdotsSet && Networks.SequenceEqual(other.Networks) && Upstreams.SequenceEqual(other.Upstreams);

    public override int GetHashCode() => HashCode.Combine(NdotsSet, Networks.Length, Upstreams.Length);
}
