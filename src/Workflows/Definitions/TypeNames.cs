using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>Type names of the definition format (Elsa 3's aliases) and the JSON that each takes.</summary>
internal static class TypeNames
{
    public const string String = "String";
    public const string Object = "Object";

    public static readonly IReadOnlyDictionary<Type, string> ByClrType = new Dictionary<Type, string>
    {
        [typeof(string)] = String,
        [typeof(bool)] = "Boolean",
        [typeof(byte)] = "Byte",
        [typeof(short)] = "Int16",
        [typeof(ushort)] = "UInt16",
        [typeof(int)] = "Int32",
        [typeof(uint)] = "UInt32",
        [typeof(long)] = "Int64",
        [typeof(ulong)] = "UInt64",
        [typeof(double)] = "Double",
        [typeof(TimeSpan)] = "TimeSpan",
        [typeof(DateTimeOffset)] = "DateTimeOffset",
        [typeof(Guid)] = "Guid",
    };

    private static readonly Dictionary<string, Type> ByName = ByClrType.ToDictionary(p => p.Value, p => p.Key, StringComparer.Ordinal);

    /// <summary>Each integer type and the ones it fits into without loss.</summary>
    private static readonly Dictionary<string, string[]> Widens = new(StringComparer.Ordinal)
    {
        ["Byte"] = ["Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64"],
        ["Int16"] = ["Int32", "Int64"],
        ["UInt16"] = ["Int32", "UInt32", "Int64", "UInt64"],
        ["Int32"] = ["Int64"],
        ["UInt32"] = ["Int64", "UInt64"],
    };

    public static bool IsKnown(string name)
    {
        while (name.EndsWith("[]", StringComparison.Ordinal)) name = name[..^2];
        return name == Object || ByName.ContainsKey(name);
    }

    public static bool IsAssignable(string from, string to) =>
        from == to || to == Object || from == Object || (Widens.TryGetValue(from, out var wider) && wider.Contains(to));

    /// <summary>Null if the value is of the named type (null is of every type), else what it is instead.</summary>
    public static string? Misfit(string name, JsonElement value)
    {
        if (name == Object || value.ValueKind == JsonValueKind.Null) return null;
        if (name.EndsWith("[]", StringComparison.Ordinal))
        {
            if (value.ValueKind != JsonValueKind.Array) return $"{Describe(value)} is no {name}";
            return value.EnumerateArray().Select(item => Misfit(name[..^2], item)).FirstOrDefault(m => m is not null);
        }
        try
        {
            value.Deserialize(ByName[name], WorkflowJson.Options);
            return null;
        }
        catch (JsonException)
        {
            return $"{Describe(value)} is no {name}";
        }
    }

    private static string Describe(JsonElement value) => value.GetRawText() is { Length: <= 60 } text ? text : value.GetRawText()[..57] + "...";
}
