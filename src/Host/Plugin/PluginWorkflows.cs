using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Plugin;

/// <summary>The workflows behind plugin calls, whose ends are what Docker is told.</summary>
public interface IPluginWorkflows
{
    /// <summary>
    /// Starts a workflow, or joins the one that the same key began, and waits for what it answers.
    /// </summary>
    /// <exception cref="PluginRefusalException">The workflow failed; the message is that of its fault.</exception>
    Task<JsonObject> RunAsync(StartWorkflow start, CancellationToken ct);

    /// <summary>Starts a workflow, or joins one, and waits for its end, but only so long: it is accepted, durably, and goes on.</summary>
    /// <exception cref="PluginRefusalException">It failed within that time.</exception>
    Task RunAsync(StartWorkflow start, TimeSpan patience, CancellationToken ct);

    /// <summary>Starts a workflow for which nobody waits; it is accepted, durably, when this completes.</summary>
    Task StartAsync(StartWorkflow start, CancellationToken ct);

    /// <summary>The answer of the workflow that a key began; null if none did.</summary>
    /// <exception cref="PluginRefusalException">The workflow failed.</exception>
    Task<JsonObject?> FindAsync(string definitionId, string key, CancellationToken ct);

    bool HasBegun(string definitionId, string key);
}

/// <summary>Runs them on this daemon's engine.</summary>
public sealed class PluginWorkflows(WorkflowRuntime runtime, TimeProvider time) : IPluginWorkflows
{
    public async Task<JsonObject> RunAsync(StartWorkflow start, CancellationToken ct)
    {
        var answer = await runtime.RunAsync(start, ct);
        return OutputOf(answer, start.DefinitionId);
    }

    public async Task RunAsync(StartWorkflow start, TimeSpan patience, CancellationToken ct)
    {
        var id = await runtime.StartAsync(start, ct);
        using var bound = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(bound.Token, ct);
        try
        {
            OutputOf(await runtime.AnswerAsync(id, either.Token), start.DefinitionId);
        }
        catch (OperationCanceledException) when (bound.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            // What it comes to is in its own history, and an incident if it fails.
        }
    }

    public async Task StartAsync(StartWorkflow start, CancellationToken ct) => await runtime.StartAsync(start, ct);

    public async Task<JsonObject?> FindAsync(string definitionId, string key, CancellationToken ct)
    {
        return runtime.InstanceByKey(definitionId, key) is { } row ? OutputOf(await runtime.AnswerAsync(row.Id, ct), definitionId) : null;
    }

    public bool HasBegun(string definitionId, string key) => runtime.InstanceByKey(definitionId, key) is not null;

    private static JsonObject OutputOf(WorkflowAnswer answer, string definitionId) => answer.Outcome switch
    {
        WorkflowOutcome.Answered or WorkflowOutcome.Finished => answer.Output ?? [],
        WorkflowOutcome.Compensated => throw new PluginRefusalException(answer.Error ?? $"{definitionId} failed and was undone"),
        WorkflowOutcome.Faulted => throw new PluginRefusalException(
            $"{answer.Error ?? definitionId + " failed"} (workflow {answer.Instance.Value} waits for an operator)"),
        WorkflowOutcome.Cancelled => throw new PluginRefusalException($"{definitionId} {answer.Instance.Value} was cancelled"),
    };
}

internal static class AnswerReading
{
    public static string Text(this JsonObject output, string name) =>
        output[name]?.GetValue<string>() ?? throw new JsonException($"the workflow answered without {name}: {output.ToJsonString()}");

    public static int Number(this JsonObject output, string name) =>
        output[name]?.GetValue<int>() ?? throw new JsonException($"the workflow answered without {name}: {output.ToJsonString()}");
}
