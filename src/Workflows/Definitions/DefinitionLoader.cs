namespace FlannelFlow.Workflows;

/// <summary>Reads definition files: a documented subset of Elsa 3's workflow JSON (workflows/workflow.schema.json).</summary>
public static class DefinitionLoader
{
    /// <summary>All *.json of a folder except *.schema.json. Throws <see cref="DefinitionException"/> with all errors of all files.</summary>
    public static IReadOnlyList<WorkflowDefinition> LoadFolder(string folder, ActivityCatalog activities) =>
        Load(
            Directory.EnumerateFiles(folder, "*.json")
                .Where(path => !path.EndsWith(".schema.json", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal)
                .Select(path => new DefinitionFile(Path.GetFileName(path), File.ReadAllText(path))),
            activities);

    public static IReadOnlyList<WorkflowDefinition> Load(IEnumerable<DefinitionFile> files, ActivityCatalog activities) =>
        throw new NotImplementedException();
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
