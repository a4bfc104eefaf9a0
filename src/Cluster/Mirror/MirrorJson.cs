using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using FlannelFlow.Cluster.Draining;

namespace FlannelFlow.Cluster.Mirror;

/// <summary>As <see cref="ClusterJson"/>, and strict: a value without a field that a record needs is no record. Fields that come later need a default.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    Converters = [
        typeof(IPv4NetworkJsonConverter),
        typeof(IPv4AddressJsonConverter),
        typeof(CamelCaseEnumConverter<EndpointMode>),
        typeof(CamelCaseEnumConverter<ContainerHealth>),
        typeof(CamelCaseEnumConverter<ContainerState>),
        typeof(CamelCaseEnumConverter<DrainReason>),
    ])]
[JsonSerializable(typeof(NetworkRecord))]
[JsonSerializable(typeof(ServiceRecord))]
[JsonSerializable(typeof(ContainerRecord))]
[JsonSerializable(typeof(HostRecord))]
internal sealed partial class MirrorJsonContext : JsonSerializerContext;

/// <summary>The records of the mirror as they stand in etcd. Equal records have equal texts: lists and labels are sorted where they are made.</summary>
public static class MirrorJson
{
    public static string Write(NetworkRecord record) => JsonSerializer.Serialize(record, MirrorJsonContext.Default.NetworkRecord);

    public static string Write(ServiceRecord record) => JsonSerializer.Serialize(record, MirrorJsonContext.Default.ServiceRecord);

    public static string Write(ContainerRecord record) => JsonSerializer.Serialize(record, MirrorJsonContext.Default.ContainerRecord);

    public static string Write(HostRecord record) => JsonSerializer.Serialize(record, MirrorJsonContext.Default.HostRecord);

    internal static bool TryRead<T>(string text, JsonTypeInfo<T> type, [NotNullWhen(true)] out T? record)
        where T : class
    {
        try
        {
            record = JsonSerializer.Deserialize(text, type);
            return record is not null;
        }
        catch (JsonException)
        {
            record = null;
            return false;
        }
    }
}
