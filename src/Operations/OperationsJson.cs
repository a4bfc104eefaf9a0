using System.Text.Json;
using System.Text.Json.Serialization;

namespace FlannelFlow.Operations;

/// <summary>How everything for people is written as JSON: camelCase, enums as camelCase words, nulls left out.</summary>
public static class OperationsJson
{
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };
}
