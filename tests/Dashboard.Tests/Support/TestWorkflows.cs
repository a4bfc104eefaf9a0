using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using FlannelFlow.Workflows;

namespace FlannelFlow.Dashboard.Tests.Support;

/// <summary>Workflows whose course a test decides by what stands in their input.</summary>
internal static class TestWorkflows
{
    public static ActivityCatalog Catalog() => new ActivityCatalog().Add(new Brittle());

    public static IReadOnlyList<WorkflowDefinition> Definitions(ActivityCatalog catalog) =>
        DefinitionLoader.Load([new DefinitionFile("mend.json", Mend), new DefinitionFile("connection-drain.json", Drain)], catalog);

    /// <summary>Ends in the state that it is in: finished, or suspended if its thing is broken.</summary>
    public static async Task<InstanceId> RunMendAsync(TestHost host, string key, string thing, CancellationToken ct)
    {
        var id = await host.Runtime.StartAsync(new StartWorkflow("mend", key, new JsonObject { ["Thing"] = thing }), ct);
        await host.Runtime.AnswerAsync(id, ct);
        return id;
    }

    /// <summary>A drain whose kernel is broken until <see cref="Brittle.Mend"/>.</summary>
    public static async Task<InstanceId> RunDrainAsync(TestHost host, string thing, string service, string network, string container, CancellationToken ct)
    {
        var id = await StartDrainAsync(host, thing, service, network, container, ct);
        await host.Runtime.AnswerAsync(id, ct);
        return id;
    }

    public static async Task<InstanceId> StartDrainAsync(TestHost host, string thing, string service, string network, string container, CancellationToken ct)
    {
        var input = new JsonObject
        {
            ["Thing"] = thing,
            ["ServiceId"] = service,
            ["NetworkId"] = network,
            ["ContainerId"] = container,
            ["Address"] = "10.128.2.2",
            ["Reason"] = "Stop",
        };
        return await host.Runtime.StartAsync(new StartWorkflow("connection-drain", container, input), ct);
    }

    private const string Mend = """
        { "definitionId": "mend", "version": 1, "name": "Mend a thing",
          "inputs": [ {"name": "Thing", "type": "String"} ],
          "variables": [ {"id": "Handle", "name": "Handle", "typeName": "String"} ],
          "outputs": [ {"name": "Handle", "type": "String"} ],
          "customProperties": { "onFault": "Suspend", "lanes": [ {"key": "thing/{Thing}", "mode": "Exclusive"} ] },
          "root": { "id": "all", "type": "Elsa.Sequence", "activities": [
            { "id": "look", "type": "Test.Brittle", "thing": {"typeName": "String", "expression": {"type": "Literal", "value": "well"}} },
            { "id": "prepare", "type": "Elsa.Fork", "joinMode": "WaitAll", "branches": [
              { "id": "fetch-tools", "type": "Test.Brittle", "thing": {"typeName": "String", "expression": {"type": "Literal", "value": "tools"}} },
              { "id": "clear-bench", "type": "Test.Brittle", "thing": {"typeName": "String", "expression": {"type": "Literal", "value": "bench"}} } ] },
            { "id": "mend", "type": "Test.Brittle", "thing": {"typeName": "String", "expression": {"type": "Input", "value": "Thing"}},
              "handle": {"typeName": "String", "memoryReference": {"id": "Handle"}} } ] } }
        """;

    private const string Drain = """
        { "definitionId": "connection-drain", "version": 1, "name": "Drain a backend",
          "inputs": [ {"name": "Thing", "type": "String"}, {"name": "ServiceId", "type": "String"}, {"name": "NetworkId", "type": "String"},
            {"name": "ContainerId", "type": "String"}, {"name": "Address", "type": "String"}, {"name": "Reason", "type": "String"} ],
          "variables": [ {"id": "IsForced", "name": "IsForced", "typeName": "Boolean"}, {"id": "IsCalledOff", "name": "IsCalledOff", "typeName": "Boolean"} ],
          "customProperties": { "onFault": "Suspend" },
          "root": { "id": "all", "type": "Elsa.Sequence", "activities": [
            { "id": "set-weight-zero", "type": "Test.Brittle", "thing": {"typeName": "String", "expression": {"type": "Input", "value": "Thing"}} } ] } }
        """;
}

internal sealed record BrittleInput(string Thing);

internal sealed record BrittleOutput(string Handle);

/// <summary>Fails for things whose name begins with "broken", and is under way with those that begin with "slow", until they are mended.</summary>
internal sealed class Brittle : Activity<BrittleInput, BrittleOutput>
{
    private static readonly ConcurrentDictionary<string, TaskCompletionSource> Things = new();

    public override string Type => "Test.Brittle";

    public static void Mend(string thing) => Of(thing).TrySetResult();

    public override async Task<BrittleOutput> ExecuteAsync(BrittleInput input, ActivityExecution execution, CancellationToken ct)
    {
        if (input.Thing.StartsWith("broken", StringComparison.Ordinal) && !Of(input.Thing).Task.IsCompleted) throw new IOException($"{input.Thing} is broken");
        if (input.Thing.StartsWith("slow", StringComparison.Ordinal)) await Of(input.Thing).Task.WaitAsync(ct);
        return new BrittleOutput("handle of " + input.Thing);
    }

    private static TaskCompletionSource Of(string thing) =>
        Things.GetOrAdd(thing, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
}
