using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Endpoints;

/// <summary>
/// The endpoint holds its address no longer: it goes when Docker releases it, or now if Docker has, or will not any more (forced).
/// </summary>
public sealed class LeaveAddress(HostNetworks networks, AddressAllocator addresses) : Activity<LeaveAddress.In, Nothing>
{
    public sealed record In(string NetworkId, string EndpointId, bool Forced);

    public override string Type => "FlannelFlow.LeaveAddress";

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        // A network that is gone from this host took its addresses along.
        if (networks.Find(input.NetworkId) is not { } network || networks.FabricOf(network) is not { } fabric)
            return Nothing.Instance;
        var range = AddressRange.Host(network.Pool, fabric.HostSubnet);
        foreach (var record in await addresses.MarkLeavingAsync(range, input.EndpointId, ct))
        {
            if (input.Forced)
                await addresses.ReleaseAsync(range, record.Address, ct);
        }

        return Nothing.Instance;
    }
}
