namespace FlannelFlow.Cluster.Addressing;

/// <summary>What the user wrote about addresses. Property names follow the option names.</summary>
public sealed record AddressSpaceOptions
{
    /// <summary>AVAILABLE_SUBNETS: comma-separated networks, such as "10.128.0.0/12, 192.168.0.0/16".</summary>
    public required string AvailableSubnets { get; init; }

    /// <summary>NETWORK_SUBNET_SIZE: prefix length of a Docker network's pool.</summary>
    public int NetworkSubnetSize { get; init; } = 20;

    /// <summary>DEFAULT_HOST_SUBNET_SIZE: prefix length of a host's subnet in a pool.</summary>
    public int DefaultHostSubnetSize { get; init; } = 25;

    /// <summary>SERVICE_SUBNET_SIZE: prefix length of the first part of a pool, which serves the Swarm leader. Null: NETWORK_SUBNET_SIZE + 3, an eighth.</summary>
    public int? ServiceSubnetSize { get; init; }

    /// <summary>VNI_START: the lowest VXLAN network identifier to hand out.</summary>
    public int VniStart { get; init; } = 6514;

    /// <summary>
    /// Highest VNI that is handed out. VXLAN has 24 bits (RFC 7348 §5), but flannel names its device <c>flannel.VNI</c>, and a name has at
    /// most 15 characters (linux/if.h IFNAMSIZ): seven digits.
    /// </summary>
    public const int VniMax = 9_999_999;

    /// <summary>All that is wrong, in words with option names; empty when nothing is.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        Resolve(problems);
        return problems;
    }

    /// <exception cref="ArgumentException">With all problems of <see cref="Validate"/>.</exception>
    public AddressSpace ToAddressSpace()
    {
        var problems = new List<string>();
        var available = Resolve(problems);
        if (problems.Count > 0) throw new ArgumentException(string.Join("; ", problems));
        return new AddressSpace(available, NetworkSubnetSize, DefaultHostSubnetSize, ServiceSubnetSize ?? NetworkSubnetSize + 3, VniStart);
    }

    private List<IPv4Network> Resolve(List<string> problems)
    {
        var available = new List<IPv4Network>();
        foreach (var text in AvailableSubnets.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (IPv4Network.TryParse(text, out var network, out var problem)) available.Add(network);
            else problems.Add($"AVAILABLE_SUBNETS: {problem}");
        }

        if (AvailableSubnets.Trim(' ', ',').Length == 0) problems.Add("AVAILABLE_SUBNETS is empty: name at least one network, such as 10.128.0.0/12");
        available.Sort();
        var enclosing = 0;
        for (var i = 1; i < available.Count; i++)
        {
            // Networks overlap only by containment, and what contains others sorts before them.
            if (available[enclosing].Overlaps(available[i])) problems.Add($"AVAILABLE_SUBNETS: {available[enclosing]} and {available[i]} overlap");
            else enclosing = i;
        }

        var pool = NetworkSubnetSize;
        var networkFits = pool is >= 1 and <= 28;
        if (!networkFits) problems.Add($"NETWORK_SUBNET_SIZE={pool}: must be from 1 to 28");
        foreach (var subnet in available.Where(subnet => networkFits && subnet.Length > pool))
            problems.Add($"AVAILABLE_SUBNETS: {subnet} is smaller than one network of NETWORK_SUBNET_SIZE={pool}");

        var host = DefaultHostSubnetSize;
        if (host is < 3 or > 30) problems.Add($"DEFAULT_HOST_SUBNET_SIZE={host}: must be from 3 to 30");
        else if (networkFits && host < pool + 2)
            problems.Add($"DEFAULT_HOST_SUBNET_SIZE={host}: flannel wants at least NETWORK_SUBNET_SIZE + 2 = {pool + 2}");

        var service = ServiceSubnetSize ?? pool + 3;
        var serviceText = ServiceSubnetSize is null ? $"SERVICE_SUBNET_SIZE={service} (NETWORK_SUBNET_SIZE + 3)" : $"SERVICE_SUBNET_SIZE={service}";
        if (networkFits && service <= pool)
            problems.Add($"{serviceText}: must be greater than NETWORK_SUBNET_SIZE={pool}, or nothing is left for hosts");
        if (service > host)
            problems.Add($"{serviceText}: must not be greater than DEFAULT_HOST_SUBNET_SIZE={host}, because the service range is cut in whole host subnets");

        if (VniStart is < 1 or > VniMax) problems.Add($"VNI_START={VniStart}: must be from 1 to {VniMax}");
        return available;
    }
}

