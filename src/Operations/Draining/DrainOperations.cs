using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Activities.Draining;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Operations;
using FlannelFlow.Operations.Workflows;
using FlannelFlow.Workflows;

namespace FlannelFlow.Operations.Draining;

/// <summary>What a person can do to a drain of this host, each with its audit row in the workflow's journal.</summary>
public sealed class DrainOperations(WorkflowRuntime runtime, OpenDrains open, DrainWriter drains, DockerMirror mirror)
{
    public const string Definition = "connection-drain";

    /// <exception cref="KeyNotFoundException">This host has no such drain.</exception>
    /// <exception cref="AlterationRefusedException">It makes no sense in the state that the drain is in.</exception>
    public async Task<JsonNode> RunAsync(OperatorRequest request, CancellationToken ct)
    {
        var row = runtime.Instance(new InstanceId(request.Instance)) is { DefinitionId: Definition } found
            ? found
            : throw new KeyNotFoundException($"no drain {request.Instance} on this host");
        switch (request.Kind)
        {
            case "show":
                break;
            case "retry":
                await AlterAsync(row, new Alteration.Retry(), request, ct);
                break;
            case "force":
                await ForceAsync(row, request, ct);
                break;
            case "cancel":
                await CancelAsync(row, request, ct);
                break;
            default:
                throw new InvalidAlterationException($"\"{request.Kind}\" is none of show, retry, force, cancel");
        }

        return JsonSerializer.SerializeToNode(DrainDetail.Of(runtime, runtime.Instance(row.Id)!, open), OperationsJson.Options)!;
    }

    /// <summary>The variable first: it is durable, with the audit row, and a wait that begins again after a crash or a retry reads it.</summary>
    private async Task ForceAsync(InstanceRow row, OperatorRequest request, CancellationToken ct)
    {
        await AlterAsync(row, Set("IsForced"), request, ct);
        if (!open.Force(row.Id) && row.Status == InstanceStatus.Suspended)
            await AlterAsync(row, new Alteration.Retry(), request, ct);
    }

    /// <summary>The container is ready again, for all hosts; each host's drain of it ends by that. One that cannot go on ends here.</summary>
    private async Task CancelAsync(InstanceRow row, OperatorRequest request, CancellationToken ct)
    {
        var containerId = JsonNode.Parse(row.Input)!["ContainerId"]!.GetValue<string>();
        var container = mirror.Current?.Containers.GetValueOrDefault(containerId);
        if (container?.Drain?.Reason == DrainReason.DesiredState)
        {
            throw new AlterationRefusedException(
                $"Swarm wants task {container.Name} to end: its drain cannot be called off here (force ends it now)");
        }

        await AlterAsync(row, Set("IsCalledOff"), request, ct);
        if (container is not null)
            await drains.CallOffAsync(container.Host, container.Id, ct);
        if (row.Status == InstanceStatus.Suspended)
            await AlterAsync(row, new Alteration.Terminate(), request, ct);
    }

    private Task AlterAsync(InstanceRow row, Alteration alteration, OperatorRequest request, CancellationToken ct) =>
        runtime.AlterAsync(row.Id, alteration, request.Who, $"{request.Why} (drains {request.Kind}, from {request.From})", ct);

    private static Alteration.ModifyVariable Set(string variable) => new(variable, JsonSerializer.SerializeToElement(true, OperationsJson.Options));
}

/// <summary>All about a drain: its workflow, and what its wait sees now.</summary>
/// <param name="Open">Connections through its host at the last count; null while it does not wait.</param>
public sealed record DrainDetail(WorkflowDetail Workflow, OpenDrain? Open)
{
    public static DrainDetail Of(WorkflowRuntime runtime, InstanceRow row, OpenDrains open) => new(WorkflowDetail.Of(runtime, row), open.Find(row.Id));
}
