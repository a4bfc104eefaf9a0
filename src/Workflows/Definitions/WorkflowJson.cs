using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FlannelFlow.Workflows;

/// <summary>The one way the engine reads and writes JSON.</summary>
internal static class WorkflowJson
{
    /// <summary>
    /// Unknown members are skipped here on purpose: the loader has checked names, and an open instance's recorded input must
    /// stay readable after an activity lost a property.
    /// </summary>
    public static readonly JsonSerializerOptions Options = Create();

    public static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static JsonSerializerOptions Create()
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.General)
        {
            PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            RespectNullableAnnotations = true,
            RespectRequiredConstructorParameters = true,
        };
        options.Converters.Add(new JsonStringEnumConverter());
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }
}
