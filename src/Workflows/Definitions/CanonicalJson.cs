using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>One text per JSON value: no white space, keys in ordinal order, numbers as written; <c>$schema</c> of the root left out.</summary>
internal static class CanonicalJson
{
    public static string Write(JsonElement root)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, WorkflowJson.Compact))
        {
            WriteValue(writer, root, isRoot: true);
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    public static string Hash(string canonical) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)));

    private static void WriteValue(Utf8JsonWriter writer, JsonElement value, bool isRoot = false)
    {
        if (value.ValueKind == JsonValueKind.Object)
        {
            writer.WriteStartObject();
            foreach (JsonProperty property in value.EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal))
            {
                if (isRoot && property.NameEquals("$schema")) continue;
                writer.WritePropertyName(property.Name);
                WriteValue(writer, property.Value);
            }
            writer.WriteEndObject();
        }
        else if (value.ValueKind == JsonValueKind.Array)
        {
            writer.WriteStartArray();
            foreach (JsonElement item in value.EnumerateArray()) WriteValue(writer, item);
            writer.WriteEndArray();
        }
        else
        {
            value.WriteTo(writer);
        }
    }
}
