using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Restore;

/// <summary>This host's load balancers were compared with what the mirror wants, and the workflows that mend what differs have begun.</summary>
public sealed class BalanceServices(IHostUpkeep upkeep) : Activity<BalanceServices.In, Nothing>
{
    public sealed record In;

    public override string Type => "FlannelFlow.BalanceServices";

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        await upkeep.BalanceAsync(ct);
        return Nothing.Instance;
    }
}
