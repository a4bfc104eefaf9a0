using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>Reads what binds activities to inputs and variables: <c>{"typeName": …, "expression": …}</c> and <c>{"typeName": …, "memoryReference": …}</c>.</summary>
internal sealed class BindingReader(IReadOnlyDictionary<string, WorkflowInput> inputs, IReadOnlyDictionary<string, WorkflowVariable> variables)
{
    /// <summary>Elsa writes a memory reference to inputs too; an output is what has nothing else.</summary>
    public static bool IsOutput(JsonCursor at) => at.Optional("memoryReference") is not null && at.Optional("expression") is null;

    /// <summary>The type that the binding says it has, if it is one.</summary>
    public static string? ReadTypeName(JsonCursor at)
    {
        if (at.Required("typeName") is not { } typeAt || typeAt.Text() is not { } typeName) return null;
        if (TypeNames.IsKnown(typeName)) return typeName;
        typeAt.Error($"unknown type '{typeName}'");
        return null;
    }

    /// <summary>An input of a container: of that type, and not null.</summary>
    /// <param name="fits">Whether a type of the file serves.</param>
    public Expression? ReadInput(JsonCursor at, string expected, Func<string, bool> fits, List<VariableUse> uses)
    {
        if (!at.IsObject($"'{at.PropertyName}'") || ReadTypeName(at) is not { } typeName) return null;
        if (!fits(typeName))
        {
            at.Optional("typeName")?.Error($"'{at.PropertyName}' is {expected}, not {typeName}");
            return null;
        }
        return at.Required("expression") is { } expression
            ? ReadExpression(expression, typeName, new PropertyShape(at.PropertyName, typeName, typeof(JsonElement), IsRequired: true, IsNullable: false), null, uses)
            : null;
    }

    public OutputBinding? ReadOutput(JsonCursor at, string name, string typeName)
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

    public Expression? ReadExpression(JsonCursor at, string typeName, PropertyShape? shape, ActivityType? activity, List<VariableUse> uses)
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
                if (!variables.TryGetValue(variable, out WorkflowVariable? found))
                {
                    at.Error($"unknown variable '{variable}'{Names.Known(variables.Keys)}");
                    return null;
                }
                CheckAssignable(at, "variable", variable, found.TypeName, typeName);
                uses.Add(new VariableUse(variable, at));
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
        else if (activity is not null && shape is not null && shape.TypeName == typeName && activity.Misfit(shape.Name, value) is { } refused)
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
}
