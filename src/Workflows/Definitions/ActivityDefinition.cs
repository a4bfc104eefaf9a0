namespace FlannelFlow.Workflows;

/// <summary>A node of the definition's tree.</summary>
public abstract record ActivityDefinition(string Id, string Type)
{
    internal virtual IEnumerable<ActivityDefinition> Children => [];

    /// <summary>The variables that its own inputs read, with their places in the file.</summary>
    internal IReadOnlyList<VariableUse> Uses { get; init; } = [];
}

internal sealed record VariableUse(string Variable, JsonCursor At);

/// <summary>Elsa.Sequence: one after the other.</summary>
public sealed record SequenceDefinition(string Id, IReadOnlyList<ActivityDefinition> Activities) : ActivityDefinition(Id, ElsaTypes.Sequence)
{
    internal override IEnumerable<ActivityDefinition> Children => Activities;
}

/// <summary>Elsa.Parallel, Elsa.Fork: all at once.</summary>
public sealed record ForkDefinition(string Id, string Type, IReadOnlyList<ActivityDefinition> Branches, JoinMode Join) : ActivityDefinition(Id, Type)
{
    internal override IEnumerable<ActivityDefinition> Children => Branches;
}

/// <summary>When a container of branches, or a join, goes on.</summary>
public enum JoinMode
{
    WaitAll,

    /// <summary>With the first; a fork gives the other branches up, and what ran in them is in doubt.</summary>
    WaitAny,
}

/// <summary>Elsa.If.</summary>
public sealed record IfDefinition(string Id, Expression Condition, ActivityDefinition? Then, ActivityDefinition? Else) : ActivityDefinition(Id, ElsaTypes.If)
{
    internal override IEnumerable<ActivityDefinition> Children => new[] { Then, Else }.OfType<ActivityDefinition>();
}

/// <summary>Elsa.ForEach: the body once for each item, one after the other.</summary>
/// <param name="CurrentValue">The variable that has the item during its turn.</param>
public sealed record ForEachDefinition(string Id, Expression Items, string? CurrentValue, ActivityDefinition Body) : ActivityDefinition(Id, ElsaTypes.ForEach)
{
    internal override IEnumerable<ActivityDefinition> Children => [Body];
}

/// <summary>Elsa.Start, Elsa.End, Elsa.FlowJoin, Elsa.FlowDecision: a node of a flowchart without an effect.</summary>
/// <param name="Condition">Of a FlowDecision: its port is True or False.</param>
public sealed record GatewayDefinition(string Id, string Type, Expression? Condition, JoinMode Join) : ActivityDefinition(Id, Type);

/// <summary>One activity type of the catalog, or one of the built-in steps; a leaf.</summary>
public sealed record StepDefinition(string Id, string Type, string Name) : ActivityDefinition(Id, Type)
{
    public required IReadOnlyList<InputBinding> Inputs { get; init; }
    public required IReadOnlyList<OutputBinding> Outputs { get; init; }
    public required RetryPolicy Retry { get; init; }

    /// <summary>Per attempt.</summary>
    public TimeSpan? Timeout { get; init; }

    public bool Compensate { get; init; }

    public RecoveryMode Recovery { get; init; }

    public FaultPolicy OnFault { get; init; }

    /// <summary>Of Elsa.DispatchWorkflow.</summary>
    public ChildDefinition? Child { get; init; }

    internal StepShape Shape { get; init; } = StepShape.Respond;

    internal bool IsRespond => Type == ElsaTypes.Respond;

    /// <summary>The activity behind it; null for built-ins.</summary>
    internal ActivityType? Activity => Shape.Activity;
}

/// <summary>The workflow that an Elsa.DispatchWorkflow starts.</summary>
/// <param name="Waits">The step is over when the child is; else when the child is accepted.</param>
/// <param name="Inputs">By the child's input names, beside those of the step's own <c>input</c>.</param>
/// <param name="Outputs">The child's outputs into variables.</param>
/// <param name="UndoWith">The definition that undoes a child that has finished, started with the same input.</param>
public sealed record ChildDefinition(
    string DefinitionId, bool Waits, IReadOnlyList<InputBinding> Inputs, IReadOnlyList<OutputBinding> Outputs, string? UndoWith)
{
    internal JsonCursor At { get; init; }
}
