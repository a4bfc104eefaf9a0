using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>Reads definition files: a documented subset of Elsa 3's workflow JSON (workflows/workflow.schema.json).</summary>
public static class DefinitionLoader
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>All *.json of a folder except *.schema.json. Throws <see cref="DefinitionException"/> with all errors of all files.</summary>
    public static IReadOnlyList<WorkflowDefinition> LoadFolder(string folder, ActivityCatalog activities) =>
        Load(
            Directory.EnumerateFiles(folder, "*.json")
                .Where(path => !path.EndsWith(".schema.json", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal)
                .Select(path => new DefinitionFile(Path.GetFileName(path), File.ReadAllText(path))),
            activities);

    /// <summary>Throws <see cref="DefinitionException"/> with all errors of all files.</summary>
    public static IReadOnlyList<WorkflowDefinition> Load(IEnumerable<DefinitionFile> files, ActivityCatalog activities)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(activities);
        var errors = new List<DefinitionError>();
        var loaded = new Dictionary<string, (WorkflowDefinition Definition, string File)>(StringComparer.Ordinal);
        foreach (DefinitionFile file in files)
        {
            if (Read(file, activities, errors) is not { } definition) continue;
            if (!loaded.TryAdd(definition.Id, (definition, file.Name)))
                errors.Add(new DefinitionError(file.Name, "$.definitionId", $"'{definition.Id}' is defined in {loaded[definition.Id].File} too"));
        }
        var byId = loaded.ToDictionary(l => l.Key, l => l.Value.Definition, StringComparer.Ordinal);
        // With one that is missing, each that starts it would be another error.
        if (errors.Count == 0)
        {
            foreach (WorkflowDefinition definition in byId.Values) ChildCheck.Check(definition, byId);
        }
        if (errors.Count > 0) throw new DefinitionException(errors);
        return [.. loaded.Values.Select(l => l.Definition)];
    }

    internal static WorkflowDefinition? Read(DefinitionFile file, ActivityCatalog activities, List<DefinitionError> errors)
    {
        JsonElement root;
        try
        {
            using JsonDocument document = JsonDocument.Parse(file.Text, Strict);
            root = document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            errors.Add(new DefinitionError(file.Name, "$", $"not JSON: {e.Message}"));
            return null;
        }
        return new DefinitionReader(new JsonCursor(file.Name, "$", root, errors), activities).Read();
    }
}

public sealed record DefinitionFile(string Name, string Text);

/// <summary>What is wrong, and where: <c>network-create.json: $.root.activities[2].pool: unknown variable 'Poool'</c>.</summary>
public sealed record DefinitionError(string File, string Path, string Message)
{
    public override string ToString() => $"{File}: {Path}: {Message}";
}

/// <summary>Definitions that do not load; every error of every file.</summary>
public sealed class DefinitionException(IReadOnlyList<DefinitionError> errors)
    : Exception($"{errors.Count} error{(errors.Count == 1 ? "" : "s")} in workflow definitions:\n" + string.Join('\n', errors))
{
    public IReadOnlyList<DefinitionError> Errors => errors;
}
