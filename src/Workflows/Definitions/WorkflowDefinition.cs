using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>A loaded and checked definition. Immutable; made by <see cref="DefinitionLoader"/> only.</summary>
/// <remarks>Its identity is <see cref="Hash"/>: an instance goes on with the definition of the hash it began with.</remarks>
public sealed class WorkflowDefinition
{
    private readonly Dictionary<string, ActivityDefinition> _nodes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ActivityDefinition> _parents = new(StringComparer.Ordinal);

    public required string Id { get; init; }

    /// <summary>As written in the file.</summary>
    public required int Version { get; init; }

    public required string Name { get; init; }

    /// <summary>Lower-case hex SHA-256 of <see cref="Json"/>.</summary>
    public required string Hash { get; init; }

    /// <summary>Canonical: no white space, keys in ordinal order.</summary>
    public required string Json { get; init; }

    public required IReadOnlyList<WorkflowInput> Inputs { get; init; }
    public required IReadOnlyList<WorkflowVariable> Variables { get; init; }

    /// <summary>Names of the variables that make up the output of an instance that finishes.</summary>
    public required IReadOnlyList<string> Outputs { get; init; }

    public required IReadOnlyList<LaneTemplate> Lanes { get; init; }
    public required FaultPolicy OnFault { get; init; }

    /// <summary>From acceptance to the end of an instance; null is without end.</summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>A container. Ids are unique in the whole tree.</summary>
    public required ActivityDefinition Root
    {
        get;
        init
        {
            field = value;
            Index(value, null);
        }
    }

    /// <summary>The steps in the order of the document, which in nested sequences is the order in which they run.</summary>
    public IReadOnlyList<StepDefinition> Steps => [.. _nodes.Values.OfType<StepDefinition>()];

    /// <summary>False for one of the past that does not load any more.</summary>
    internal bool IsReadable => Json.Length > 0;

    public StepDefinition? Step(string activityId) => Node(activityId) as StepDefinition;

    internal ActivityDefinition? Node(string activityId) => _nodes.GetValueOrDefault(activityId);

    /// <summary>The container around it; null for the root.</summary>
    internal ActivityDefinition? ParentOf(ActivityDefinition node) => _parents.GetValueOrDefault(node.Id);

    private void Index(ActivityDefinition node, ActivityDefinition? parent)
    {
        // A duplicate is a load error; the definition is not used then.
        _nodes.TryAdd(node.Id, node);
        if (parent is not null) _parents.TryAdd(node.Id, parent);
        foreach (ActivityDefinition child in node.Children) Index(child, node);
    }

    /// <summary>Stands for a definition of the past that does not load any more: it has no steps, so nothing runs.</summary>
    internal static WorkflowDefinition Unreadable(string id, string hash) => new()
    {
        Id = id,
        Version = 0,
        Name = id,
        Hash = hash,
        Json = "",
        Inputs = [],
        Variables = [],
        Outputs = [],
        Lanes = [],
        OnFault = FaultPolicy.Suspend,
        Root = new SequenceDefinition("", []),
    };
}

public sealed record WorkflowInput(string Name, string TypeName, bool IsRequired);

/// <summary>A variable; its value is null until a step's output or its own default sets it.</summary>
public sealed record WorkflowVariable(string Name, string TypeName, JsonElement? Default);

public sealed record InputBinding(string Property, Expression Expression);

/// <summary>Sets <paramref name="Variable"/> to <paramref name="Property"/> of the step's output.</summary>
public sealed record OutputBinding(string Property, string Variable);

public abstract record Expression
{
    public sealed record Literal(JsonElement Value) : Expression;

    public sealed record Variable(string Name) : Expression;

    public sealed record Input(string Name) : Expression;
}

/// <summary>What follows a fault that is not retried any more.</summary>
public enum FaultPolicy
{
    /// <summary>Undo, in reverse, what completed or is in doubt.</summary>
    Compensate,

    /// <summary>Open an incident and wait for an operator, lanes held.</summary>
    Suspend,

    /// <summary>Go on with the next step.</summary>
    Continue,
}
