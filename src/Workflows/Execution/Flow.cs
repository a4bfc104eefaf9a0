using System.Collections.Immutable;
using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>The way through the definition's tree: what begins when something is over. Part of <see cref="Decider"/>, pure like it.</summary>
/// <remarks>
/// Nodes are entered and left by <see cref="Move"/>s on the turn's stack, not by recursion: a loop over ten thousand items that has no
/// effect must not overflow the thread's. Sequences have no state: where one stands is known from the step that is over. Each of the
/// other containers has an execution, with its <see cref="Progress"/>.
/// </remarks>
internal static class Flow
{
    /// <summary>A loop in a flowchart that has no effect would never end its turn.</summary>
    private const int MoveLimit = 1_000_000;

    public static void Enter(Turn turn, ActivityDefinition node, int? scope) => turn.Push(new Move(node, scope, null));

    public static void Leave(Turn turn, ActivityDefinition node, int? scope, string port = FlowchartDefinition.Done) => turn.Push(new Move(node, scope, port));

    /// <summary>Makes all moves; those left when the instance turns to undoing, or is over, are void.</summary>
    public static void Run(Turn turn)
    {
        for (int moves = 0; turn.TryPop(out Move move); moves++)
        {
            if (moves == MoveLimit) throw new InvalidOperationException($"{move.Node.Id}: {MoveLimit} moves without a step that has an effect");
            if (turn.State.Status is not (InstanceStatus.Running or InstanceStatus.Suspended)) continue;
            // A fork that waits for any may be over before all of its branches have begun.
            if (move.Scope is { } scope && turn.State.Execution(scope).Status != ExecutionStatus.Entered) continue;
            if (move.Port is null) Into(turn, move.Node, move.Scope);
            else OutOf(turn, move.Node, move.Scope, move.Port);
        }
    }

    private static void Into(Turn turn, ActivityDefinition node, int? scope)
    {
        switch (node)
        {
            case StepDefinition step:
                Decider.Begin(turn, step, scope, Values.Resolve(step, turn.State));
                break;
            case SequenceDefinition sequence:
                if (sequence.Activities.Count > 0) Enter(turn, sequence.Activities[0], scope);
                else Leave(turn, sequence, scope);
                break;
            case IfDefinition choice:
                Choose(turn, choice, scope);
                break;
            case ForEachDefinition loop:
                Loop(turn, loop, scope);
                break;
            case ForkDefinition fork:
                ExecutionState forked = Open(turn, fork, scope, "{}", Progress.Begin with { Active = [.. fork.Branches.Select(b => b.Id)] });
                if (fork.Branches.Count == 0) Close(turn, fork, forked);
                // The stack turns the order around: the first branch begins first.
                foreach (ActivityDefinition branch in fork.Branches.Reverse()) Enter(turn, branch, forked.Seq);
                break;
            case FlowchartDefinition chart:
                ExecutionState charted = Open(turn, chart, scope, "{}", Progress.Begin);
                Arrive(turn, chart, charted, [chart.Start]);
                break;
            case GatewayDefinition gateway:
                Pass(turn, gateway, scope);
                break;
            default:
                throw new InvalidOperationException($"no way into {node.Type} {node.Id}");
        }
    }

    private static void OutOf(Turn turn, ActivityDefinition node, int? scope, string port)
    {
        ActivityDefinition? parent = turn.Definition.ParentOf(node);
        switch (parent)
        {
            case null:
                Decider.Finish(turn);
                break;
            case SequenceDefinition sequence:
                int next = IndexOf(sequence.Activities, node) + 1;
                if (next < sequence.Activities.Count) Enter(turn, sequence.Activities[next], scope);
                else Leave(turn, sequence, scope);
                break;
            case IfDefinition:
                Close(turn, parent, ScopeOf(turn, scope));
                break;
            case ForEachDefinition loop:
                ExecutionState looping = ScopeOf(turn, scope);
                Iterate(turn, loop, looping with { Progress = looping.Progress! with { Index = looping.Progress.Index + 1 } });
                break;
            case ForkDefinition fork:
                Join(turn, fork, ScopeOf(turn, scope), node);
                break;
            case FlowchartDefinition chart:
                ExecutionState charted = ScopeOf(turn, scope);
                charted = charted with { Progress = charted.Progress! with { Active = charted.Progress.Active.Remove(node.Id) } };
                Arrive(turn, chart, charted, chart.Targets(node.Id, port));
                break;
            default:
                throw new InvalidOperationException($"no way out of {node.Id} in {parent.Type} {parent.Id}");
        }
    }

