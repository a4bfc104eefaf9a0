using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Ipam;

/// <summary>An address that was given to Docker, which never used it nor released it, is released, unless it was taken into use meanwhile.</summary>
public sealed class ReleaseUnused(HostNetworks networks, AddressAllocator addresses) : Activity<ReleaseUnused.In, ReleaseUnused.Out>
{
    /// <param name="RequestId">Of the dockerd call that asked for it: a later reservation of the same address is another's.</param>
    public sealed record In(string NetworkId, string Address, string RequestId);

    public sealed record Out(bool Released);

    public override string Type => "FlannelFlow.ReleaseUnused";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        if (networks.Find(input.NetworkId) is not { } network || networks.FabricOf(network) is not { } fabric) return new Out(Released: false);
        var range = AddressRange.Host(network.Pool, fabric.HostSubnet);
        var address = IPv4Address.Parse(input.Address);
        if (await addresses.FindAsync(range, address, ct) is not { Value: { State: AddressState.Reserved } value } record || value.RequestId != input.RequestId)
            return new Out(Released: false);
        return new Out(await addresses.ReleaseOrphanAsync(record, ct));
    }
}
