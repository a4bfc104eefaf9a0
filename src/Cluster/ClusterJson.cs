using System.Text.Json;
using System.Text.Json.Serialization;
using FlannelFlow.Cluster.Access;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Operations;
using FlannelFlow.Cluster.Pools;

namespace FlannelFlow.Cluster;

/// <summary>Our own records in etcd: camelCase, enums as lower-case words, nulls left out, unknown fields ignored (a newer host may write more).</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [
        typeof(IPv4NetworkJsonConverter),
        typeof(IPv4AddressJsonConverter),
        typeof(CamelCaseEnumConverter<PoolState>),
        typeof(CamelCaseEnumConverter<AddressKind>),
        typeof(CamelCaseEnumConverter<AddressState>),
        typeof(CamelCaseEnumConverter<RequestState>),
        typeof(CamelCaseEnumConverter<Role>),
    ])]
[JsonSerializable(typeof(PoolRecord))]
[JsonSerializable(typeof(VniRecord))]
[JsonSerializable(typeof(AddressValue))]
[JsonSerializable(typeof(MarkRecord))]
[JsonSerializable(typeof(WorkflowSummary))]
[JsonSerializable(typeof(OperatorRequest))]
[JsonSerializable(typeof(TokenRecord))]
internal sealed partial class ClusterJson : JsonSerializerContext;

/// <summary>flannel's records: Go's names, matched without regard to case as Go's encoding/json does.</summary>
[JsonSourceGenerationOptions(PropertyNameCaseInsensitive = true)]
[JsonSerializable(typeof(FlannelNetworkConfig))]
[JsonSerializable(typeof(LeaseAttributes))]
[JsonSerializable(typeof(VxlanLeaseData))]
internal sealed partial class FlannelJson : JsonSerializerContext;

internal sealed class CamelCaseEnumConverter<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.CamelCase, allowIntegerValues: false)
    where T : struct, Enum;

internal sealed class IPv4NetworkJsonConverter : JsonConverter<IPv4Network>
{
    public override IPv4Network Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        IPv4Network.TryParse(reader.GetString(), out var network, out var problem) ? network : throw new JsonException(problem);

    public override void Write(Utf8JsonWriter writer, IPv4Network value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}

internal sealed class IPv4AddressJsonConverter : JsonConverter<IPv4Address>
{
    public override IPv4Address Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        IPv4Address.TryParse(reader.GetString(), out var address) ? address : throw new JsonException($"'{reader.GetString()}' is not an IPv4 address");

    public override void Write(Utf8JsonWriter writer, IPv4Address value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}
