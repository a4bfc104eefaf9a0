using System.Text.Json;
using System.Text.RegularExpressions;

namespace FlannelFlow.Workflows;

public enum LaneMode
{
    Shared,
    Exclusive,
}

/// <summary>A claim on a lane, such as Exclusive <c>net/4f2a</c>, held by an instance until it is terminal.</summary>
public sealed record LaneClaim(string Key, LaneMode Mode);

/// <summary>A lane, at one moment.</summary>
/// <param name="Mode">In which the instance claims it; of all lanes, the strongest that anybody does.</param>
/// <param name="Holders">Instances that hold it.</param>
/// <param name="Waiters">In the order of their arrival.</param>
public sealed record LaneView(string Key, LaneMode Mode, IReadOnlyList<InstanceId> Holders, IReadOnlyList<InstanceId> Waiters);

/// <summary>A claim of a definition; {Name} stands for the workflow input of that name.</summary>
public sealed partial record LaneTemplate(string Key, LaneMode Mode)
{
    /// <summary>The key with the names of its placeholders left out.</summary>
    internal string Shape => Placeholder().Replace(Key, "{}");

    /// <summary>What is wrong with the placeholders, or null.</summary>
    internal string? Problem(IReadOnlyDictionary<string, WorkflowInput> inputs)
    {
        if (Placeholder().Replace(Key, "").IndexOfAny(['{', '}']) >= 0) return $"'{Key}' has a brace that is no placeholder {{Input}}";
        foreach (Match match in Placeholder().Matches(Key))
        {
            string name = match.Groups[1].Value;
            if (!inputs.TryGetValue(name, out WorkflowInput? input)) return $"placeholder {{{name}}} is no input{Names.Known(inputs.Keys)}";
            if (input.TypeName == TypeNames.Object || input.TypeName.EndsWith("[]", StringComparison.Ordinal))
                return $"placeholder {{{name}}} is {input.TypeName}, which makes no lane key";
            if (!input.IsRequired) return $"placeholder {{{name}}} is an input that may be absent";
        }
        return null;
    }

    internal LaneClaim Resolve(IReadOnlyDictionary<string, JsonElement> inputs) =>
        new(Placeholder().Replace(Key, match => inputs[match.Groups[1].Value].ToString()), Mode);

    [GeneratedRegex(@"\{([A-Za-z_][A-Za-z0-9_]*)\}")]
    private static partial Regex Placeholder();
}
