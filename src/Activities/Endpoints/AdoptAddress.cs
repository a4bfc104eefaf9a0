using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Endpoints;

/// <summary>
/// The address that Docker has for a running endpoint is the endpoint's in etcd too, whatever etcd has lost: Docker's data trumps etcd's. Refused
/// if another endpoint claims it.
/// </summary>
public sealed class AdoptAddress(HostNetworks networks, AddressAllocator addresses, HostName host) : Activity<AdoptAddress.In, Nothing>
{
    /// <param name="Address">Without its prefix length.</param>
    public sealed record In(string NetworkId, string EndpointId, string Address);

    public override string Type => "FlannelFlow.AdoptAddress";

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var network = networks.Require(input.NetworkId);
        var fabric = networks.RequireFabric(network);
        var range = AddressRange.Host(network.Pool, fabric.HostSubnet);
        await addresses.AdoptAsync(range, IPv4Address.Parse(input.Address), AddressKind.Container, input.EndpointId, host.Name, ct);
        return Nothing.Instance;
    }
}

/// <summary>HOST_NAME of this one.</summary>
public sealed record HostName(string Name);
