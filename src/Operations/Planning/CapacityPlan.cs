using FlannelFlow.Cluster.Addressing;

namespace FlannelFlow.Operations.Planning;

/// <summary>What an address space holds, for so many services on each network.</summary>
/// <param name="Networks">Docker networks.</param>
/// <param name="AddressesPerNetwork">In each one's pool, all told.</param>
/// <param name="HostsPerNetwork">Host subnets beside the service range.</param>
/// <param name="ContainersPerHost">Per network: without network, bridge and broadcast address.</param>
/// <param name="ServiceAddresses">Per network, for VIPs and a provisional address per task.</param>
/// <param name="TaskAddresses">What is left of them beside the VIPs: how many tasks a network can have at a time. Negative: the services do not fit.</param>
/// <param name="PerHost">The same, reckoned as if every host had a VIP of its own for each service.</param>
public sealed record CapacityPlan(
    long Networks,
    long AddressesPerNetwork,
    long HostsPerNetwork,
    long ContainersPerHost,
    long ServiceAddresses,
    int Services,
    long TaskAddresses,
    VipPerHostPlan PerHost)
{
    /// <summary>The services' VIPs fit into the service range.</summary>
    public bool Fits => TaskAddresses >= 0;

    /// <exception cref="BadRequestException">With all that is wrong.</exception>
    public static CapacityPlan Of(AddressSpaceOptions options, int services)
    {
        ArgumentNullException.ThrowIfNull(options);
        List<string> problems = [.. options.Validate()];
        if (services < 0) problems.Add($"services={services}: cannot be negative");
        if (problems.Count > 0) throw new BadRequestException(string.Join("; ", problems));
        return Of(options.ToAddressSpace(), services);
    }

    private static CapacityPlan Of(AddressSpace space, int services) => new(
        space.PoolCount,
        1L << (32 - space.NetworkSubnetSize),
        space.HostSubnetsPerPool,
        space.ContainersPerHost,
        space.ServiceAddressesPerPool,
        services,
        space.ServiceAddressesPerPool - services,
        new VipPerHostPlan(
            1L << (space.HostSubnetSize - space.NetworkSubnetSize),
            1L << (32 - space.HostSubnetSize),
            (1L << (32 - space.HostSubnetSize)) - services));
}

/// <summary>The seed design's reckoning: a VIP of each service in every host's subnet, and no service range.</summary>
/// <param name="ContainersPerHost">What the VIPs leave; network and broadcast addresses are not subtracted.</param>
public sealed record VipPerHostPlan(long HostsPerNetwork, long AddressesPerHost, long ContainersPerHost);
