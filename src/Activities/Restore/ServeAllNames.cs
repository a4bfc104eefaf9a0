using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Restore;

/// <summary>Restore, step 6: an endpoint-dns has begun for each endpoint of ours in a running container. Fails while Docker does not answer.</summary>
public sealed class ServeAllNames(IHostUpkeep upkeep) : Activity<ServeAllNames.In, ServeAllNames.Out>
{
    public sealed record In;

    /// <param name="Begun">Endpoints that were not served.</param>
    public sealed record Out(int Begun);

    public override string Type => "FlannelFlow.ServeAllNames";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct) =>
        new(await upkeep.ServeNamesAsync(ct));
}
