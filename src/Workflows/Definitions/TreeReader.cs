namespace FlannelFlow.Workflows;

/// <summary>Reads the tree of activities of one definition.</summary>
internal sealed class TreeReader(StepReader steps, BindingReader bindings, FaultPolicy onFault)
{
    private readonly HashSet<string> _ids = new(StringComparer.Ordinal);

    public ActivityDefinition? ReadRoot(JsonCursor at)
    {
        if (Read(at) is not { } root) return null;
        if (root is not (StepDefinition or GatewayDefinition)) return root;
        at.Error($"the root must be a container ({string.Join(", ", ElsaTypes.Containers)})");
        return null;
    }

    private ActivityDefinition? Read(JsonCursor at, bool inFlowchart = false)
    {
        if (!at.IsObject("an activity")) return null;
        string? id = at.Required("id")?.Text();
        string? type = at.Required("type")?.Text();
        if (id is not null && !_ids.Add(id)) at.Optional("id")?.Error($"duplicate activity id '{id}'");
        if (id is null || type is null) return null;
        if (ElsaTypes.Gateways.Contains(type) && !inFlowchart)
        {
            at.Optional("type")?.Error($"{type} stands in an {ElsaTypes.Flowchart} only");
            return null;
        }
        return type switch
        {
            ElsaTypes.Sequence => ReadSequence(at, id),
            ElsaTypes.Parallel => ReadParallel(at, id),
            ElsaTypes.Fork => ReadFork(at, id),
            ElsaTypes.If => ReadIf(at, id),
            ElsaTypes.ForEach => ReadForEach(at, id),
            ElsaTypes.Flowchart => ReadFlowchart(at, id),
            ElsaTypes.Start or ElsaTypes.End or ElsaTypes.FlowJoin or ElsaTypes.FlowDecision => ReadGateway(at, id, type),
            _ => steps.Read(at, id, type, onFault),
        };
    }

    private SequenceDefinition ReadSequence(JsonCursor at, string id)
    {
        CheckProperties(at, ElsaTypes.Sequence, "activities", "variables");
        return new SequenceDefinition(id, ReadChildren(at.Required("activities")));
    }

    private ForkDefinition ReadParallel(JsonCursor at, string id)
    {
        CheckProperties(at, ElsaTypes.Parallel, "activities", "variables");
        return new ForkDefinition(id, ElsaTypes.Parallel, ReadChildren(at.Required("activities")), JoinMode.WaitAll);
    }

    private ForkDefinition ReadFork(JsonCursor at, string id)
    {
        CheckProperties(at, ElsaTypes.Fork, "branches", "joinMode");
        return new ForkDefinition(id, ElsaTypes.Fork, ReadChildren(at.Required("branches")), ReadJoin(at.Optional("joinMode")));
    }

    private IfDefinition ReadIf(JsonCursor at, string id)
    {
        CheckProperties(at, ElsaTypes.If, "condition", "then", "else");
        var uses = new List<VariableUse>();
        Expression condition = ReadCondition(at, uses);
        ActivityDefinition? then = at.Optional("then") is { } thenAt ? Read(thenAt) : null;
        ActivityDefinition? otherwise = at.Optional("else") is { } elseAt ? Read(elseAt) : null;
        return new IfDefinition(id, condition, then, otherwise) { Uses = uses };
    }

    private ForEachDefinition? ReadForEach(JsonCursor at, string id)
    {
        CheckProperties(at, ElsaTypes.ForEach, "items", "currentValue", "body");
        var uses = new List<VariableUse>();
        string? itemType = null;
        Expression? items = at.Required("items") is not { } itemsAt ? null : bindings.ReadInput(
            itemsAt, "a list or Object",
            list =>
            {
                itemType = list.EndsWith("[]", StringComparison.Ordinal) ? list[..^2] : TypeNames.Object;
                return list == TypeNames.Object || list.EndsWith("[]", StringComparison.Ordinal);
            },
            uses);
        string? current = null;
        if (at.Optional("currentValue") is { } currentAt && currentAt.IsObject("'currentValue'") && BindingReader.ReadTypeName(currentAt) is { } type)
        {
            if (itemType is not null && !TypeNames.IsAssignable(itemType, type)) currentAt.Optional("typeName")?.Error($"'currentValue' is {itemType}, not {type}");
            current = bindings.ReadOutput(currentAt, "currentValue", type)?.Variable;
        }
        ActivityDefinition? body = at.Required("body") is { } bodyAt ? Read(bodyAt) : null;
        return items is null || body is null ? null : new ForEachDefinition(id, items, current, body) { Uses = uses };
    }

    private FlowchartDefinition? ReadFlowchart(JsonCursor at, string id)
    {
        CheckProperties(at, ElsaTypes.Flowchart, "activities", "connections", "start", "variables");
        int errors = at.Errors.Count;
        List<ActivityDefinition> nodes = ReadChildren(at.Required("activities"), inFlowchart: true);
        // With an unknown activity, every connection to it would be another error.
        if (at.Errors.Count > errors) return null;
        var byId = nodes.ToDictionary(n => n.Id, StringComparer.Ordinal);
        List<FlowConnection> connections = [.. (at.Optional("connections")?.Items() ?? []).Select(c => ReadConnection(c, byId)).OfType<FlowConnection>()];
        string? start = at.Optional("start") is { } startAt ? ReadNodeId(startAt, byId) : FindStart(at, nodes, connections);
        if (start is null || at.Errors.Count > errors) return null;
        var chart = new FlowchartDefinition(id, nodes, connections, start);
        foreach (ActivityDefinition node in nodes)
        {
            if (node.Id != start && !chart.CanReach(start, node.Id, [])) at.Error($"no connection leads from '{start}', where the flowchart starts, to '{node.Id}'");
            if (node is GatewayDefinition { Type: ElsaTypes.FlowJoin, Join: JoinMode.WaitAny } && chart.CanReach(node.Id, node.Id, []))
                at.Error($"'{node.Id}' waits for any, and cannot stand in a loop");
        }
        return chart;
    }

