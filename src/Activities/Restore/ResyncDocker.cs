using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Restore;

/// <summary>Restore, step 1: what this host's Docker Engine has is in etcd, and what it does not have is not. Fails while either does not answer.</summary>
public sealed class ResyncDocker(IHostUpkeep upkeep) : Activity<ResyncDocker.In, ResyncDocker.Out>
{
    public sealed record In;

    /// <param name="Written">Records that were written or deleted.</param>
    public sealed record Out(int Written);

    public override string Type => "FlannelFlow.ResyncDocker";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct) =>
        new(await upkeep.ResyncDockerAsync(ct));
}
