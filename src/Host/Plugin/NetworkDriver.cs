using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Activities.Encryption;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Host.Encryption;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Plugin;

/// <summary>Docker's NetworkDriver calls: each is checked, begins a workflow and answers what the workflow answered.</summary>
/// <remarks>No handler asks Docker anything: dockerd holds locks, or does not serve its API yet, while it waits for the answer.</remarks>
public sealed class NetworkDriver(
    IPluginWorkflows workflows, HostNetworks networks, KernelEncryption encryption, ReconcileOptions reconcile, EncryptionOptions encrypting)
{
    /// <summary>Driver options that AllocateNetwork adds; Swarm keeps them with the network, so they outlive etcd.</summary>
    private const string VniOption = "flannelflow.vni";
    private const string PoolOption = "flannelflow.pool";
    private const string EncryptedPortOption = "flannelflow.encrypted-port";

    /// <summary>
    /// A stopping container waits for DeleteEndpoint, and Docker can do nothing about one that fails. What is left after this, such as the release of
    /// the address while etcd is away, goes on without it.
    /// </summary>
    private static readonly TimeSpan LeavePatience = TimeSpan.FromSeconds(3);

    private const string GenericOptions = "com.docker.network.generic";
    private const string MtuOption = "com.docker.network.driver.mtu";

    /// <summary>Of Docker's overlay driver, which takes it whatever its value. To take it and not do it would be worse than any other option that is passed over.</summary>
    private const string EncryptedOption = "encrypted";

    public async Task<AllocateNetworkAnswer> AllocateNetworkAsync(AllocateNetworkRequest request, PluginCall call, CancellationToken ct)
    {
        var networkId = Id(request.NetworkID, nameof(request.NetworkID));
        var pool = SinglePool(networkId, request.IPv4Data, request.IPv6Data);
        var options = new Dictionary<string, string>(request.Options ?? new Dictionary<string, string>());
        // Docker's replay after a leader change: the network is there, and this host's kernel is of no account to the others'.
        var encryptedPort = await EncryptedPortAsync(networkId, options, isNew: !options.ContainsKey(EncryptedPortOption), ct);
        var input = new JsonObject
        {
            ["NetworkId"] = networkId,
            ["Pool"] = pool.ToString(),
            ["RequestedVni"] = Number(options, VniOption, 1, AddressSpaceOptions.VniMax),
        };
        if (encryptedPort > 0) input["EncryptedPort"] = encryptedPort;
        var output = await workflows.RunAsync(new StartWorkflow("network-allocate", $"network-allocate/{networkId}/{call.RequestId}", input), ct);
        var answer = new Dictionary<string, string>(options)
        {
            [PoolOption] = pool.ToString(),
            [VniOption] = output.Number("vni").ToString(CultureInfo.InvariantCulture),
        };
        if (encryptedPort > 0) answer[EncryptedPortOption] = encryptedPort.ToString(CultureInfo.InvariantCulture);
        return new AllocateNetworkAnswer(answer);
    }

    public async Task<EmptyAnswer> FreeNetworkAsync(NetworkRequest request, PluginCall call, CancellationToken ct)
    {
        var networkId = Id(request.NetworkID, nameof(request.NetworkID));
        await workflows.RunAsync(
            new StartWorkflow("network-free", $"network-free/{networkId}", new JsonObject { ["NetworkId"] = networkId }, JoinPolicy.WhileOpen),
            ct);
        return new EmptyAnswer();
    }

    public async Task<EmptyAnswer> CreateNetworkAsync(CreateNetworkRequest request, PluginCall call, CancellationToken ct)
    {
        var networkId = Id(request.NetworkID, nameof(request.NetworkID));
        var pool = SinglePool(networkId, request.IPv4Data, request.IPv6Data);
        var options = Generic(request.Options);
        var encryptedPort = await EncryptedPortAsync(networkId, options, isNew: true, ct);
        var mtu = Number(options, MtuOption, 68, 65_535);
        if (networks.Find(networkId) is not null && await ResumesAsync(networkId, mtu, ct))
            return new EmptyAnswer();
        // Asked again, since an earlier attempt may have been undone while network-resume waited for its lane. What this host carries (it
        // lingers, or dockerd died without deleting it) is never undone by a failing step.
        var definition = networks.Find(networkId) is null ? "network-create" : "network-restore";
        await workflows.RunAsync(
            FabricStart.Of(definition, networkId, pool, Number(options, VniOption, 1, AddressSpaceOptions.VniMax), mtu, encryptedPort),
            ct);
        return new EmptyAnswer();
    }

    private async Task<bool> ResumesAsync(string networkId, int mtu, CancellationToken ct)
    {
        var output = await workflows.RunAsync(
            new StartWorkflow(
                "network-resume",
                $"network-resume/{networkId}",
                new JsonObject { ["NetworkId"] = networkId, ["Mtu"] = mtu },
                JoinPolicy.WhileOpen),
            ct);
        return output["resumed"]!.GetValue<bool>();
    }

    public async Task<EmptyAnswer> DeleteNetworkAsync(NetworkRequest request, PluginCall call, CancellationToken ct)
    {
        var networkId = Id(request.NetworkID, nameof(request.NetworkID));
        var input = new JsonObject { ["NetworkId"] = networkId };
        var lingers = reconcile.Linger > TimeSpan.Zero;
        if (!lingers)
            input["Forced"] = true;
        var definition = lingers ? "network-idle" : "network-remove";
        await workflows.RunAsync(new StartWorkflow(definition, $"{definition}/{networkId}", input, JoinPolicy.WhileOpen), ct);
        return new EmptyAnswer();
    }

    public async Task<CreateEndpointAnswer> CreateEndpointAsync(CreateEndpointRequest request, PluginCall call, CancellationToken ct)
    {
        var networkId = Id(request.NetworkID, nameof(request.NetworkID));
        var endpointId = Id(request.EndpointID, nameof(request.EndpointID));
        var asked = request.Interface;
        if (!string.IsNullOrEmpty(asked?.AddressIPv6))
            throw new PluginRefusalException($"endpoint {endpointId}: IPv6 addresses ({asked.AddressIPv6}) are not supported by FlannelFlow yet");
        var address = Required(asked?.Address, "Interface.Address");
        RefuseDeleted(endpointId);
        var output = await workflows.RunAsync(
            new StartWorkflow("endpoint-join", JoinKey(endpointId), new JsonObject
            {
                ["NetworkId"] = networkId,
                ["EndpointId"] = endpointId,
                ["Address"] = address,
                ["MacAddress"] = asked?.MacAddress ?? "",
            }),
            ct);
        // Only what the request left open may be answered, even the same value again is an error to libnetwork.
        var mac = string.IsNullOrEmpty(asked?.MacAddress) ? output.Text("mac") : null;
        return new CreateEndpointAnswer(new EndpointInterface(Address: null, AddressIPv6: null, mac));
    }

    public async Task<JoinAnswer> JoinAsync(JoinRequest request, PluginCall call, CancellationToken ct)
    {
        var networkId = Id(request.NetworkID, nameof(request.NetworkID));
        var endpointId = Id(request.EndpointID, nameof(request.EndpointID));
        Required(request.SandboxKey, nameof(request.SandboxKey));
        RefuseDeleted(endpointId);
        var output = await workflows.FindAsync("endpoint-join", JoinKey(endpointId), ct)
            ?? throw new PluginRefusalException($"endpoint {endpointId} of network {networkId} is not known: CreateEndpoint comes first");
        await workflows.StartAsync(EndpointDns.Start(networkId, endpointId), ct);
        return new JoinAnswer(
            new InterfaceName(output.Text("containerInterface"), "eth"),
            Gateway: "",
            [new StaticRoute(output.Text("poolRoute"), RouteType: 0, output.Text("nextHop"))],
            DisableGatewayService: false);
    }

    /// <summary>Docker has taken the interface out of the sandbox; what is ours goes with DeleteEndpoint.</summary>
    public Task<EmptyAnswer> LeaveAsync(EndpointRequest request, PluginCall call, CancellationToken ct)
    {
        Id(request.EndpointID, nameof(request.EndpointID));
        return Task.FromResult(new EmptyAnswer());
    }

    public async Task<EmptyAnswer> DeleteEndpointAsync(EndpointRequest request, PluginCall call, CancellationToken ct)
    {
        var networkId = Id(request.NetworkID, nameof(request.NetworkID));
        await workflows.RunAsync(EndpointLeave.Start(networkId, Id(request.EndpointID, nameof(request.EndpointID)), forced: false), LeavePatience, ct);
        return new EmptyAnswer();
    }

    public Task<EndpointInfoAnswer> EndpointOperInfoAsync(EndpointRequest request, PluginCall call, CancellationToken ct)
    {
        Id(request.EndpointID, nameof(request.EndpointID));
        return Task.FromResult(new EndpointInfoAnswer(new Dictionary<string, string>()));
    }

    /// <summary>
    /// A call that dockerd gave up after its 30 s, and that reaches us after the DeleteEndpoint which followed, must not bring the endpoint back.
    /// </summary>
    private void RefuseDeleted(string endpointId)
    {
        if (workflows.HasBegun(EndpointLeave.Definition, EndpointLeave.KeyOf(endpointId)))
            throw new PluginRefusalException($"endpoint {endpointId} was deleted");
    }

    private static string JoinKey(string endpointId) => $"endpoint-join/{endpointId}";

    private static string Required(string? value, string name) =>
        string.IsNullOrEmpty(value) ? throw new BadCallException($"{name} is missing or empty") : value;

    /// <summary>
    /// Ids become names of interfaces, keys and lines of files. Docker makes them of 64 hexadecimal digits, and Swarm of 25 letters and digits (swarmkit:
    /// identity/randomid.go).
    /// </summary>
    private static string Id(string? value, string name)
    {
        var id = Required(value, name);
        return id.Length is >= 11 and <= 128 && id.All(char.IsAsciiLetterOrDigit)
            ? id
            : throw new BadCallException($"{name} \"{id}\" is not an id of Docker's");
    }

    private static IPv4Network SinglePool(string networkId, IReadOnlyList<IPData?>? ipv4, IReadOnlyList<IPData?>? ipv6)
    {
        if (ipv6 is { Count: > 0 })
            throw new PluginRefusalException(
                $"network {networkId}: IPv6 ({ipv6[0]?.Pool}) is not supported by FlannelFlow yet; create the network without --ipv6");
        if (ipv4 is not { Count: 1 })
            throw new PluginRefusalException($"network {networkId}: one IPv4 subnet is expected, Docker named {ipv4?.Count ?? 0}");
        var text = Required(ipv4[0]?.Pool, "IPv4Data[0].Pool");
        return IPv4Network.TryParse(text, out var pool, out var problem)
            ? pool
            : throw new BadCallException($"IPv4Data[0].Pool: {problem}");
    }

    /// <summary>The UDP port of an encrypted network: the one that it was allocated with, or this host's. 0: the network is not encrypted.</summary>
    /// <param name="isNew">To the cluster, or to this host, whose kernel then must be able to.</param>
    /// <exception cref="PluginRefusalException">This host's kernel cannot.</exception>
    private async Task<int> EncryptedPortAsync(string networkId, Dictionary<string, string> options, bool isNew, CancellationToken ct)
    {
        if (!options.ContainsKey(EncryptedOption)) return 0;
        if (isNew && await encryption.FindTroubleAsync(ct) is { } trouble)
        {
            throw new PluginRefusalException(
                $"network {networkId}: --opt {EncryptedOption}: {trouble}. Load it on each host (modprobe esp4), or create the network without this option");
        }

        var port = Number(options, EncryptedPortOption, 1024, 65_535);
        return ClearPorts.OwnerOf(port) is { } owner
            ? throw new PluginRefusalException($"network {networkId}: option {EncryptedPortOption}: {port} is the port of {owner}")
            : port > 0 ? port : encrypting.Port;
    }

    private static Dictionary<string, string> Generic(IReadOnlyDictionary<string, JsonElement>? options)
    {
        if (options?.TryGetValue(GenericOptions, out var generic) != true || generic.ValueKind != JsonValueKind.Object)
            return [];
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            // The last of a name, as Go reads it.
            foreach (var property in generic.EnumerateObject().Where(property => property.Value.ValueKind == JsonValueKind.String))
                found[property.Name] = property.Value.GetString()!;
        }
        catch (InvalidOperationException malformed)
        {
            // Half of a surrogate pair, which is JSON and no text.
            throw new BadCallException($"Options.{GenericOptions}: {malformed.Message}");
        }

        return found;
    }

    /// <summary>The value of a driver option; 0 where it is not given.</summary>
    private static int Number(Dictionary<string, string> options, string name, int from, int to)
    {
        if (!options.TryGetValue(name, out var text) || string.IsNullOrEmpty(text))
            return 0;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= from && value <= to
            ? value
            : throw new PluginRefusalException($"option {name}: \"{text}\" is not a whole number from {from} to {to}");
    }
}
