using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Cluster.Operations;
using FlannelFlow.Operations.Draining;
using FlannelFlow.Workflows;

namespace FlannelFlow.Operations.Workflows;

/// <summary>What the other hosts are told of this host's workflows: open drains, and whatever waits for a person.</summary>
public static class Summaries
{
    private static readonly InstanceStatus[] Open = [InstanceStatus.Waiting, InstanceStatus.Running, InstanceStatus.Compensating, InstanceStatus.Suspended];

    /// <summary>As they are to stand in etcd, by workflow id.</summary>
    public static Dictionary<string, string> Wanted(WorkflowRuntime runtime, string host) =>
        Of(runtime, host).ToDictionary(summary => summary.Id, OperationsStore.TextOf, StringComparer.Ordinal);

    public static IReadOnlyList<WorkflowSummary> Of(WorkflowRuntime runtime, string host) =>
    [
        .. OpenRows(runtime, DrainOperations.Definition)
            .Concat(runtime.Instances(new InstanceFilter(DefinitionId: null, Status: null, Limit: int.MaxValue) { WithOpenIncident = true }))
            .DistinctBy(row => row.Id)
            .Select(row => Of(runtime, row, host)),
    ];

    public static IReadOnlyList<WorkflowSummary> OpenDrains(WorkflowRuntime runtime, string host) =>
        [.. OpenRows(runtime, DrainOperations.Definition).Select(row => Of(runtime, row, host))];

    /// <param name="definition">Null for all.</param>
    public static IEnumerable<InstanceRow> OpenRows(WorkflowRuntime runtime, string? definition, int limit = int.MaxValue) =>
        Open.SelectMany(status => runtime.Instances(new InstanceFilter(definition, status, Limit: limit)));

    public static WorkflowSummary Of(WorkflowRuntime runtime, InstanceRow row, string host) => new(
        row.Id.Value,
        host,
        row.DefinitionId,
        JsonNamingPolicy.CamelCase.ConvertName(row.Status.ToString()),
        runtime.Executions(row.Id) is [.., var last] ? last.ActivityId : "",
        JsonNode.Parse(row.Input)!.AsObject(),
        row.AcceptedAt,
        row.Error);
}
