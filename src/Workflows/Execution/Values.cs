using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FlannelFlow.Workflows;

/// <summary>Inputs, variables and outputs as JSON values.</summary>
internal static class Values
{
    /// <summary>A start's input against the definition's; all that does not fit is in one <see cref="InvalidStartException"/>.</summary>
    public static ImmutableDictionary<string, JsonElement> CheckInput(WorkflowDefinition definition, JsonObject input)
    {
        var values = JsonSerializer.SerializeToElement(input, WorkflowJson.Options).EnumerateObject()
            .Where(p => p.Value.ValueKind != JsonValueKind.Null)
            .ToImmutableDictionary(p => p.Name, p => p.Value, StringComparer.Ordinal);
        var problems = new List<string>();
        foreach ((string name, JsonElement value) in values.OrderBy(v => v.Key, StringComparer.Ordinal))
        {
            if (definition.Inputs.FirstOrDefault(i => i.Name == name) is not { } declared) problems.Add($"unknown input '{name}'");
            else if (TypeNames.Misfit(declared.TypeName, value) is { } misfit) problems.Add($"input '{name}': {misfit}");
        }
        problems.AddRange(definition.Inputs.Where(i => i.IsRequired && !values.ContainsKey(i.Name)).Select(i => $"input '{i.Name}' is missing"));
        return problems.Count == 0 ? values : throw new InvalidStartException($"starting {definition.Id}: {string.Join("; ", problems)}");
    }

    public static ImmutableDictionary<string, JsonElement> Defaults(WorkflowDefinition definition) =>
        definition.Variables.Where(v => v.Default is not null)
            .ToImmutableDictionary(v => v.Name, v => v.Default!.Value, StringComparer.Ordinal);

    /// <summary>The step's input as a JSON object, and what is wrong with it, if anything is.</summary>
    public static (string Json, string? Problem) Resolve(StepDefinition step, InstanceState state)
    {
        var values = step.Inputs.Select(b => (b.Property, Value: Evaluate(b.Expression, state))).ToDictionary(v => v.Property, v => v.Value, StringComparer.Ordinal);
        string? problem = null;
        foreach (PropertyShape shape in step.Shape.Inputs?.Values ?? [])
        {
            bool isNull = !values.TryGetValue(shape.Name, out JsonElement? value) || value is null || value.Value.ValueKind == JsonValueKind.Null;
            if (!isNull) continue;
            // Null means "not given": the record's default holds, or null where it takes that.
            if (shape.IsRequired && shape.IsNullable) values[shape.Name] = null;
            else if (shape.IsRequired) problem ??= $"input '{shape.Name}' of {step.Type} has no value: {(step.Inputs.FirstOrDefault(b => b.Property == shape.Name) is { } binding ? Origin(binding.Expression) : "it is null")}";
            else values.Remove(shape.Name);
        }
        if (step.Child is { Inputs.Count: > 0 } child) values["input"] = ChildInput(child, values.GetValueOrDefault("input"), state);
        return (Write(values.Select(v => (v.Key, v.Value))), problem);
    }

    /// <summary>What the step's own input gives, with what is bound one by one.</summary>
    private static JsonElement ChildInput(ChildDefinition child, JsonElement? given, InstanceState state)
    {
        var input = given is { ValueKind: JsonValueKind.Object } some
            ? some.EnumerateObject().ToDictionary(p => p.Name, p => (JsonElement?)p.Value, StringComparer.Ordinal)
            : [];
        foreach (InputBinding binding in child.Inputs) input[binding.Property] = Evaluate(binding.Expression, state);
        using JsonDocument written = JsonDocument.Parse(Write(input.Select(v => (v.Key, v.Value))));
        return written.RootElement.Clone();
    }

    /// <summary>
    /// What an operator gives as a step's outputs, as JSON. Throws <see cref="InvalidAlterationException"/> with all that does not fit:
    /// an output that the activity has not, one of another type, one missing that the definition binds.
    /// </summary>
    public static string CheckOutputs(ActivityDefinition node, JsonObject given)
    {
        JsonElement values = JsonSerializer.SerializeToElement(given, WorkflowJson.Options);
        var step = node as StepDefinition;
        var known = step?.Shape.Outputs ?? new Dictionary<string, PropertyShape>();
        var problems = new List<string>();
        foreach (JsonProperty value in values.EnumerateObject())
        {
            if (!known.TryGetValue(value.Name, out PropertyShape? shape)) problems.Add($"{node.Type} has no output '{value.Name}'{Names.Known(known.Keys)}");
            else if (TypeNames.Misfit(shape.TypeName, value.Value) is { } misfit) problems.Add($"output '{value.Name}': {misfit}");
        }
        problems.AddRange((step?.Outputs ?? []).Where(b => !given.ContainsKey(b.Property)).Select(b => $"output '{b.Property}' is missing, which sets variable '{b.Variable}'"));
        if (step?.Child is { Outputs.Count: > 0 } && !given.ContainsKey("result")) problems.Add("output 'result' is missing: an object of the child's outputs");
        return problems.Count == 0 ? values.GetRawText() : throw new InvalidAlterationException($"skipping {node.Id}: {string.Join("; ", problems)}");
    }

    /// <summary>The definition's outputs from the variables of their names.</summary>
    public static string Outputs(WorkflowDefinition definition, InstanceState state) =>
        Write(definition.Outputs.Select(name => (name, state.Variables.TryGetValue(name, out JsonElement value) ? value : (JsonElement?)null)));

    public static string Write(IEnumerable<(string Name, JsonElement? Value)> values)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, WorkflowJson.Compact))
        {
            writer.WriteStartObject();
            foreach ((string name, JsonElement? value) in values)
            {
                writer.WritePropertyName(name);
                if (value is { } given) given.WriteTo(writer);
                else writer.WriteNullValue();
            }
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    public static string Write(ImmutableDictionary<string, JsonElement> values) =>
        Write(values.OrderBy(v => v.Key, StringComparer.Ordinal).Select(v => (v.Key, (JsonElement?)v.Value)));

    public static ImmutableDictionary<string, JsonElement> Read(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.EnumerateObject().ToImmutableDictionary(p => p.Name, p => p.Value.Clone(), StringComparer.Ordinal);
    }

    public static JsonElement? Evaluate(Expression expression, InstanceState state) => expression switch
    {
        Expression.Literal literal => literal.Value,
        Expression.Input input => state.Inputs.TryGetValue(input.Name, out JsonElement value) ? value : null,
        Expression.Variable variable => state.Variables.TryGetValue(variable.Name, out JsonElement value) ? value : null,
        _ => throw new InvalidOperationException($"no value for {expression}"),
    };

    /// <summary>Why it has no value.</summary>
    public static string Origin(Expression expression) => expression switch
    {
        Expression.Input input => $"workflow input '{input.Name}' was not given",
        Expression.Variable variable => $"variable '{variable.Name}' is not set",
        _ => "it is null",
    };
}
