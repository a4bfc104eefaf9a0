using System.Text.Json;
using System.Text.Json.Nodes;

namespace FlannelFlow.Host.Installation;

/// <summary>dockerd's daemon.json with the runtime wrapper in it, and without it again. Pure: text in, text out; what others wrote stays.</summary>
/// <remarks>Keys "runtimes" and "default-runtime": dockerd(8). dockerd reads both again on SIGHUP.</remarks>
public static class DockerSettings
{
    public const string Runtime = "flannelflow";
    public const string DockersRuntime = "runc";
    private const string Runtimes = "runtimes";
    private const string DefaultRuntime = "default-runtime";
    private static readonly JsonSerializerOptions Written = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <returns>The new text; null: it says so already.</returns>
    /// <exception cref="InvalidDataException">It is no JSON object, or names another default runtime, which we do not overwrite.</exception>
    public static string? WithWrapper(string? text, string wrapper)
    {
        var settings = Parse(text);
        if (settings[DefaultRuntime] is { } other && Text(other) != Runtime)
            throw new InvalidDataException($"\"{DefaultRuntime}\" is {other.ToJsonString()} already; with FlannelFlow's wrapper as default, plain containers would lose it. Install without the wrapper, or take that line out");
        var before = settings.ToJsonString();
        if (settings[Runtimes] is null) settings[Runtimes] = new JsonObject();
        if (settings[Runtimes] is not JsonObject runtimes)
            throw new InvalidDataException($"\"{Runtimes}\" is not an object");
        // With what an operator has added to it, as runtimeArgs.
        if (runtimes[Runtime] is not JsonObject ours) runtimes[Runtime] = ours = [];
        ours["path"] = wrapper;
        settings[DefaultRuntime] = Runtime;
        return settings.ToJsonString() == before ? null : Print(settings);
    }

    /// <returns>The new text, "" if nothing is left in it; null: the wrapper is not in it.</returns>
    /// <exception cref="InvalidDataException">It is no JSON object.</exception>
    public static string? WithoutWrapper(string? text)
    {
        var settings = Parse(text);
        var isIn = settings[Runtimes] is JsonObject runtimes && runtimes.Remove(Runtime);
        if (isIn && settings[Runtimes] is JsonObject { Count: 0 }) settings.Remove(Runtimes);
        if (settings[DefaultRuntime] is { } value && Text(value) == Runtime) isIn |= settings.Remove(DefaultRuntime);
        return !isIn ? null : settings.Count == 0 ? "" : Print(settings);
    }

    /// <summary>
    /// Without the wrapper, and with Docker's own runtime named as default. dockerd keeps the default that it has when none is named any more
    /// (moby daemon/reload.go): this is for the reload that takes it from the wrapper.
    /// </summary>
    public static string WithDockersRuntime(string? text)
    {
        var settings = Parse(WithoutWrapper(text) ?? text);
        settings[DefaultRuntime] = DockersRuntime;
        return Print(settings);
    }

    private static JsonObject Parse(string? text)
    {
        if (string.IsNullOrWhiteSpace(text)) return [];
        try
        {
            return JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject
                ?? throw new InvalidDataException("it is not a JSON object");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"it is not JSON: line {e.LineNumber + 1}: {e.Message.Split(" LineNumber", 2)[0]}", e);
        }
    }

    private static string? Text(JsonNode node) => node.GetValueKind() == JsonValueKind.String ? node.GetValue<string>() : null;

    private static string Print(JsonObject settings) => settings.ToJsonString(Written) + "\n";
}
