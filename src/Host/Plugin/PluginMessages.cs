using System.Text.Json;
using System.Text.Json.Serialization;

namespace FlannelFlow.Host.Plugin;

// The messages of Docker's remote driver protocol, field for field and in PascalCase, as moby sends and reads them
// (daemon/libnetwork/drivers/remote/api/api.go, daemon/libnetwork/ipams/remote/api/api.go). Absent and null are the same to Go.

/// <summary>The answer to a call that has nothing to say: <c>{}</c>.</summary>
public sealed record EmptyAnswer;

/// <summary>A failure, with the message under both names: NetworkDriver calls read <c>Err</c>, IpamDriver calls <c>Error</c>.</summary>
public sealed record ErrorAnswer(string Err, string Error)
{
    public static ErrorAnswer Of(string message) => new(message, message);
}

public sealed record ActivateAnswer(IReadOnlyList<string> Implements);

public sealed record NetworkCapabilities(string Scope, string ConnectivityScope);

public sealed record IpamCapabilities(
    [property: JsonPropertyName("RequiresMACAddress")] bool RequiresMacAddress,
    bool RequiresRequestReplay);

public sealed record AddressSpacesAnswer(string LocalDefaultAddressSpace, string GlobalDefaultAddressSpace);

public sealed record IPData(string? AddressSpace, string? Pool, string? Gateway, IReadOnlyDictionary<string, string>? AuxAddresses);

public sealed record AllocateNetworkRequest(
    string? NetworkID,
    IReadOnlyDictionary<string, string>? Options,
    IReadOnlyList<IPData?>? IPv4Data,
    IReadOnlyList<IPData?>? IPv6Data);

/// <param name="Options">Replaces the network's driver options: what Docker sent must be in it.</param>
public sealed record AllocateNetworkAnswer(IReadOnlyDictionary<string, string> Options);

public sealed record NetworkRequest(string? NetworkID);

public sealed record CreateNetworkRequest(
    string? NetworkID,
    IReadOnlyDictionary<string, JsonElement>? Options,
    IReadOnlyList<IPData?>? IPv4Data,
    IReadOnlyList<IPData?>? IPv6Data);

public sealed record EndpointInterface(string? Address, string? AddressIPv6, string? MacAddress);

public sealed record CreateEndpointRequest(
    string? NetworkID,
    string? EndpointID,
    EndpointInterface? Interface,
    IReadOnlyDictionary<string, JsonElement>? Options);

/// <param name="Interface">Holds only what the request left open; a repeated Address is refused by libnetwork.</param>
public sealed record CreateEndpointAnswer(EndpointInterface? Interface);

public sealed record EndpointRequest(string? NetworkID, string? EndpointID);

public sealed record EndpointInfoAnswer(IReadOnlyDictionary<string, string> Value);

public sealed record JoinRequest(
    string? NetworkID,
    string? EndpointID,
    string? SandboxKey,
    IReadOnlyDictionary<string, JsonElement>? Options);

public sealed record InterfaceName(string SrcName, string DstPrefix);

/// <param name="Destination">A CIDR.</param>
/// <param name="RouteType">0: via NextHop; 1: connected (types.NEXTHOP and types.CONNECTED in libnetwork).</param>
public sealed record StaticRoute(string Destination, int RouteType, string NextHop);

/// <param name="Gateway">Empty: the container's default route stays Docker's (docker_gwbridge), as with overlay.</param>
public sealed record JoinAnswer(
    InterfaceName InterfaceName,
    string Gateway,
    IReadOnlyList<StaticRoute> StaticRoutes,
    bool DisableGatewayService);

public sealed record RequestPoolRequest(
    string? AddressSpace,
    string? Pool,
    string? SubPool,
    IReadOnlyDictionary<string, string>? Options,
    bool V6);

public sealed record RequestPoolAnswer(string PoolID, string Pool, IReadOnlyDictionary<string, string> Data);

public sealed record PoolRequest(string? PoolID);

public sealed record RequestAddressRequest(string? PoolID, string? Address, IReadOnlyDictionary<string, string>? Options);

/// <param name="Address">With the prefix length that the interface gets.</param>
public sealed record RequestAddressAnswer(string Address, IReadOnlyDictionary<string, string> Data);

public sealed record ReleaseAddressRequest(string? PoolID, string? Address);

public static class PluginJson
{
    /// <summary>PascalCase out, as Go writes it; any case in, as Go reads it.</summary>
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = null,
        PropertyNameCaseInsensitive = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        MaxDepth = 32,
    };
}
