using System.Collections.Immutable;
using FlannelFlow.Dns.Upstreams;

namespace FlannelFlow.Dns.Serving;

/// <summary>What a sandbox's server must know of its container.</summary>
/// <param name="Networks">Ids of the networks it is in, in the order in which Docker's resolver asks them.</param>
/// <param name="Upstreams">Asked in this order for what is not ours; empty: unknown names do not exist here.</param>
/// <param name="NdotsSet">The container's own options say ndots: a name without a dot is then never asked of an upstream, as with Docker.</param>
/// <param name="HasOtherNames">
/// It is in networks of other drivers, too, or has links, whose names only its upstream knows, Docker's resolver. That is asked, too, for what has a name in a
/// network of ours and nothing ready there: a service on its way from one driver's network to another's is there, and not here yet.
/// </param>
public sealed record SandboxModel(ImmutableArray<string> Networks, ImmutableArray<UpstreamModel> Upstreams, bool NdotsSet, bool HasOtherNames = false)
{
    public bool Equals(SandboxModel? other) =>
        other is not null && NdotsSet == other.NdotsSet && HasOtherNames == other.HasOtherNames && Networks.SequenceEqual(other.Networks) && Upstreams.SequenceEqual(other.Upstreams);

    public override int GetHashCode() => HashCode.Combine(NdotsSet, Networks.Length, Upstreams.Length);
}
