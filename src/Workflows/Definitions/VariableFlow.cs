using System.Collections.Immutable;

namespace FlannelFlow.Workflows;

/// <summary>Finds variables that are read before a step has set them, on every way through the tree.</summary>
/// <remarks>
/// Each node maps the variables set before it to those set after it. Where ways of a flowchart meet, what either has set counts as set:
/// that a step then finds nothing is an incident of the instance.
/// </remarks>
internal static class VariableFlow
{
    public static void Check(ActivityDefinition root, IEnumerable<WorkflowVariable> variables) =>
        After(root, [.. variables.Where(v => v.Default is not null).Select(v => v.Name)], report: true);

    private static ImmutableHashSet<string> After(ActivityDefinition node, ImmutableHashSet<string> before, bool report)
    {
        foreach (VariableUse use in report ? node.Uses : [])
        {
            if (!before.Contains(use.Variable)) use.At.Error($"variable '{use.Variable}' is used before a step sets it");
        }
        switch (node)
        {
            case StepDefinition step:
                return before.Union(step.Outputs.Concat(step.Child?.Outputs ?? []).Select(o => o.Variable));
            case GatewayDefinition:
                return before;
            case SequenceDefinition sequence:
                return sequence.Activities.Aggregate(before, (set, child) => After(child, set, report));
            case IfDefinition choice:
                return Branch(choice.Then).Intersect(Branch(choice.Else));
            case ForEachDefinition loop:
                After(loop.Body, loop.CurrentValue is { } current ? before.Add(current) : before, report);
                return before;
            case ForkDefinition fork:
                var branches = fork.Branches.Select(branch => After(branch, before, report)).ToList();
                if (branches.Count == 0) return before;
                return fork.Join == JoinMode.WaitAll ? branches.Aggregate((a, b) => a.Union(b)) : branches.Aggregate((a, b) => a.Intersect(b));
            case FlowchartDefinition chart:
                return Chart(chart, before, report);
            default:
                throw new InvalidOperationException($"no flow through {node.Type}");
        }

        ImmutableHashSet<string> Branch(ActivityDefinition? branch) => branch is null ? before : After(branch, before, report);
    }

    private static ImmutableHashSet<string> Chart(FlowchartDefinition chart, ImmutableHashSet<string> before, bool report)
    {
        var into = chart.Activities.ToDictionary(a => a.Id, _ => before, StringComparer.Ordinal);
        var after = chart.Activities.ToDictionary(a => a.Id, _ => before, StringComparer.Ordinal);
        for (bool grows = true; grows;)
        {
            grows = false;
            foreach (ActivityDefinition node in chart.Activities)
            {
                into[node.Id] = chart.Connections.Where(c => c.Target == node.Id).Aggregate(before, (set, c) => set.Union(after[c.Source]));
                ImmutableHashSet<string> next = After(node, into[node.Id], report: false);
                grows |= next.Count > after[node.Id].Count;
                after[node.Id] = next;
            }
        }
        if (report)
        {
            foreach (ActivityDefinition node in chart.Activities) After(node, into[node.Id], report: true);
        }
        var last = chart.Activities.Where(a => chart.Connections.All(c => c.Source != a.Id)).Select(a => after[a.Id]).ToList();
        return last.Count == 0 ? before : last.Aggregate((a, b) => a.Intersect(b));
    }
}
