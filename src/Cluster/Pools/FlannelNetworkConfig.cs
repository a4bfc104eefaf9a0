using System.Text.Json;
using System.Text.Json.Serialization;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster.Pools;

/// <summary>
/// flannel's <c>config</c> (flannel pkg/subnet/config.go). Names are Go's; reading disregards case and unknown fields, as Go does.
/// </summary>
public sealed record FlannelNetworkConfig
{
    [JsonPropertyName("EnableIPv4")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? EnableIPv4 { get; init; }

    [JsonPropertyName("EnableIPv6")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool EnableIPv6 { get; init; }

    [JsonPropertyName("EnableNFTables")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool EnableNFTables { get; init; }

    [JsonPropertyName("Network")]
    public string? Network { get; init; }

    /// <summary>0 or absent: flannel's default, /24 or network + 2.</summary>
    [JsonPropertyName("SubnetLen")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public uint SubnetLen { get; init; }

    [JsonPropertyName("SubnetMin")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? SubnetMin { get; init; }

    [JsonPropertyName("SubnetMax")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? SubnetMax { get; init; }

    [JsonPropertyName("Backend")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public FlannelBackendConfig? Backend { get; init; }

    /// <summary>The config of a pool: SubnetMin after the service range, vxlan.</summary>
    /// <param name="port">UDP port; 0: flannel's own.</param>
    public static FlannelNetworkConfig For(PoolLayout layout, int vni, int port = 0) => new()
    {
        Network = layout.Pool.ToString(),
        SubnetLen = (uint)layout.HostSubnetSize,
        SubnetMin = layout.FirstHostSubnet.ToString(),
        Backend = new FlannelBackendConfig { Type = "vxlan", Vni = vni, Port = port > 0 ? port : null },
    };

    /// <exception cref="FormatException">Not JSON, or a field of the wrong type.</exception>
    public static FlannelNetworkConfig Parse(string json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, FlannelJson.Default.FlannelNetworkConfig) ?? throw new FormatException("flannel config is null");
        }
        catch (JsonException e)
        {
            throw new FormatException($"flannel config is not valid: {e.Message}", e);
        }
    }

    public string ToJson() => JsonSerializer.Serialize(this, FlannelJson.Default.FlannelNetworkConfig);

    /// <summary>Checks as flannel does (CheckNetworkConfig) and fills in its defaults.</summary>
    /// <exception cref="FormatException">With all problems, in words with flannel's field names.</exception>
    public FlannelNetworkModel Validate()
    {
        var problems = new List<string>();
        IPv4Network network = default;
        if (EnableIPv4 is false) problems.Add("EnableIPv4 is false: only IPv4 networks are supported");
        if (EnableIPv6) problems.Add("EnableIPv6 is true: only IPv4 networks are supported");
        if (string.IsNullOrEmpty(Network)) problems.Add("Network is missing");
        else if (!IPv4Network.TryParseMasked(Network, out network, out var problem)) problems.Add($"Network: {problem}");
        if (problems.Count > 0) throw Invalid(problems);

        var length = (int)Math.Min(SubnetLen, 99);
        if (length == 0)
        {
            if (network.Length > 28) problems.Add($"Network {network} is too small: without SubnetLen it must be a /28 or larger");
            length = network.Length <= 22 ? 24 : network.Length + 2;
        }
        else if (length > 30)
        {
            problems.Add($"SubnetLen {SubnetLen} is greater than 30");
        }
        else if (length < network.Length + 2)
        {
            problems.Add($"SubnetLen {SubnetLen} is smaller than the length of Network {network} + 2 = {network.Length + 2}");
        }

        if (problems.Count > 0) throw Invalid(problems);
        var size = 1U << (32 - length);
        var min = Bound(nameof(SubnetMin), SubnetMin, new IPv4Address(network.First.Value + size), network, length, problems);
        var max = Bound(nameof(SubnetMax), SubnetMax, new IPv4Address(network.Last.Value - size + 1), network, length, problems);
        if (problems.Count == 0 && min > max) problems.Add($"SubnetMin {min} is above SubnetMax {max}");
        if (problems.Count > 0) throw Invalid(problems);
        return new FlannelNetworkModel(network, length, min, max, Backend ?? new FlannelBackendConfig { Type = "udp" });
    }

    private static IPv4Address Bound(string field, string? text, IPv4Address byDefault, IPv4Network network, int length, List<string> problems)
    {
        if (string.IsNullOrEmpty(text)) return byDefault;
        if (!IPv4Address.TryParse(text, out var address)) problems.Add($"{field} '{text}' is not an IPv4 address");
        else if (!network.Contains(address)) problems.Add($"{field} {address} is not in Network {network}");
        else if (IPv4Network.Containing(address, length).First != address) problems.Add($"{field} {address} is not on a boundary of SubnetLen {length}");
        return address;
    }

    private static FormatException Invalid(List<string> problems) => new($"flannel config is not valid: {string.Join("; ", problems)}");
}

/// <summary>flannel's Backend object; vxlan's fields (flannel pkg/backend/vxlan/vxlan.go). Null is flannel's default.</summary>
public sealed record FlannelBackendConfig
{
    /// <summary>flannel takes an absent Type for udp.</summary>
    [JsonPropertyName("Type")]
    public string? Type { get; init; }

    /// <summary>Default 1.</summary>
    [JsonPropertyName("VNI")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Vni { get; init; }

    /// <summary>UDP port; 0 or null: the kernel's default, 8472.</summary>
    [JsonPropertyName("Port")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Port { get; init; }

    /// <summary>Of the underlay; default: the external interface's.</summary>
    [JsonPropertyName("MTU")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Mtu { get; init; }

    [JsonPropertyName("GBP")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? Gbp { get; init; }

    [JsonPropertyName("Learning")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? Learning { get; init; }

    [JsonPropertyName("DirectRouting")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? DirectRouting { get; init; }
}

/// <summary>A checked config with flannel's defaults filled in.</summary>
/// <param name="SubnetMin">The first host subnet's network address.</param>
/// <param name="SubnetMax">The last host subnet's network address, included.</param>
public sealed record FlannelNetworkModel(IPv4Network Network, int SubnetLen, IPv4Address SubnetMin, IPv4Address SubnetMax, FlannelBackendConfig Backend)
{
    /// <summary>Every subnet a host may lease, ascending.</summary>
    public IEnumerable<IPv4Network> Subnets()
    {
        var (min, max) = (SubnetMin, SubnetMax);
        return Network.Split(SubnetLen).SkipWhile(subnet => subnet.First < min).TakeWhile(subnet => subnet.First <= max);
    }

    public bool IsLeasable(IPv4Network subnet) =>
        subnet.Length == SubnetLen && Network.Contains(subnet) && subnet.First >= SubnetMin && subnet.First <= SubnetMax;
}

/// <summary>flannel configs in etcd.</summary>
public sealed class FlannelNetworkConfigs(IEtcd etcd, ClusterKeys keys)
{
    /// <summary>Idempotent: an equal config is not written again, so flannelds see no change.</summary>
    public async Task WriteAsync(IPv4Network pool, FlannelNetworkConfig config, CancellationToken ct)
    {
        var (key, json) = (keys.Network(pool).Config, config.ToJson());
        await etcd.TransactAsync(
            new EtcdTransaction([new EtcdCompare.Value(key, json)], [], [new EtcdOperation.Put(key, json)]), ct);
    }

    /// <summary>Null when there is none.</summary>
    /// <exception cref="FormatException">It is not a flannel config.</exception>
    public async Task<FlannelNetworkConfig?> ReadAsync(IPv4Network pool, CancellationToken ct)
    {
        var range = await etcd.RangeAsync(EtcdKeys.One(keys.Network(pool).Config), ct);
        return range.Entries is [var entry] ? FlannelNetworkConfig.Parse(entry.Value) : null;
    }

    /// <summary>None is success.</summary>
    public async Task DeleteAsync(IPv4Network pool, CancellationToken ct) =>
        await etcd.DeleteAsync(EtcdKeys.One(keys.Network(pool).Config), ct);
}
