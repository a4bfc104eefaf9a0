using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>A loaded and checked definition. Immutable; made by <see cref="DefinitionLoader"/> only.</summary>
/// <remarks>Its identity is <see cref="Hash"/>: an instance goes on with the definition of the hash it began with.</remarks>
public sealed class WorkflowDefinition
{
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
    public required SequenceDefinition Root { get; init; }

    /// <summary>The steps in the order in which they run.</summary>
    public required IReadOnlyList<StepDefinition> Steps { get; init; }

    /// <summary>False for one of the past that does not load any more.</summary>
    internal bool IsReadable => Json.Length > 0;

    public StepDefinition? Step(string activityId) => Steps.FirstOrDefault(s => s.Id == activityId);

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
        Steps = [],
    };

    /// <summary>The step that follows, or the first for null.</summary>
    internal StepDefinition? StepAfter(string? activityId)
    {
        if (activityId is null) return Steps.Count == 0 ? null : Steps[0];
        for (int i = 0; i < Steps.Count - 1; i++)
        {
            if (Steps[i].Id == activityId) return Steps[i + 1];
        }
        return null;
    }
}

public sealed record WorkflowInput(string Name, string TypeName, bool IsRequired);

/// <summary>A variable; its value is null until a step's output or its own default sets it.</summary>
public sealed record WorkflowVariable(string Name, string TypeName, JsonElement? Default);

/// <summary>A node of the definition's tree.</summary>
public abstract record ActivityDefinition(string Id);

/// <summary>Elsa.Sequence.</summary>
public sealed record SequenceDefinition(string Id, IReadOnlyList<ActivityDefinition> Activities) : ActivityDefinition(Id);

/// <summary>A leaf: an execution of an activity type.</summary>
public sealed record StepDefinition(string Id, string Type, string Name) : ActivityDefinition(Id)
{
    public const string RespondType = "FlannelFlow.Respond";

    public required IReadOnlyList<InputBinding> Inputs { get; init; }
    public required IReadOnlyList<OutputBinding> Outputs { get; init; }
    public required RetryPolicy Retry { get; init; }

    /// <summary>Per attempt.</summary>
    public TimeSpan? Timeout { get; init; }

    public bool Compensate { get; init; }

    public RecoveryMode Recovery { get; init; }

    public FaultPolicy OnFault { get; init; }

    internal bool IsRespond => Type == RespondType;

    /// <summary>The activity behind it; null for built-ins.</summary>
    internal ActivityType? Activity { get; init; }
}

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
