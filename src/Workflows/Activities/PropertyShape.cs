using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace FlannelFlow.Workflows;

/// <summary>A property of an activity's input or output record.</summary>
/// <param name="Name">As in JSON (camelCase).</param>
/// <param name="TypeName">The definition format's name of its type: String, Int32, Boolean, String[], Object, …</param>
/// <param name="ClrType">The record's own type.</param>
/// <param name="IsRequired">Whether the constructor has no default for it.</param>
/// <param name="IsNullable">Whether it takes null.</param>
internal sealed record PropertyShape(string Name, string TypeName, Type ClrType, bool IsRequired, bool IsNullable)
{
    public static IReadOnlyDictionary<string, PropertyShape> Of(Type record) =>
        WorkflowJson.Options.GetTypeInfo(record).Properties
            .Where(p => p.Get is not null && p.PropertyType != typeof(Type))
            .Select(p => new PropertyShape(p.Name, NameOf(p.PropertyType), p.PropertyType, p.IsRequired, p.IsSetNullable || Nullable.GetUnderlyingType(p.PropertyType) is not null))
            .ToDictionary(p => p.Name, StringComparer.Ordinal);

    /// <summary>Types with a converter of their own (addresses, ids) are taken to be strings in JSON.</summary>
    private static string NameOf(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (TypeNames.ByClrType.TryGetValue(type, out var known)) return known;
        if (type == typeof(object) || type == typeof(JsonElement) || typeof(JsonNode).IsAssignableFrom(type)) return TypeNames.Object;
        JsonTypeInfo info = WorkflowJson.Options.GetTypeInfo(type);
        return info.Kind switch
        {
            JsonTypeInfoKind.Enumerable => NameOf(info.ElementType!) + "[]",
            JsonTypeInfoKind.Object or JsonTypeInfoKind.Dictionary => TypeNames.Object,
            JsonTypeInfoKind.None => TypeNames.String,
            _ => TypeNames.String,
        };
    }
}
