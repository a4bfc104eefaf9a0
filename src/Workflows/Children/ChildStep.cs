using System.Text.Json;
using System.Text.Json.Nodes;

namespace FlannelFlow.Workflows;

/// <summary>What an attempt of Elsa.DispatchWorkflow, or of its undoing, does.</summary>
/// <remarks>
/// The child's idempotency key is made of the parent's execution: an attempt that runs again after a crash joins the child of the one
/// before. After a child that failed, a retry starts another.
/// </remarks>
internal sealed class ChildStep(Admission admission, InstanceRunner parent, StepDefinition step)
{
    private readonly ChildDefinition _child = step.Child!;

    /// <summary>The step's output. Throws <see cref="ChildFailedException"/> if the child does not finish.</summary>
    public async Task<string> RunAsync(ExecutionState execution, CancellationToken ct)
    {
        var start = new StartWorkflow(_child.DefinitionId, KeyOf(execution), InputOf(execution));
        if (!_child.Waits)
        {
            InstanceId started = await admission.AdmitAsync(start, null, 0, ct);
            return Values.Write([("result", JsonSerializer.SerializeToElement(new { instance = started.Value }, WorkflowJson.Options))]);
        }
        InstanceId id = await admission.AdmitAsync(start, parent, execution.Seq, ct);
        InstanceRow row = await admission.EndAsync(id, ct);
        return row.Status == InstanceStatus.Finished ? $$"""{"result":{{row.Output}}}""" : throw Failed(row);
    }

    /// <summary>Cancels a child that is open, and undoes one that has finished with the workflow that is named for that.</summary>
    public async Task UndoAsync(ExecutionState execution, CancellationToken ct)
    {
        string key = KeyOf(execution);
        if (admission.Find(_child.DefinitionId, key) is not { } child) return;
        if (child.FinishedAt is null)
        {
            child = await admission.CancelAsync(child.Id, $"{parent.DefinitionId} {parent.Id}, which started it, is being undone", ct);
        }
        if (child.Status != InstanceStatus.Finished || _child.UndoWith is not { } undo) return;
        InstanceId id = await admission.AdmitAsync(new StartWorkflow(undo, key + "/undo", InputOf(execution)), parent, execution.Seq, ct);
        InstanceRow row = await admission.EndAsync(id, ct);
        if (row.Status != InstanceStatus.Finished) throw Failed(row);
    }

    private string KeyOf(ExecutionState execution) => $"{parent.Id}/{execution.Seq}-{step.Id}/{execution.Progress?.Index ?? 0}";

    private static JsonObject InputOf(ExecutionState execution) => JsonNode.Parse(execution.Input)!["input"] as JsonObject ?? [];

    private static ChildFailedException Failed(InstanceRow row) => new(
        row.Error ?? $"{row.DefinitionId} {row.Id} is {row.Status}",
        // What an operator gave up is not tried again by itself.
        row.Status == InstanceStatus.Cancelled ? FaultKind.Refusal : row.FaultKind ?? FaultKind.Refusal);
}

/// <summary>The child was undone, or cancelled: the fault of the step that waited for it.</summary>
internal sealed class ChildFailedException(string message, FaultKind kind) : Exception(message)
{
    public FaultKind Kind => kind;
}