    private static string? FindStart(JsonCursor at, List<ActivityDefinition> nodes, List<FlowConnection> connections)
    {
        string[] starts = [.. nodes.Where(n => n.Type == ElsaTypes.Start).Select(n => n.Id)];
        if (starts.Length == 0) starts = [.. nodes.Where(n => connections.All(c => c.Target != n.Id)).Select(n => n.Id)];
        if (starts.Length == 1) return starts[0];
        at.Error(starts.Length == 0 ? "it is not said where the flowchart starts" : $"where the flowchart starts is ambiguous: {string.Join(", ", starts)}; name it in 'start'");
        return null;
    }

    private static FlowConnection? ReadConnection(JsonCursor at, Dictionary<string, ActivityDefinition> nodes)
    {
        if (!at.IsObject("a connection")) return null;
        foreach (JsonCursor property in at.Properties())
        {
            if (property.PropertyName is not ("source" or "target" or "vertices")) property.Error("unknown property of a connection (Elsa 3: source, target, vertices)");
        }
        var (source, sourcePort, portAt) = ReadEnd(at.Required("source"), nodes);
        var (target, targetPort, targetPortAt) = ReadEnd(at.Required("target"), nodes);
        if (targetPort is not (null or "In")) targetPortAt?.Error($"unknown port '{targetPort}' of a target (known: In)");
        if (source is null || target is null) return null;
        IReadOnlyList<string> ports = FlowchartDefinition.PortsOf(nodes[source]);
        string port = sourcePort ?? FlowchartDefinition.Done;
        if (ports.Contains(port)) return new FlowConnection(source, port, target);
        (portAt ?? at).Error($"{nodes[source].Type} has no port '{port}'{Names.Known(ports)}");
        return null;
    }

    private static (string? Id, string? Port, JsonCursor? PortAt) ReadEnd(JsonCursor? at, Dictionary<string, ActivityDefinition> nodes)
    {
        if (at is not { } end || !end.IsObject("an end of a connection")) return default;
        JsonCursor? portAt = end.Optional("port");
        return (end.Required("activity") is { } idAt ? ReadNodeId(idAt, nodes) : null, portAt?.Text(), portAt);
    }

    private static string? ReadNodeId(JsonCursor at, Dictionary<string, ActivityDefinition> nodes)
    {
        if (at.Text() is not { } id) return null;
        if (nodes.ContainsKey(id)) return id;
        at.Error($"no activity '{id}' in this flowchart{Names.Known(nodes.Keys)}");
        return null;
    }

    private GatewayDefinition ReadGateway(JsonCursor at, string id, string type)
    {
        CheckProperties(at, type, type switch { ElsaTypes.FlowDecision => ["condition"], ElsaTypes.FlowJoin => ["mode"], _ => [] });
        var uses = new List<VariableUse>();
        Expression? condition = type == ElsaTypes.FlowDecision ? ReadCondition(at, uses) : null;
        return new GatewayDefinition(id, type, condition, ReadJoin(at.Optional("mode"))) { Uses = uses };
    }

    private Expression ReadCondition(JsonCursor at, List<VariableUse> uses) =>
        (at.Required("condition") is { } condition ? bindings.ReadInput(condition, "Boolean", type => type == "Boolean", uses) : null)
        ?? new Expression.Literal(default);

    /// <summary>Elsa writes it plain, or as a literal in an input of the enumeration's type.</summary>
    private static JoinMode ReadJoin(JsonCursor? at)
    {
        if (at is not { } given) return JoinMode.WaitAll;
        if (given.Value.ValueKind != System.Text.Json.JsonValueKind.Object) return given.Choice<JoinMode>() ?? JoinMode.WaitAll;
        if (given.Required("expression") is not { } expression) return JoinMode.WaitAll;
        if (expression.Required("type") is { } type && type.Text() is { } name && name != "Literal") type.Error("the mode must be a Literal");
        return expression.Required("value")?.Choice<JoinMode>() ?? JoinMode.WaitAll;
    }

    private List<ActivityDefinition> ReadChildren(JsonCursor? at, bool inFlowchart = false) =>
        [.. (at?.Items() ?? []).Select(child => Read(child, inFlowchart)).OfType<ActivityDefinition>()];

    private static void CheckProperties(JsonCursor at, string type, params string[] known)
    {
        foreach (JsonCursor property in at.Properties())
        {
            if (!known.Contains(property.PropertyName) && !StepReader.IsCommon(property.PropertyName)) property.Error($"unknown property of {type}{Names.Known(known)}");
        }
        if (known.Contains("variables") && at.Optional("variables") is { } scoped && scoped.Items().Any())
            scoped.Error("variables belong to the workflow, not to a container");
        StepReader.CheckNoOwnProperties(at, "notFoundConnections");
    }
}
