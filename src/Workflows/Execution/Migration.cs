namespace FlannelFlow.Workflows;

/// <summary>An open instance from the definition it began with to the one that is loaded now. Part of <see cref="Decider"/>, pure like it.</summary>
internal static class Migration
{
    public static void Apply(Turn turn, InstanceEvent.Altered altered)
    {
        InstanceState state = turn.State;
        if (altered.Target is not { } target) throw Alter.Refused(turn, altered.Alteration, "no definition of its id is loaded");
        if (target.Hash == state.DefinitionHash) throw Alter.Refused(turn, altered.Alteration, "it has the definition that is loaded already");
        if (state.Executions.Any(e => e.IsUnderWay)) throw Alter.Refused(turn, altered.Alteration, $"a step is under way: {Alter.Doing(state)}");
        List<string> problems = [.. Standing(state, target), .. Undoing(turn, target), .. Start(state, target)];
        if (problems.Count > 0) throw new AlterationRefusedException($"Migrate of {target.Id} {state.Id} to {target.Hash[..12]}: {string.Join("; ", problems)}");

        turn.Definition = target;
        var defaults = Values.Defaults(target);
        turn.Set(state with
        {
            DefinitionHash = target.Hash,
            Variables = defaults.SetItems(state.Variables.Where(v => target.Variables.Any(known => known.Name == v.Key))),
        });
    }

    /// <summary>Where it stands must be there, in the same containers.</summary>
    private static IEnumerable<string> Standing(InstanceState state, WorkflowDefinition target)
    {
        foreach (ExecutionState execution in state.Executions.Where(e => e.IsLive || e.AwaitsOperator))
        {
            if (target.Node(execution.ActivityId) is not { } node || node.Type != execution.ActivityType)
                yield return $"it stands at {execution.ActivityId} ({execution.ActivityType}), which is not there";
            else if (ContainerOf(target, node)?.Id != (execution.Scope is { } scope ? state.Execution(scope).ActivityId : null))
                yield return $"{execution.ActivityId} is in another container";
            else if (execution is { Progress: { } progress, Status: ExecutionStatus.Entered }
                && progress.Active.Concat(progress.Tokens).FirstOrDefault(id => node.Children.All(c => c.Id != id)) is { } gone)
                yield return $"{execution.ActivityId} stands at {gone}, which is not there";
        }
    }

    /// <summary>Sequences have no executions.</summary>
    private static ActivityDefinition? ContainerOf(WorkflowDefinition definition, ActivityDefinition node)
    {
        ActivityDefinition? around = definition.ParentOf(node);
        while (around is SequenceDefinition) around = definition.ParentOf(around);
        return around;
    }

    /// <summary>What may have to be undone must be undone by the same activity. Of a definition that does not load, any step may.</summary>
    private static IEnumerable<string> Undoing(Turn turn, WorkflowDefinition target)
    {
        foreach (ExecutionState execution in turn.State.Executions.Where(e => e.IsUndoing || e.Status is ExecutionStatus.Completed or ExecutionStatus.Faulted or ExecutionStatus.Skipped))
        {
            bool compensates = turn.Definition.IsReadable
                ? turn.Definition.Step(execution.ActivityId) is { Compensate: true }
                : execution.Progress is null && execution.ActivityType != ElsaTypes.Respond;
            if (compensates && !execution.AwaitsOperator && target.Step(execution.ActivityId)?.Type != execution.ActivityType)
                yield return $"{execution.ActivityId} ({execution.ActivityType}) has run, and is not there to be undone";
        }
    }

    private static IEnumerable<string> Start(InstanceState state, WorkflowDefinition target)
    {
        foreach (WorkflowInput input in target.Inputs)
        {
            if (state.Inputs.TryGetValue(input.Name, out var given))
            {
                if (TypeNames.Misfit(input.TypeName, given) is { } misfit) yield return $"input '{input.Name}': {misfit}";
            }
            else if (input.IsRequired)
            {
                yield return $"input '{input.Name}' was not given";
            }
        }
        foreach (WorkflowVariable variable in target.Variables)
        {
            if (state.Variables.TryGetValue(variable.Name, out var value) && TypeNames.Misfit(variable.TypeName, value) is { } misfit)
                yield return $"variable '{variable.Name}': {misfit}";
        }
        bool known = target.Lanes.All(lane => lane.Problem(state.Inputs.Keys.ToDictionary(k => k, k => new WorkflowInput(k, TypeNames.String, true))) is null);
        if (!known || !target.Lanes.Select(lane => lane.Resolve(state.Inputs)).ToHashSet().SetEquals(state.Claims)) yield return "it claims other lanes";
    }
}
