using System.Text.Json;
using FlannelFlow.Workflows;

namespace FlannelFlow.Operations.Workflows;

/// <summary>The workflows of this host: to see them and to mend them.</summary>
public sealed class HostWorkflows(WorkflowRuntime runtime)
{
    /// <summary>So that a slip of a finger does not alter another workflow.</summary>
    private const int ShortestId = 6;

    public WorkflowPage List(WorkflowQuery query)
    {
        ArgumentNullException.ThrowIfNull(query);
        // One more than asked for tells whether there is another page.
        var rows = runtime.Instances(query.ToFilter(query.Limit + 1));
        return new WorkflowPage([.. rows.Take(query.Limit).Select(WorkflowView.Of)], rows.Count > query.Limit ? rows[query.Limit - 1].Row : null);
    }

    /// <param name="id">The whole, or the end of it, such as <c>flannelflow follow</c> prints.</param>
    /// <exception cref="KeyNotFoundException">There is none.</exception>
    /// <exception cref="BadRequestException">There is more than one.</exception>
    public WorkflowDetail Show(string id) => WorkflowDetail.Of(runtime, Find(id));

    /// <summary>Completes with what the workflow is after it, once that is durable with its audit row.</summary>
    /// <exception cref="AlterationRefusedException">It makes no sense in the state that the workflow is in.</exception>
    /// <exception cref="InvalidAlterationException">It never does.</exception>
    public async Task<WorkflowDetail> AlterAsync(string id, AlterationBody body, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(body);
        var instance = Find(id).Id;
        await runtime.AlterAsync(instance, AlterationOf(body), body.Who ?? "", body.Reason ?? "", ct);
        return WorkflowDetail.Of(runtime, runtime.Instance(instance)!);
    }

    private InstanceRow Find(string id)
    {
        if (runtime.Instance(new InstanceId(id)) is { } exact)
            return exact;
        if (id.Length < ShortestId || !id.All(char.IsAsciiHexDigitLower))
            throw new KeyNotFoundException($"no workflow \"{id}\" (an id, or its last {ShortestId} or more digits)");
        var found = runtime.InstancesEndingIn(id, limit: 2);
        return found.Count switch
        {
            0 => throw new KeyNotFoundException($"no workflow whose id ends in {id}"),
            1 => found[0],
            _ => throw new BadRequestException($"more than one workflow's id ends in {id}: {string.Join(", ", found.Select(f => f.Id.Value))}"),
        };
    }

    private static Alteration AlterationOf(AlterationBody body) => body.Kind switch
    {
        "retry" => new Alteration.Retry(body.Activity),
        "skip" => new Alteration.Skip(body.Outputs, body.Activity),
        "migrate" => new Alteration.Migrate(),
        "compensate" => new Alteration.Compensate(),
        "cancel" => new Alteration.Cancel(),
        "terminate" => new Alteration.Terminate(),
        "modifyVariable" => new Alteration.ModifyVariable(
            body.Variable ?? throw new BadRequestException("modifyVariable: no variable is named"),
            body.Value is null ? null : JsonSerializer.SerializeToElement(body.Value, OperationsJson.Options)),
        _ => throw new BadRequestException($"kind: \"{body.Kind}\" is none of retry, skip, compensate, cancel, terminate, migrate, modifyVariable"),
    };
}