/// <summary>The validated, immutable address space: how the available networks are cut.</summary>
public sealed class AddressSpace
{
    internal AddressSpace(IReadOnlyList<IPv4Network> available, int networkSize, int hostSize, int serviceSize, int vniStart)
    {
        Available = available;
        NetworkSubnetSize = networkSize;
        HostSubnetSize = hostSize;
        ServiceSubnetSize = serviceSize;
        VniStart = vniStart;
    }

    /// <summary>Sorted, without overlaps.</summary>
    public IReadOnlyList<IPv4Network> Available { get; }

    public int NetworkSubnetSize { get; }

    public int HostSubnetSize { get; }

    public int ServiceSubnetSize { get; }

    public int VniStart { get; }

    /// <summary>How many networks of the default size the space holds.</summary>
    public long PoolCount => Available.Sum(network => network.CountOf(NetworkSubnetSize));

    /// <summary>Host subnets per pool of the default size: the number of hosts a network can have.</summary>
    public long HostSubnetsPerPool => (1L << (HostSubnetSize - NetworkSubnetSize)) - (1L << (HostSubnetSize - ServiceSubnetSize));

    /// <summary>Addresses for containers per host and network: without network, bridge and broadcast address.</summary>
    public long ContainersPerHost => (1L << (32 - HostSubnetSize)) - 3;

    /// <summary>Addresses per network for VIPs and provisional task addresses: without network, gateway and broadcast address.</summary>
    public long ServiceAddressesPerPool => (1L << (32 - ServiceSubnetSize)) - 3;

    /// <summary>All pools of the default size, ascending.</summary>
    public IEnumerable<IPv4Network> Pools() => Available.SelectMany(network => network.Split(NetworkSubnetSize));

    public bool Contains(IPv4Network network) => Available.Any(available => available.Contains(network));

    /// <summary>
    /// How a pool is cut. A pool of another size than the default (an explicit <c>--subnet</c>) keeps the proportion of the service
    /// range, but not below one host subnet.
    /// </summary>
    /// <exception cref="AddressRefusedException">The pool is too small to be cut.</exception>
    public PoolLayout Layout(IPv4Network pool)
    {
        // flannel itself refuses fewer than four host subnets (pkg/subnet/config.go, CheckNetworkConfig).
        var smallest = HostSubnetSize - 2;
        if (pool.Length > smallest)
        {
            throw new AddressRefusedException(
                $"{pool} is too small: with DEFAULT_HOST_SUBNET_SIZE={HostSubnetSize} a network needs a service range, host subnets and at least a /{smallest}");
        }

        var serviceLength = Math.Min(pool.Length + (ServiceSubnetSize - NetworkSubnetSize), HostSubnetSize);
        return new PoolLayout(pool, IPv4Network.Containing(pool.First, serviceLength), HostSubnetSize);
    }

    public override string ToString() => string.Join(", ", Available);
}

/// <summary>How one network's pool is cut: the service range first, host subnets after it.</summary>
public sealed record PoolLayout(IPv4Network Pool, IPv4Network ServiceRange, int HostSubnetSize)
{
    /// <summary>The address that Docker is told as gateway: the first usable of the pool, inside the service range.</summary>
    public IPv4Address Gateway => Pool.FirstUsable;

    /// <summary>flannel's SubnetMin: the first host subnet's network address.</summary>
    public IPv4Address FirstHostSubnet => new(ServiceRange.Last.Value + 1);

    public long HostSubnetCount => Pool.CountOf(HostSubnetSize) - ServiceRange.CountOf(HostSubnetSize);

    public bool IsHostSubnet(IPv4Network subnet) =>
        subnet.Length == HostSubnetSize && Pool.Contains(subnet) && !ServiceRange.Overlaps(subnet);
}
