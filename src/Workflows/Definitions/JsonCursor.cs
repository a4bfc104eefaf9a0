using System.Globalization;
using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>A value of a definition file, where it stands, and the list that its errors go to.</summary>
/// <remarks>The readers here never throw: they add an error and return null, so that one load reports all that is wrong.</remarks>
internal readonly record struct JsonCursor(string File, string Path, JsonElement Value, List<DefinitionError> Errors)
{
    public void Error(string message) => Errors.Add(new DefinitionError(File, Path, message));

    /// <summary>The property, or null if absent or null.</summary>
    public JsonCursor? Optional(string name) =>
        Value.ValueKind == JsonValueKind.Object && Value.TryGetProperty(name, out JsonElement found) && found.ValueKind != JsonValueKind.Null
            ? Child(name, found)
            : null;

    public JsonCursor? Required(string name)
    {
        if (Optional(name) is { } found) return found;
        Error($"'{name}' is missing");
        return null;
    }

    public bool IsObject(string what)
    {
        if (Value.ValueKind == JsonValueKind.Object) return true;
        Error($"{what} must be an object");
        return false;
    }

    public IEnumerable<JsonCursor> Properties()
    {
        JsonCursor self = this;
        return Value.ValueKind == JsonValueKind.Object ? Value.EnumerateObject().Select(p => self.Child(p.Name, p.Value)) : [];
    }

    public string PropertyName => Path[(Path.LastIndexOf('.') + 1)..];

    /// <summary>Items of an array; an error and none for anything else.</summary>
    public IEnumerable<JsonCursor> Items()
    {
        if (Value.ValueKind != JsonValueKind.Array)
        {
            Error("must be an array");
            return [];
        }
        JsonCursor self = this;
        return Value.EnumerateArray().Select((item, i) => self with { Path = $"{self.Path}[{i}]", Value = item });
    }

    public string? Text()
    {
        if (Value.ValueKind == JsonValueKind.String && Value.GetString() is { Length: > 0 } text) return text;
        Error("must be a string that is not empty");
        return null;
    }

    public bool? Flag()
    {
        if (Value.ValueKind is JsonValueKind.True or JsonValueKind.False) return Value.GetBoolean();
        Error("must be true or false");
        return null;
    }

    public int? Integer(int least)
    {
        if (Value.ValueKind == JsonValueKind.Number && Value.TryGetInt32(out int number) && number >= least) return number;
        Error($"must be an integer of at least {least}");
        return null;
    }

    public double? Number(double least, double most)
    {
        if (Value.ValueKind == JsonValueKind.Number && Value.TryGetDouble(out double number) && number >= least && number <= most) return number;
        Error(string.Create(CultureInfo.InvariantCulture, $"must be a number from {least} to {most}"));
        return null;
    }

    /// <summary>"hh:mm:ss", optionally with days before and fractions behind; above zero, at most 24 days (a timer's limit).</summary>
    public TimeSpan? Duration()
    {
        if (Value.ValueKind == JsonValueKind.String
            && TimeSpan.TryParseExact(Value.GetString(), "c", CultureInfo.InvariantCulture, out TimeSpan duration)
            && duration > TimeSpan.Zero
            && duration <= TimeSpan.FromDays(24))
        {
            return duration;
        }
        Error("must be a time above zero, such as \"00:00:20\"");
        return null;
    }

    public T? Choice<T>()
        where T : struct, Enum
    {
        if (Value.ValueKind == JsonValueKind.String && Enum.GetNames<T>().Contains(Value.GetString()) && Enum.TryParse(Value.GetString(), out T choice))
            return choice;
        Error($"must be one of {string.Join(", ", Enum.GetNames<T>())}");
        return null;
    }

    private JsonCursor Child(string name, JsonElement value) => this with { Path = $"{Path}.{name}", Value = value };
}
