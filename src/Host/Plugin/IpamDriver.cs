using System.Globalization;
using System.Text.Json.Nodes;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Workflows;
using Polly;
using Polly.Retry;

namespace FlannelFlow.Host.Plugin;

/// <summary>
/// Docker's IpamDriver calls. Pools are workflows; an address is one etcd transaction (docs/decisions/0001), keyed by the id of dockerd's
/// call, so that a call sent again gets the same address.
/// </summary>
public sealed class IpamDriver(
    IPluginWorkflows workflows,
    HostNetworks networks,
    PoolAllocator pools,
    AddressAllocator addresses,
    FlannelFlowOptions options,
    TimeProvider time)
{
    private const string FlannelIdOption = "flannel-id";
    private const string RequestTypeOption = "RequestAddressType";
    private const string GatewayRequest = "com.docker.network.gateway";
    private static readonly Dictionary<string, string> NoData = [];

    /// <summary>
    /// Swarm's allocator asks again for what was refused only after five minutes, or once something is released, so that a moment without
    /// etcd would be a task that stays "new". With an etcd that is silent, the four calls end before Docker's 30 s.
    /// </summary>
    private readonly ResiliencePipeline _patient = new ResiliencePipelineBuilder { TimeProvider = time }
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle<EtcdUnavailableException>(),
            MaxRetryAttempts = 3,
            BackoffType = DelayBackoffType.Exponential,
            Delay = TimeSpan.FromSeconds(0.5),
        })
        .Build();

    public async Task<RequestPoolAnswer> RequestPoolAsync(RequestPoolRequest request, PluginCall call, CancellationToken ct)
    {
        if (!AddressSpaces.TryCaller(request.AddressSpace, out var caller))
            throw new BadCallException($"AddressSpace \"{request.AddressSpace}\" is none of FlannelFlow's");
        if (request.V6)
            throw new PluginRefusalException($"IPv6 pools ({request.Pool}) are not supported by FlannelFlow yet; create the network without --ipv6");
        if (caller == Caller.Node)
        {
            // A node names the pool that the leader allocated; what it holds is the network, and that comes with CreateNetwork.
            if (!IPv4Network.TryParse(request.Pool, out var local, out var problem))
                throw new PluginRefusalException(string.IsNullOrEmpty(request.Pool) ? "a node must name the pool of its network" : problem);
            return new RequestPoolAnswer(new PoolId(Caller.Node, local).ToString(), local.ToString(), NoData);
        }

        if (!string.IsNullOrEmpty(request.SubPool))
        {
            throw new PluginRefusalException(
                $"--ip-range {request.SubPool} is not supported by FlannelFlow: it divides the subnet of a network among hosts by itself");
        }

        var output = await workflows.RunAsync(
            new StartWorkflow("pool-allocate", $"pool-allocate/{call.RequestId}", new JsonObject
            {
                ["RequestId"] = call.RequestId,
                ["Requested"] = request.Pool ?? "",
                ["FlannelId"] = request.Options?.GetValueOrDefault(FlannelIdOption) ?? "",
            }),
            ct);
        var pool = IPv4Network.Parse(output.Text("pool"));
        return new RequestPoolAnswer(new PoolId(Caller.Leader, pool).ToString(), pool.ToString(), NoData);
    }

    public async Task<EmptyAnswer> ReleasePoolAsync(PoolRequest request, PluginCall call, CancellationToken ct)
    {
        var id = PoolId.Parse(request.PoolID);
        // A node's release is of its reference only: the network goes from the node with DeleteNetwork, from the cluster on the leader.
        if (id.Caller == Caller.Leader)
        {
            var pool = id.Pool.ToString();
            await workflows.RunAsync(
                new StartWorkflow("pool-release", $"pool-release/{pool}/{call.RequestId}", new JsonObject { ["Pool"] = pool }),
                ct);
        }

        return new EmptyAnswer();
    }

    public async Task<RequestAddressAnswer> RequestAddressAsync(RequestAddressRequest request, PluginCall call, CancellationToken ct)
    {
        var id = PoolId.Parse(request.PoolID);
        var requested = Address(request.Address);
        if (requested is { } outside && !id.Pool.Contains(outside))
            throw new PluginRefusalException($"the address {outside} is not in the network's subnet {id.Pool}");
        var isGateway = request.Options?.GetValueOrDefault(RequestTypeOption) == GatewayRequest;
        return id.Caller switch
        {
            Caller.Leader => await _patient.ExecuteAsync(async attempt => await LeaderAddressAsync(id.Pool, requested, isGateway, call, attempt), ct),
            Caller.Node => isGateway ? NodeGateway(id.Pool, requested) : await NodeAddressAsync(id.Pool, requested, call, ct),
        };
    }

    public async Task<EmptyAnswer> ReleaseAddressAsync(ReleaseAddressRequest request, PluginCall call, CancellationToken ct)
    {
        var id = PoolId.Parse(request.PoolID);
        var address = Address(request.Address) ?? throw new BadCallException("Address is missing or empty");
        if (await RangeOfAsync(id, address, ct) is not { } range)
            return new EmptyAnswer();
        var released = await Refusing(() => addresses.ReleaseAsync(range, address, ct));
        // Docker gave an address back whose endpoint it never deleted (a CreateEndpoint that it gave up): the endpoint goes now.
        if (released.Outcome == AddressRelease.OwnerLives && networks.FindByPool(id.Pool) is { } network)
            await workflows.StartAsync(EndpointLeave.Start(network.NetworkId, released.Owner, forced: false), ct);
        return new EmptyAnswer();
    }

    /// <summary>
    /// The leader is served from the pool's service range, whatever the address is for: it asks for VIPs and for tasks alike. An --ip of
    /// the user's is taken as it is; a --gateway must be in the service range, or a host would hand the same address to a container.
    /// </summary>
    private async Task<RequestAddressAnswer> LeaderAddressAsync(
        IPv4Network pool, IPv4Address? requested, bool isGateway, PluginCall call, CancellationToken ct)
    {
        var record = await pools.FindAsync(pool, ct)
            ?? throw new PluginRefusalException($"the pool {pool} is not allocated: RequestPool comes first");
        var range = AddressRange.Service(record.Layout());
        var kind = isGateway ? AddressKind.Gateway : AddressKind.Provisional;
        // A user's own address in a host subnet is that host's to hand out; the leader only repeats it.
        if (!isGateway && requested is { } fixedAddress && !range.Network.Contains(fixedAddress))
            return Answer(fixedAddress, pool.Length);
        var given = await Refusing(() => addresses.RequestAsync(
            new AddressRequest(range, kind, requested, call.RequestId, options.HostName), ct));
        return Answer(given.Address, pool.Length);
    }

    /// <summary>The gateway that the leader chose; on a node nothing hangs on it: containers are told the bridge's address.</summary>
    private static RequestAddressAnswer NodeGateway(IPv4Network pool, IPv4Address? requested) =>
        Answer(requested ?? pool.FirstUsable, pool.Length);

    /// <summary>The real address, of this host's subnet. Docker takes it although it named the leader's provisional one.</summary>
    private async Task<RequestAddressAnswer> NodeAddressAsync(IPv4Network pool, IPv4Address? requested, PluginCall call, CancellationToken ct)
    {
        var network = networks.FindByPool(pool)
            ?? throw new PluginRefusalException($"the network with the subnet {pool} is not on this host: CreateNetwork comes first");
        var fabric = networks.FabricOf(network)
            ?? throw new PluginRefusalException($"network {network.NetworkId} ({pool}) holds no subnet on this host yet");
        var wanted = requested is { } address && !await IsProvisionalAsync(pool, address, ct) ? requested : null;
        if (wanted is { } elsewhere && !fabric.HostSubnet.Contains(elsewhere))
        {
            throw new PluginRefusalException(
                $"the address {elsewhere} is not in {fabric.HostSubnet}, this host's ({options.HostName}) part of {pool}: a fixed address " +
                "must belong to the host that runs the container");
        }

        var given = await Refusing(() => addresses.RequestAsync(
            new AddressRequest(
                AddressRange.Host(pool, fabric.HostSubnet), AddressKind.Container, wanted, call.RequestId, options.HostName),
            ct));
        return Answer(given.Address, fabric.HostSubnet.Length);
    }

    /// <summary>Whether the leader handed the address out of the service range, so that it stands for "any".</summary>
    private async Task<bool> IsProvisionalAsync(IPv4Network pool, IPv4Address address, CancellationToken ct)
    {
        var record = await pools.FindAsync(pool, ct);
        return record is null || record.ServiceRange.Contains(address);
    }

    private async Task<AddressRange?> RangeOfAsync(PoolId id, IPv4Address address, CancellationToken ct)
    {
        if (id.Caller == Caller.Leader)
        {
            return await pools.FindAsync(id.Pool, ct) is { } record && record.ServiceRange.Contains(address)
                ? AddressRange.Service(record.Layout())
                : null;
        }

        return networks.FindByPool(id.Pool) is { } network && networks.FabricOf(network) is { } fabric && fabric.HostSubnet.Contains(address)
            ? AddressRange.Host(id.Pool, fabric.HostSubnet)
            : null;
    }

    private static IPv4Address? Address(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return null;
        return IPv4Address.TryParse(text.Split('/')[0], out var address)
            ? address
            : throw new BadCallException($"Address \"{text}\" is not an IPv4 address");
    }

    private static RequestAddressAnswer Answer(IPv4Address address, int length) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{address}/{length}"), NoData);

    private static async Task<T> Refusing<T>(Func<Task<T>> allocation)
    {
        try
        {
            return await allocation();
        }
        catch (AddressRefusedException refused)
        {
            throw new PluginRefusalException(refused.Message);
        }
    }
}
