using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using FlannelFlow.Workflows;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.EngineBench;

/// <summary>A definition of six steps that do nothing, with an input, an output and a lane, as ours have.</summary>
internal static class SixSteps
{
    public const int Steps = 6;

    private static readonly string Definition = $$"""
        { "definitionId": "six", "version": 1,
          "inputs": [ {"name": "Key", "type": "String"} ],
          "variables": [ {"id": "Handle", "name": "Handle", "typeName": "String"} ],
          "customProperties": { "lanes": [ {"key": "ep/{Key}", "mode": "Exclusive"}, {"key": "net/1", "mode": "Shared"} ] },
          "root": { "id": "root", "type": "Elsa.Sequence", "activities": [ {{string.Join(", ", Enumerable.Range(1, Steps).Select(Step))}} ] } }
        """;

    public static async Task<WorkflowRuntime> OpenAsync(string folder, StepActivity activity)
    {
        var catalog = new ActivityCatalog().Add(activity);
        return await WorkflowRuntime.OpenAsync(
            new WorkflowRuntimeOptions { JournalPath = Path.Combine(folder, "journal.db") }, catalog,
            DefinitionLoader.Load([new DefinitionFile("six.json", Definition)], catalog), TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
    }

    public static StartWorkflow Start(long n)
    {
        string key = string.Create(CultureInfo.InvariantCulture, $"k{n}");
        return new StartWorkflow("six", key, new JsonObject { ["Key"] = key });
    }

    private static string Step(int n) => $$$$"""
        { "id": "step-{{{{n}}}}", "type": "Bench.Step", "customProperties": { "compensate": true, "timeout": "00:00:30" },
          "key": {"typeName": "String", "expression": {"type": "Input", "value": {"name": "Key"}}},
          "handle": {"typeName": "String", "memoryReference": {"id": "Handle"}} }
        """;
}

internal sealed record StepInput(string Key);

internal sealed record StepOutput(string Handle);

/// <summary>Has no effect; measures the time from one step of an instance to its next.</summary>
internal sealed class StepActivity : Activity<StepInput, StepOutput>
{
    private readonly ConcurrentDictionary<InstanceId, long> _last = new();
    private int _executions;

    public override string Type => "Bench.Step";
    public override bool CanCompensate => true;

    public int Executions => Volatile.Read(ref _executions);

    /// <summary>Milliseconds.</summary>
    public ConcurrentQueue<float> Times { get; } = new();

    /// <summary>Where executions wait, if they must.</summary>
    public Task? Gate { get; set; }

    public override async Task<StepOutput> ExecuteAsync(StepInput input, ActivityExecution execution, CancellationToken ct)
    {
        long now = Stopwatch.GetTimestamp();
        if (_last.TryGetValue(execution.Instance, out long before)) Times.Enqueue((float)Stopwatch.GetElapsedTime(before, now).TotalMilliseconds);
        if (execution.ActivityId == "step-6") _last.TryRemove(execution.Instance, out _);
        else _last[execution.Instance] = now;
        Interlocked.Increment(ref _executions);
        if (Gate is { } gate) await gate.WaitAsync(ct);
        return new StepOutput("handle of " + input.Key);
    }

    public override Task CompensateAsync(StepInput input, StepOutput? output, ActivityExecution execution, CancellationToken ct) => Task.CompletedTask;
}
