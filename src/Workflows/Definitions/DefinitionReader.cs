using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>Reads one definition file; errors are collected.</summary>
/// <remarks>Order: 1 names (inputs, variables), 2 the tree of activities against them, 3 lanes and outputs.</remarks>
internal sealed class DefinitionReader(JsonCursor root, ActivityCatalog activities)
{
    /// <summary>Elsa writes these too; they mean nothing to this engine.</summary>
    private static readonly string[] Ignored =
    [
        "$schema", "id", "description", "createdAt", "toolVersion", "outcomes", "isReadonly", "isSystem", "isLatest", "isPublished",
        "options", "tenantId", "usableAsActivity", "links",
    ];

    private static readonly string[] Understood =
        ["definitionId", "version", "name", "variables", "inputs", "outputs", "customProperties", "root"];

    private readonly Dictionary<string, WorkflowInput> _inputs = new(StringComparer.Ordinal);
    private readonly Dictionary<string, WorkflowVariable> _variables = new(StringComparer.Ordinal);

    /// <summary>The definition, or null if errors were added.</summary>
    public WorkflowDefinition? Read()
    {
        int errorsBefore = root.Errors.Count;
        if (!root.IsObject("a definition")) return null;
        foreach (JsonCursor property in root.Properties())
        {
            if (!Understood.Contains(property.PropertyName) && !Ignored.Contains(property.PropertyName)) property.Error("unknown property");
        }

        // 1
        string? id = root.Required("definitionId")?.Text();
        int? version = root.Required("version")?.Integer(1);
        string? name = root.Optional("name") is { } named ? named.Text() : id;
        foreach (JsonCursor input in root.Optional("inputs")?.Items() ?? []) ReadInput(input);
        foreach (JsonCursor variable in root.Optional("variables")?.Items() ?? []) ReadVariable(variable);

        // 2
        var custom = root.Optional("customProperties");
        FaultPolicy onFault = ReadOnFault(custom);
        var bindings = new BindingReader(_inputs, _variables);
        var tree = new TreeReader(new StepReader(activities, bindings), bindings, onFault);
        ActivityDefinition? top = root.Required("root") is { } topAt ? tree.ReadRoot(topAt) : null;
        if (top is not null) VariableFlow.Check(top, _variables.Values);

        // 3
        List<LaneTemplate> lanes = [.. (custom?.Optional("lanes")?.Items() ?? []).Select(ReadLane).OfType<LaneTemplate>()];
        List<string> outputs = [.. (root.Optional("outputs")?.Items() ?? []).Select(ReadOutput).OfType<string>()];

        if (root.Errors.Count > errorsBefore) return null;
        string json = CanonicalJson.Write(root.Value);
        return new WorkflowDefinition
        {
            Id = id!,
            Version = version!.Value,
            Name = name!,
            Hash = CanonicalJson.Hash(json),
            Json = json,
            Inputs = [.. _inputs.Values],
            Variables = [.. _variables.Values],
            Outputs = outputs,
            Lanes = lanes,
            OnFault = onFault,
            Deadline = custom?.Optional("deadline")?.Duration(),
            Root = top!,
        };
    }

    private void ReadInput(JsonCursor input)
    {
        string? name = input.Required("name")?.Text();
        string? type = ReadType(input, "type");
        bool required = input.Optional("isRequired") is not { } flag || flag.Flag() is true;
        if (name is null || type is null) return;
        if (!_inputs.TryAdd(name, new WorkflowInput(name, type, required))) input.Error($"duplicate input '{name}'");
    }

    private void ReadVariable(JsonCursor variable)
    {
        string? name = variable.Required("name")?.Text();
        string? id = variable.Optional("id") is { } given ? given.Text() : name;
        string? type = ReadType(variable, "typeName");
        if (name is null || id is null || type is null) return;
        if (id != name) variable.Error($"id '{id}' must equal name '{name}'");
        JsonElement? initial = variable.Optional("value")?.Value;
        if (initial is { } value && TypeNames.Misfit(type, value) is { } misfit) variable.Error(misfit);
        if (!_variables.TryAdd(name, new WorkflowVariable(name, type, initial))) variable.Error($"duplicate variable '{name}'");
    }

    private static string? ReadType(JsonCursor of, string property)
    {
        if (of.Required(property) is not { } at || at.Text() is not { } type) return null;
        if (of.Optional("isArray")?.Flag() is true) type += "[]";
        if (TypeNames.IsKnown(type)) return type;
        at.Error($"unknown type '{type}'");
        return null;
    }

    private static FaultPolicy ReadOnFault(JsonCursor? custom)
    {
        foreach (JsonCursor property in custom?.Properties() ?? [])
        {
            if (property.PropertyName is not ("lanes" or "onFault" or "deadline")) property.Error("unknown custom property of a workflow");
        }
        return custom?.Optional("onFault")?.Choice<FaultPolicy>() ?? FaultPolicy.Compensate;
    }

    private LaneTemplate? ReadLane(JsonCursor lane)
    {
        var keyAt = lane.Required("key");
        string? key = keyAt?.Text();
        LaneMode? mode = lane.Required("mode")?.Choice<LaneMode>();
        if (key is null || mode is null) return null;
        var template = new LaneTemplate(key, mode.Value);
        if (template.Problem(_inputs) is { } problem) keyAt?.Error(problem);
        return template;
    }

    private string? ReadOutput(JsonCursor output)
    {
        var at = output.Required("name");
        if (at?.Text() is not { } name) return null;
        if (!_variables.TryGetValue(name, out WorkflowVariable? variable))
            at?.Error($"output '{name}' is no variable{Names.Known(_variables.Keys)}");
        else if (ReadType(output, "type") is { } type && !TypeNames.IsAssignable(variable.TypeName, type))
            output.Error($"output '{name}' is {type}, but the variable is {variable.TypeName}");
        return name;
    }
}

internal static class Names
{
    /// <summary>" (known: A, B)", or nothing if there are none.</summary>
    public static string Known(IEnumerable<string> names) => string.Join(", ", names.Order(StringComparer.Ordinal)) is { Length: > 0 } list ? $" (known: {list})" : "";
}