    private static void Choose(Turn turn, IfDefinition choice, int? scope)
    {
        if (Condition(turn, choice, scope, choice.Condition) is not { } holds) return;
        ExecutionState chosen = Open(turn, choice, scope, ConditionInput(holds), Progress.Begin);
        if ((holds ? choice.Then : choice.Else) is { } branch) Enter(turn, branch, chosen.Seq);
        else Close(turn, choice, chosen);
    }

    private static void Loop(Turn turn, ForEachDefinition loop, int? scope)
    {
        JsonElement? items = Values.Evaluate(loop.Items, turn.State);
        if (items is not { ValueKind: JsonValueKind.Array } list)
        {
            Fault(turn, loop, scope, $"'items' is no list: {items?.GetRawText() ?? Values.Origin(loop.Items)}");
            return;
        }
        Iterate(turn, loop, Open(turn, loop, scope, Values.Write([("items", list)]), Progress.Begin));
    }

    private static void Iterate(Turn turn, ForEachDefinition loop, ExecutionState execution)
    {
        int index = execution.Progress!.Index;
        using JsonDocument input = JsonDocument.Parse(execution.Input);
        JsonElement items = input.RootElement.GetProperty("items");
        if (index >= items.GetArrayLength())
        {
            Close(turn, loop, execution);
            return;
        }
        turn.Set(execution);
        if (loop.CurrentValue is { } variable)
            turn.Set(turn.State with { Variables = turn.State.Variables.SetItem(variable, items[index].Clone()) });
        Enter(turn, loop.Body, execution.Seq);
    }

    private static void Join(Turn turn, ForkDefinition fork, ExecutionState execution, ActivityDefinition branch)
    {
        ImmutableArray<string> active = execution.Progress!.Active.Remove(branch.Id);
        execution = execution with { Progress = execution.Progress with { Active = active } };
        turn.Set(execution);
        if (active.Length > 0 && fork.Join == JoinMode.WaitAll) return;
        if (active.Length > 0) GiveUpIn(turn, execution.Seq, $"another branch of {fork.Id} was first");
        Close(turn, fork, turn.State.Execution(execution.Seq));
    }

    /// <summary>Puts tokens at nodes, and begins those that no other token can reach any more.</summary>
    private static void Arrive(Turn turn, FlowchartDefinition chart, ExecutionState execution, IEnumerable<string> at)
    {
        Progress progress = execution.Progress!;
        ImmutableArray<string> active = progress.Active, tokens = progress.Tokens, passed = progress.Passed;
        // A second token at a node that waits is the same as the first: it runs once for both.
        foreach (string id in at.Where(id => !passed.Contains(id)))
        {
            if (!tokens.Contains(id)) tokens = tokens.Add(id);
        }
        ImmutableArray<string> waiting = tokens;
        string[] ready = [.. waiting.Where(id => IsAny(chart, id) || !MayStillReach(chart, active, waiting, passed, id))];
        foreach (string id in ready)
        {
            tokens = tokens.Remove(id);
            active = active.Add(id);
            if (IsAny(chart, id)) passed = passed.Add(id);
        }
        turn.Set(execution with { Progress = progress with { Active = active, Tokens = tokens, Passed = passed } });
        if (active.IsEmpty) Close(turn, chart, turn.State.Execution(execution.Seq));
        foreach (string id in ready.Reverse()) Enter(turn, chart.Activity(id), execution.Seq);
    }

    private static bool IsAny(FlowchartDefinition chart, string id) => chart.Activity(id) is GatewayDefinition { Type: ElsaTypes.FlowJoin, Join: JoinMode.WaitAny };

    /// <summary>Joins that have passed swallow what comes. Of two that wait for each other in a loop, the first to come goes first.</summary>
    private static bool MayStillReach(
        FlowchartDefinition chart, ImmutableArray<string> active, ImmutableArray<string> tokens, ImmutableArray<string> passed, string id) =>
        active.Any(a => a == id || chart.CanReach(a, id, passed))
        || tokens.Any(t => t != id && chart.CanReach(t, id, passed) && (!chart.CanReach(id, t, passed) || tokens.IndexOf(t) < tokens.IndexOf(id)));

