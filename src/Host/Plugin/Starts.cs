using System.Text.Json.Nodes;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Plugin;

/// <summary>The fabric workflows of one network, which plugin calls and the reconciler begin alike.</summary>
public static class FabricStart
{
    /// <param name="definition">network-create or network-restore.</param>
    /// <param name="vni">0: the cluster's choice.</param>
    /// <param name="mtu">0: the fabric's.</param>
    /// <param name="encryptedPort">0: the network is not encrypted.</param>
    public static StartWorkflow Of(string definition, string networkId, IPv4Network pool, int vni, int mtu, int encryptedPort)
    {
        var input = new JsonObject
        {
            ["NetworkId"] = networkId,
            ["Pool"] = pool.ToString(),
            ["RequestedVni"] = vni,
            ["Mtu"] = mtu,
        };
        // Only where it is: a definition that does not know of encryption is then refused, not run without it.
        if (encryptedPort > 0) input["EncryptedPort"] = encryptedPort;
        return new StartWorkflow(definition, $"{definition}/{networkId}", input, JoinPolicy.WhileOpen);
    }

    /// <summary>The network as this host carries it.</summary>
    public static StartWorkflow Restore(HostNetwork network)
    {
        ArgumentNullException.ThrowIfNull(network);
        return Of("network-restore", network.NetworkId, network.Pool, network.Vni, network.Mtu, network.EncryptedPort);
    }

    /// <summary>Docker has deleted the network from this host.</summary>
    public static StartWorkflow Idle(string networkId) => new(
        "network-idle", $"network-idle/{networkId}", new JsonObject { ["NetworkId"] = networkId }, JoinPolicy.WhileOpen);

    /// <summary>Unless it is in use again.</summary>
    public static StartWorkflow Remove(string networkId) => new(
        "network-remove", $"network-remove/{networkId}", new JsonObject { ["NetworkId"] = networkId, ["Forced"] = false }, JoinPolicy.WhileOpen);
}

public static class EndpointDns
{
    public const string Definition = "endpoint-dns";

    public static StartWorkflow Start(string networkId, string endpointId) => new(
        Definition,
        $"{Definition}/{endpointId}",
        new JsonObject { ["NetworkId"] = networkId, ["EndpointId"] = endpointId },
        JoinPolicy.WhileOpen);
}

public static class EndpointLeave
{
    public const string Definition = "endpoint-leave";

    public static string KeyOf(string endpointId) => $"endpoint-leave/{endpointId}";

    /// <param name="forced">Docker will not release the address any more: it goes with the endpoint.</param>
    public static StartWorkflow Start(string networkId, string endpointId, bool forced) => new(
        Definition,
        KeyOf(endpointId),
        new JsonObject
        {
            ["NetworkId"] = networkId,
            ["EndpointId"] = endpointId,
            ["Forced"] = forced,
        },
        JoinPolicy.WhileOpen);
}

public static class EndpointMend
{
    /// <param name="address">Docker's.</param>
    /// <param name="hostInterface">The host's end of its veth.</param>
    public static StartWorkflow Start(string networkId, string endpointId, IPv4Address address, string hostInterface) => new(
        "endpoint-mend",
        $"endpoint-mend/{endpointId}",
        new JsonObject { ["NetworkId"] = networkId, ["EndpointId"] = endpointId, ["Address"] = address.ToString(), ["HostInterface"] = hostInterface },
        JoinPolicy.WhileOpen);
}

public static class UnusedAddress
{
    /// <param name="requestId">Of the dockerd call that asked for it.</param>
    public static StartWorkflow Start(string networkId, IPv4Address address, string requestId) => new(
        "address-release",
        $"address-release/{networkId}/{address}",
        new JsonObject { ["NetworkId"] = networkId, ["Address"] = address.ToString(), ["RequestId"] = requestId },
        JoinPolicy.WhileOpen);
}
