using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Endpoints;

/// <summary>The address that Docker was given is the endpoint's in etcd: nobody releases it while the endpoint lives.</summary>
public sealed class ClaimAddress(HostNetworks networks, AddressAllocator addresses) : Activity<ClaimAddress.In, ClaimAddress.Out>
{
    /// <param name="Address">With its prefix length, as Docker has it.</param>
    public sealed record In(string NetworkId, string EndpointId, string Address);

    /// <param name="NextHop">The bridge's address.</param>
    /// <param name="PoolRoute">The CIDR that the container reaches through it.</param>
    public sealed record Out(string NextHop, string PoolRoute);

    public override string Type => "FlannelFlow.ClaimAddress";

    public override bool CanCompensate => true;

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var network = networks.Require(input.NetworkId);
        var fabric = networks.RequireFabric(network);
        var address = AddressOf(input);
        if (!fabric.HostSubnet.Contains(address))
        {
            throw new RefusalException(
                $"endpoint {input.EndpointId}: {address} is not in this host's subnet {fabric.HostSubnet} of network {network.Pool}");
        }

        await addresses.ClaimAsync(AddressRange.Host(network.Pool, fabric.HostSubnet), address, input.EndpointId, ct);
        return new Out(fabric.BridgeAddress.ToString(), network.Pool.ToString());
    }

    public override async Task CompensateAsync(In input, Out? output, ActivityExecution execution, CancellationToken ct)
    {
        if (networks.Find(input.NetworkId) is { } network && networks.FabricOf(network) is { } fabric
            && fabric.HostSubnet.Contains(AddressOf(input)))
            await addresses.UnclaimAsync(AddressRange.Host(network.Pool, fabric.HostSubnet), AddressOf(input), input.EndpointId, ct);
    }

    private static IPv4Address AddressOf(In input) =>
        IPv4Address.TryParse(input.Address.Split('/')[0], out var address)
            ? address
            : throw new RefusalException($"endpoint {input.EndpointId}: \"{input.Address}\" is not an IPv4 address");
}