    private static void Pass(Turn turn, GatewayDefinition gateway, int? scope)
    {
        if (gateway.Condition is null)
        {
            Leave(turn, gateway, scope);
            return;
        }
        if (Condition(turn, gateway, scope, gateway.Condition) is not { } holds) return;
        ExecutionState decided = Decider.NewExecution(turn, gateway, scope, ConditionInput(holds));
        turn.Set(turn.Over(decided, ExecutionStatus.Completed) with { Output = "{}" });
        turn.Announce(JournalEventKind.ScopeLeft, decided, holds ? FlowchartDefinition.True : FlowchartDefinition.False);
        Leave(turn, gateway, scope, holds ? FlowchartDefinition.True : FlowchartDefinition.False);
    }

    /// <summary>Null if it has no value: faulted then.</summary>
    private static bool? Condition(Turn turn, ActivityDefinition node, int? scope, Expression expression)
    {
        JsonElement? value = Values.Evaluate(expression, turn.State);
        if (value is { ValueKind: JsonValueKind.True or JsonValueKind.False } holds) return holds.GetBoolean();
        Fault(turn, node, scope, $"'condition' is neither true nor false: {value?.GetRawText() ?? Values.Origin(expression)}");
        return null;
    }

    private static string ConditionInput(bool holds) => Values.Write([("condition", JsonSerializer.SerializeToElement(holds))]);

    private static void Fault(Turn turn, ActivityDefinition node, int? scope, string problem) =>
        Faults.FaultStep(turn, Decider.NewExecution(turn, node, scope, "{}"), FaultKind.BrokenInvariant, problem);

    private static ExecutionState Open(Turn turn, ActivityDefinition node, int? scope, string input, Progress progress)
    {
        ExecutionState execution = Decider.NewExecution(turn, node, scope, input) with { Status = ExecutionStatus.Entered, Progress = progress };
        turn.Set(execution);
        turn.Announce(JournalEventKind.ScopeEntered, execution, node is IfDefinition ? input : null);
        return execution;
    }

    private static void Close(Turn turn, ActivityDefinition node, ExecutionState execution)
    {
        execution = turn.Over(execution, ExecutionStatus.Completed) with { Output = "{}" };
        turn.Set(execution);
        turn.Announce(JournalEventKind.ScopeLeft, execution);
        Leave(turn, node, execution.Scope);
    }

    /// <summary>Ends all that lives in a scope, or, for null, in the instance.</summary>
    public static void GiveUpIn(Turn turn, int? scope, string reason)
    {
        foreach (ExecutionState execution in turn.State.Executions)
        {
            if ((execution.IsLive || execution.AwaitsOperator) && !execution.IsUndoing && IsIn(turn, execution, scope)) GiveUp(turn, execution, reason);
        }
    }

    private static bool IsIn(Turn turn, ExecutionState execution, int? scope)
    {
        if (scope is null) return true;
        for (int? around = execution.Scope; around is { } seq; around = turn.State.Execution(seq).Scope)
        {
            if (seq == scope) return true;
        }
        return false;
    }

    /// <summary>What had attempts is in doubt; what waited or held others had no effect.</summary>
    private static void GiveUp(Turn turn, ExecutionState execution, string reason)
    {
        turn.Then(new Effect.GiveUp(execution.Seq));
        if (execution.AwaitsOperator)
        {
            turn.CloseIncidents(execution.Seq);
            turn.Set(execution with { AwaitsOperator = false });
        }
        else if (execution.Status is ExecutionStatus.Running or ExecutionStatus.RetryScheduled)
        {
            ExecutionState inDoubt = turn.Over(execution, ExecutionStatus.Faulted) with { Error = execution.Error ?? reason };
            turn.Set(inDoubt);
            turn.Announce(JournalEventKind.StepFaulted, inDoubt, $"given up: {reason}");
        }
        else
        {
            turn.Set(turn.Over(execution, ExecutionStatus.Cancelled));
        }
    }

    private static ExecutionState ScopeOf(Turn turn, int? scope) => turn.State.Execution(scope!.Value);

    private static int IndexOf(IReadOnlyList<ActivityDefinition> all, ActivityDefinition node)
    {
        for (int i = 0; i < all.Count; i++)
        {
            if (all[i].Id == node.Id) return i;
        }
        throw new InvalidOperationException($"{node.Id} is not where its definition has it");
    }
}
