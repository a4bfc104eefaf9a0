using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Restore;

/// <summary>The workflow that owns a difference has begun, unless the difference is gone. Its end is not waited for.</summary>
public sealed class MendDifference(IHostUpkeep upkeep) : Activity<MendDifference.In, MendDifference.Out>
{
    public sealed record In(string Difference);

    /// <param name="Workflow">Id of the instance; empty: there was nothing to begin.</param>
    public sealed record Out(string Workflow);

    public override string Type => "FlannelFlow.MendDifference";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct) =>
        new(await upkeep.MendAsync(input.Difference, ct) ?? "");
}
