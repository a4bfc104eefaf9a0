namespace FlannelFlow.Workflows;

/// <summary>Checks what definitions say of each other; for those that are loaded together.</summary>
internal static class ChildCheck
{
    public static void Check(WorkflowDefinition parent, IReadOnlyDictionary<string, WorkflowDefinition> known)
    {
        foreach (StepDefinition step in parent.Steps.Where(s => s.Child is not null))
        {
            ChildDefinition child = step.Child!;
            if (!known.TryGetValue(child.DefinitionId, out WorkflowDefinition? definition))
            {
                Error(child, "workflowDefinitionId", $"no such definition '{child.DefinitionId}'{Names.Known(known.Keys)}");
                continue;
            }
            CheckBindings(child, step, definition);
            if (child.Waits) CheckLanes(child, parent, definition);
            if (child.UndoWith is { } undo && !known.ContainsKey(undo)) child.At.Error($"undoWith: no such definition '{undo}'{Names.Known(known.Keys)}");
        }
    }

    private static void CheckBindings(ChildDefinition child, StepDefinition step, WorkflowDefinition definition)
    {
        var inputs = definition.Inputs.ToDictionary(i => i.Name, StringComparer.Ordinal);
        foreach (InputBinding binding in child.Inputs.Where(b => !inputs.ContainsKey(b.Property)))
            child.At.Error($"{definition.Id} has no input '{binding.Property}'{Names.Known(inputs.Keys)}");
        // What an object brings is known when it runs.
        if (step.Inputs.All(b => b.Property != "input"))
        {
            foreach (WorkflowInput input in definition.Inputs.Where(i => i.IsRequired && child.Inputs.All(b => b.Property != i.Name)))
                child.At.Error($"input '{input.Name}' of {definition.Id} is missing");
        }
        foreach (OutputBinding binding in child.Outputs.Where(b => !definition.Outputs.Contains(b.Property)))
            child.At.Error($"{definition.Id} has no output '{binding.Property}'{Names.Known(definition.Outputs)}");
    }

    /// <summary>By their texts, with the placeholders alike; whether they are the same lanes shows when it runs.</summary>
    private static void CheckLanes(ChildDefinition child, WorkflowDefinition parent, WorkflowDefinition definition)
    {
        foreach (LaneTemplate lane in definition.Lanes)
        {
            if (!parent.Lanes.Any(held => held.Shape == lane.Shape && held.Mode >= lane.Mode))
                child.At.Error($"{definition.Id} claims {lane.Mode} {lane.Key}, and runs within the lanes of {parent.Id}, which does not: it must claim that too");
        }
    }

    private static void Error(ChildDefinition child, string property, string message) => (child.At.Optional(property) ?? child.At).Error(message);
}
