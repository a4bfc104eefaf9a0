namespace FlannelFlow.Workflows;

/// <summary>Reads the leaves: steps of the catalog's activity types, and the built-in ones.</summary>
internal sealed class StepReader(ActivityCatalog activities, BindingReader bindings)
{
    /// <summary>Every Elsa activity has these beside its own inputs and outputs.</summary>
    private static readonly string[] Common = ["id", "nodeId", "name", "type", "version", "customProperties", "metadata"];

    /// <summary>Elsa Studio writes these; they mean nothing to this engine.</summary>
    private static readonly string[] ElsaProperties = ["canStartWorkflow", "runAsynchronously", "source", "notesRequired", "description"];

    private static readonly string[] OwnProperties = ["retry", "timeout", "compensate", "recovery", "onFault"];

    public static bool IsCommon(string property) => Common.Contains(property);

    /// <summary>A container has none of our custom properties.</summary>
    public static void CheckNoOwnProperties(JsonCursor at, params string[] alsoKnown)
    {
        foreach (JsonCursor property in at.Optional("customProperties")?.Properties() ?? [])
        {
            if (!ElsaProperties.Contains(property.PropertyName) && !alsoKnown.Contains(property.PropertyName)) property.Error("unknown custom property of a container");
        }
    }

    public StepDefinition? Read(JsonCursor at, string id, string type, FaultPolicy onFault)
    {
        if (!StepShape.BuiltIn.TryGetValue(type, out StepShape? shape))
        {
            if (!activities.TryGet(type, out ActivityType? found))
            {
                at.Optional("type")?.Error($"unknown activity type '{type}'{Names.Known([.. activities.Types, .. ElsaTypes.Containers, .. StepShape.BuiltIn.Keys])}");
                return null;
            }
            shape = StepShape.Of(found);
        }

        var bound = new List<InputBinding>();
        var set = new List<OutputBinding>();
        var uses = new List<VariableUse>();
        foreach (JsonCursor property in at.Properties().Where(p => !IsCommon(p.PropertyName))) ReadProperty(property, type, shape, bound, set, uses);
        foreach (PropertyShape input in shape.Inputs?.Values ?? [])
        {
            if (input is { IsRequired: true, IsNullable: false } && !at.Optional(input.Name).HasValue)
                at.Error($"input '{input.Name}' ({input.TypeName}) of {type} is missing");
        }

        var custom = at.Optional("customProperties");
        foreach (JsonCursor property in custom?.Properties() ?? []) CheckCustom(property, type, shape);
        ChildDefinition? child = type == ElsaTypes.Dispatch ? ReadChild(at, custom, bound, uses) : null;
        return new StepDefinition(id, type, at.Optional("name")?.Text() ?? id)
        {
            Inputs = bound,
            Outputs = set,
            Uses = uses,
            Shape = shape,
            Child = child,
            Retry = custom?.Optional("retry") is { } retry ? ReadRetry(retry) : RetryPolicy.Never,
            Timeout = custom?.Optional("timeout")?.Duration(),
            Recovery = ReadRecovery(at, custom?.Optional("recovery"), shape.Activity),
            Compensate = child?.UndoWith is not null || ReadCompensate(custom?.Optional("compensate"), shape.Activity),
            OnFault = custom?.Optional("onFault")?.Choice<FaultPolicy>() ?? onFault,
        };
    }

    private static void CheckCustom(JsonCursor property, string type, StepShape shape)
    {
        string name = property.PropertyName;
        if (ElsaProperties.Contains(name) || shape.Takes.Contains(name)) return;
        property.Error(OwnProperties.Contains(name) ? $"this means nothing on {type}" : "unknown custom property");
    }

