using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using FlannelFlow.Host.Plugin;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Tests;

/// <summary>Every workflow is accepted, and answers at once.</summary>
internal sealed class RecordedWorkflows : IPluginWorkflows
{
    public ConcurrentQueue<(string Key, JsonObject Input)> Started { get; } = new();

    public Task<JsonObject> RunAsync(StartWorkflow start, CancellationToken ct)
    {
        Started.Enqueue((start.IdempotencyKey, start.Input));
        return Task.FromResult(Answer());
    }

    public Task RunAsync(StartWorkflow start, TimeSpan patience, CancellationToken ct) => RunAsync(start, ct);

    public Task StartAsync(StartWorkflow start, CancellationToken ct) => RunAsync(start, ct);

    public Task<JsonObject?> FindAsync(string definitionId, string key, CancellationToken ct) => Task.FromResult<JsonObject?>(Answer());

    public bool HasBegun(string definitionId, string key) => key.EndsWith('7');

    private static JsonObject Answer() => new()
    {
        ["vni"] = 6514,
        ["pool"] = "10.128.0.0/20",
        ["resumed"] = false,
        ["mac"] = "02:42:0a:80:02:02",
        ["containerInterface"] = "ffc4f7c",
        ["poolRoute"] = "10.128.0.0/20",
        ["nextHop"] = "10.128.2.1",
    };
}
