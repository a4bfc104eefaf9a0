using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Cluster.Operations;
using FlannelFlow.Operations.Draining;
using FlannelFlow.Operations.Reconcile;
using FlannelFlow.Operations.Workflows;
using FlannelFlow.Workflows;

namespace FlannelFlow.Operations;

/// <summary>Does on this host what a person wants, wherever that person is.</summary>
public sealed class HostOperations(HostWorkflows workflows, DrainOperations drains, Func<DriftView> drift)
{
    /// <summary>Whether the request changes nothing.</summary>
    public static bool IsRead(OperatorRequest request) => request is { Kind: "show" or "workflows.list" or "workflows.show" or "drift" };

    /// <summary>Refusals are part of the answer; everything else throws.</summary>
    public async Task<OperatorRequest> AnswerAsync(OperatorRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        try
        {
            return request with { State = RequestState.Done, Answer = await RunAsync(request, ct), Body = null };
        }
        catch (Exception refused) when (IsRefusal(refused))
        {
            return request with { State = RequestState.Refused, Refusal = refused.Message, Body = null };
        }
    }

    internal static bool IsRefusal(Exception e) =>
        e is AlterationRefusedException or InvalidAlterationException or KeyNotFoundException or BadRequestException or JsonException;

    /// <exception cref="KeyNotFoundException">This host has no such workflow.</exception>
    /// <exception cref="AlterationRefusedException">It makes no sense in the state that the workflow is in.</exception>
    internal async Task<JsonNode> RunAsync(OperatorRequest request, CancellationToken ct) => request.Kind switch
    {
        "workflows.list" => Node(workflows.List(Body<WorkflowQuery>(request))),
        "workflows.show" => Node(workflows.Show(request.Instance)),
        "workflows.alter" => Node(await workflows.AlterAsync(request.Instance, Body<AlterationBody>(request) with
        {
            Who = request.Who,
            Reason = request.Why,
        }, ct)),
        "drift" => Node(drift()),
        _ => await drains.RunAsync(request, ct),
    };

    private static T Body<T>(OperatorRequest request) =>
        request.Body.Deserialize<T>(OperationsJson.Options) ?? throw new BadRequestException($"{request.Kind}: the body is missing");

    private static JsonNode Node<T>(T value) => JsonSerializer.SerializeToNode(value, OperationsJson.Options)!;
}