    private void ReadProperty(JsonCursor at, string type, StepShape shape, List<InputBinding> bound, List<OutputBinding> set, List<VariableUse> uses)
    {
        if (at.Value.ValueKind == System.Text.Json.JsonValueKind.Null) return;
        string name = at.PropertyName;
        if (!at.IsObject($"'{name}'")) return;
        bool isOutput = BindingReader.IsOutput(at);
        var known = isOutput ? shape.Outputs : shape.Inputs;
        PropertyShape? property = null;
        if (known is not null && !known.TryGetValue(name, out property))
        {
            at.Error($"{type} has no {(isOutput ? "output" : "input")} '{name}'{Names.Known(known.Keys)}");
            return;
        }

        if (BindingReader.ReadTypeName(at) is not { } typeName) return;
        if (property is not null && property.TypeName != typeName) at.Optional("typeName")?.Error($"'{name}' of {type} is {property.TypeName}, not {typeName}");

        if (isOutput)
        {
            if (bindings.ReadOutput(at, name, typeName) is { } output) set.Add(output);
        }
        else if (at.Required("expression") is { } expression && bindings.ReadExpression(expression, typeName, property, shape.Activity, uses) is { } read)
        {
            bound.Add(new InputBinding(name, read));
            if (type == ElsaTypes.Fault && name == "faultType" && read is Expression.Literal { Value.ValueKind: not System.Text.Json.JsonValueKind.Null })
                (expression.Optional("value") ?? expression).Choice<FaultKind>();
        }
    }

    private ChildDefinition? ReadChild(JsonCursor at, JsonCursor? custom, List<InputBinding> bound, List<VariableUse> uses)
    {
        bool waits = Literal(bound, "waitForCompletion", at) is { ValueKind: System.Text.Json.JsonValueKind.True };
        string? id = Literal(bound, "workflowDefinitionId", at) is { ValueKind: System.Text.Json.JsonValueKind.String } text ? text.GetString() : null;
        var inputs = new List<InputBinding>();
        foreach (JsonCursor input in custom?.Optional("inputs")?.Properties() ?? [])
        {
            if (!input.IsObject($"'{input.PropertyName}'") || BindingReader.ReadTypeName(input) is not { } typeName) continue;
            if (input.Required("expression") is { } expression && bindings.ReadExpression(expression, typeName, null, null, uses) is { } read)
                inputs.Add(new InputBinding(input.PropertyName, read));
        }
        var outputs = new List<OutputBinding>();
        foreach (JsonCursor output in custom?.Optional("outputs")?.Properties() ?? [])
        {
            if (output.IsObject($"'{output.PropertyName}'") && BindingReader.ReadTypeName(output) is { } typeName
                && bindings.ReadOutput(output, output.PropertyName, typeName) is { } read)
            {
                outputs.Add(read);
            }
        }
        JsonCursor? undo = custom?.Optional("undoWith");
        if (!waits)
        {
            custom?.Optional("outputs")?.Error("a child that is not waited for (waitForCompletion) has no outputs");
            undo?.Error("a child that is not waited for (waitForCompletion) is not undone");
        }
        if (custom?.Optional("compensate") is { } compensate && compensate.Flag() is true && undo is null)
            compensate.Error("a child that has finished is undone by a workflow: name it in 'undoWith'");
        return id is null ? null : new ChildDefinition(id, waits, inputs, outputs, undo?.Text()) { At = at };
    }

    /// <summary>What the engine must know before it runs; null too if it is not given.</summary>
    private static System.Text.Json.JsonElement? Literal(List<InputBinding> bound, string property, JsonCursor at)
    {
        switch (bound.Find(b => b.Property == property)?.Expression)
        {
            case null:
                return null;
            case Expression.Literal literal:
                return literal.Value;
            default:
                (at.Optional(property)?.Optional("expression") ?? at).Error($"'{property}' must be a Literal");
                return null;
        }
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
        if (activity.IsTransactional != (mode == RecoveryMode.Transactional))
            (given ?? at).Error($"recovery mode {mode}: {activity.Name} is {(activity.IsTransactional ? "Transactional, and nothing else" : "not transactional")}");
        if (mode == RecoveryMode.Probe && !activity.CanProbe) (given ?? at).Error($"recovery mode {mode}: {activity.Name} cannot probe");
        return mode;
    }
}
