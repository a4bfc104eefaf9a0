using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>Reads the steps of one definition, in the order in which they run.</summary>
internal sealed class StepReader(
    ActivityCatalog activities, IReadOnlyDictionary<string, WorkflowInput> inputs, IReadOnlyDictionary<string, WorkflowVariable> variables)
{
    public const string SequenceType = "Elsa.Sequence";

    /// <summary>Every Elsa activity has these beside its own inputs and outputs.</summary>
    private static readonly string[] Common = ["id", "nodeId", "name", "type", "version", "customProperties", "metadata"];

    private static readonly string[] OwnProperties = ["retry", "timeout", "compensate", "recovery", "onFault"];

    /// <summary>Elsa Studio writes these; they mean nothing to this engine.</summary>
    private static readonly string[] ElsaProperties = ["canStartWorkflow", "runAsynchronously", "source", "notesRequired", "description"];

    /// <summary>Variables that an earlier step or their default sets.</summary>
    private readonly HashSet<string> _assigned =
        new(variables.Values.Where(v => v.Default is not null).Select(v => v.Name), StringComparer.Ordinal);

    public static bool IsCommon(string property) => Common.Contains(property);

    /// <summary>A container has none of our custom properties.</summary>
    public static void CheckNoOwnProperties(JsonCursor at)
    {
        foreach (JsonCursor property in at.Optional("customProperties")?.Properties() ?? [])
        {
            if (!ElsaProperties.Contains(property.PropertyName)) property.Error("unknown custom property of a container");
        }
    }

    public StepDefinition? Read(JsonCursor at, string id, string type, FaultPolicy onFault)
    {
        ActivityType? activity = null;
        if (type != StepDefinition.RespondType && !activities.TryGet(type, out activity))
        {
            at.Optional("type")?.Error($"unknown activity type '{type}'{Names.Known([.. activities.Types, SequenceType, StepDefinition.RespondType])}");
            return null;
        }

        var bound = new List<InputBinding>();
        var set = new List<OutputBinding>();
        foreach (JsonCursor property in at.Properties().Where(p => !IsCommon(p.PropertyName))) ReadProperty(property, activity, bound, set);
        foreach (PropertyShape input in activity?.Inputs.Values ?? [])
        {
            if (input is { IsRequired: true, IsNullable: false } && !at.Optional(input.Name).HasValue)
                at.Error($"input '{input.Name}' ({input.TypeName}) of {type} is missing");
        }
        _assigned.UnionWith(set.Select(o => o.Variable));

        var custom = at.Optional("customProperties");
        foreach (JsonCursor property in custom?.Properties() ?? [])
        {
            if (!OwnProperties.Contains(property.PropertyName) && !ElsaProperties.Contains(property.PropertyName)) property.Error("unknown custom property");
            if (activity is null && OwnProperties.Contains(property.PropertyName)) property.Error($"{type} has no effect, so this means nothing on it");
        }
        return new StepDefinition(id, type, at.Optional("name")?.Text() ?? id)
        {
            Inputs = bound,
            Outputs = set,
            Activity = activity,
            Retry = custom?.Optional("retry") is { } retry ? ReadRetry(retry) : RetryPolicy.Never,
            Timeout = custom?.Optional("timeout")?.Duration(),
            Recovery = ReadRecovery(at, custom?.Optional("recovery"), activity),
            Compensate = ReadCompensate(custom?.Optional("compensate"), activity),
            OnFault = custom?.Optional("onFault")?.Choice<FaultPolicy>() ?? onFault,
        };
    }

    private void ReadProperty(JsonCursor at, ActivityType? activity, List<InputBinding> bound, List<OutputBinding> set)
    {
        if (at.Value.ValueKind == JsonValueKind.Null) return;
        string name = at.PropertyName;
        if (!at.IsObject($"'{name}'")) return;
        bool isOutput = at.Optional("memoryReference") is not null && at.Optional("expression") is null;
        var known = isOutput ? activity?.Outputs : activity?.Inputs;
        PropertyShape? shape = null;
        if (activity is null && isOutput)
        {
            at.Error($"{StepDefinition.RespondType} has no outputs");
            return;
        }
        if (known is not null && !known.TryGetValue(name, out shape))
        {
            at.Error($"{activity!.Name} has no {(isOutput ? "output" : "input")} '{name}'{Names.Known(known.Keys)}");
            return;
        }

        if (at.Required("typeName") is not { } typeAt || typeAt.Text() is not { } typeName) return;
        if (!TypeNames.IsKnown(typeName))
        {
            typeAt.Error($"unknown type '{typeName}'");
            return;
        }
        if (shape is not null && shape.TypeName != typeName) typeAt.Error($"'{name}' of {activity!.Name} is {shape.TypeName}, not {typeName}");

        if (isOutput)
        {
            if (ReadOutput(at, name, typeName) is { } output) set.Add(output);
        }
        else if (at.Required("expression") is { } expression && ReadExpression(expression, typeName, shape, activity) is { } read)
        {
            bound.Add(new InputBinding(name, read));
        }
    }

    private OutputBinding? ReadOutput(JsonCursor at, string name, string typeName)
    {
        if (at.Required("memoryReference")?.Required("id") is not { } idAt || idAt.Text() is not { } id) return null;
        if (!variables.TryGetValue(id, out WorkflowVariable? variable))
        {
            idAt.Error($"unknown variable '{id}'{Names.Known(variables.Keys)}");
            return null;
        }
        if (!TypeNames.IsAssignable(typeName, variable.TypeName)) idAt.Error($"variable '{id}' is {variable.TypeName}, the output is {typeName}");
        return new OutputBinding(name, id);
    }

    private Expression? ReadExpression(JsonCursor at, string typeName, PropertyShape? shape, ActivityType? activity)
    {
        switch (at.Required("type")?.Text())
        {
            case null:
                return null;
            case "Literal":
                return ReadLiteral(at, typeName, shape, activity);
            case "Input":
                if (ReadReference(at, "name") is not { } input) return null;
                if (inputs.TryGetValue(input, out WorkflowInput? declared)) CheckAssignable(at, "input", input, declared.TypeName, typeName);
                else at.Error($"unknown input '{input}'{Names.Known(inputs.Keys)}");
                return new Expression.Input(input);
            case "Variable":
                if (ReadReference(at, "id") is not { } variable) return null;
                if (!variables.TryGetValue(variable, out WorkflowVariable? found)) at.Error($"unknown variable '{variable}'{Names.Known(variables.Keys)}");
                else if (!_assigned.Contains(variable)) at.Error($"variable '{variable}' is used before a step sets it");
                else CheckAssignable(at, "variable", variable, found.TypeName, typeName);
                return new Expression.Variable(variable);
            case { } other:
                at.Error($"unknown expression type '{other}' (known: Input, Literal, Variable)");
                return null;
        }
    }

    private static Expression.Literal ReadLiteral(JsonCursor at, string typeName, PropertyShape? shape, ActivityType? activity)
    {
        // A literal null is legal: Elsa Studio writes it for an input that was left empty.
        JsonElement value = at.Value.TryGetProperty("value", out JsonElement given) ? given : JsonSerializer.SerializeToElement<object?>(null);
        JsonCursor valueAt = at.Optional("value") ?? at;
        if (value.ValueKind == JsonValueKind.Null)
        {
            if (shape is { IsRequired: true, IsNullable: false }) valueAt.Error($"'{shape.Name}' must not be null");
        }
        else if (TypeNames.Misfit(typeName, value) is { } misfit)
        {
            valueAt.Error(misfit);
        }
        else if (shape is not null && shape.TypeName == typeName && activity!.Misfit(shape.Name, value) is { } refused)
        {
            valueAt.Error(refused);
        }
        return new Expression.Literal(value);
    }

    /// <summary>Elsa writes the referenced definition as an object; a plain name is taken too.</summary>
    private static string? ReadReference(JsonCursor at, string key) =>
        at.Required("value") is not { } value ? null
        : value.Value.ValueKind == JsonValueKind.Object ? value.Required(key)?.Text()
        : value.Text();

    private static void CheckAssignable(JsonCursor at, string kind, string name, string from, string to)
    {
        if (!TypeNames.IsAssignable(from, to)) at.Error($"{kind} '{name}' is {from}, not {to}");
    }

    private static RetryPolicy ReadRetry(JsonCursor at)
    {
        if (!at.IsObject("retry")) return RetryPolicy.Never;
        foreach (JsonCursor property in at.Properties())
        {
            if (property.PropertyName is not ("initialInterval" or "backoff" or "maximumInterval" or "attempts" or "jitter"))
                property.Error("unknown property of retry");
        }
        TimeSpan initial = at.Required("initialInterval")?.Duration() ?? TimeSpan.FromSeconds(1);
        TimeSpan maximum = at.Optional("maximumInterval")?.Duration() ?? TimeSpan.FromMinutes(1);
        if (maximum < initial)
        {
            if (at.Optional("maximumInterval") is { } given) given.Error("must not be below initialInterval");
            maximum = initial;
        }
        return new RetryPolicy(
            initial,
            at.Optional("backoff")?.Number(1, 100) ?? 2,
            maximum,
            at.Optional("attempts")?.Integer(1),
            at.Optional("jitter")?.Number(0, 1) ?? 0);
    }

    private static bool ReadCompensate(JsonCursor? at, ActivityType? activity)
    {
        if (at?.Flag() is not true) return false;
        if (activity is { CanCompensate: false }) at?.Error($"{activity.Name} cannot compensate");
        return true;
    }

    private static RecoveryMode ReadRecovery(JsonCursor at, JsonCursor? given, ActivityType? activity)
    {
        if (activity is null) return RecoveryMode.Reexecute;
        RecoveryMode mode = (given is null ? activity.Recovery : given.Value.Choice<RecoveryMode>()) ?? RecoveryMode.Reexecute;
        if (mode == RecoveryMode.Transactional) (given ?? at).Error($"recovery mode {mode} is not supported yet");
        if (mode == RecoveryMode.Probe && !activity.CanProbe) (given ?? at).Error($"recovery mode {mode}: {activity.Name} cannot probe");
        return mode;
    }
}
