using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.LoadBalancing;

/// <summary>Nothing of ours is in the kernel that belongs to no service, and no service is half there: what a crash or another's hand has left.</summary>
/// <remarks>Only runs while no other workflow changes load balancers; which services there are to be is not its affair.</remarks>
public sealed class MendLoadBalancers(ILoadBalancer balancer) : Activity<MendLoadBalancers.In, MendLoadBalancers.Out>
{
    public sealed record In;

    /// <param name="Changes">What was changed in the kernel.</param>
    public sealed record Out(string[] Changes);

    public override string Type => "FlannelFlow.MendLoadBalancers";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var tables = await balancer.ReadAsync(ct);
        return new Out([.. await balancer.ApplyAsync([.. tables.Networks.Where(network => network.Services.Count > 0)], ct)]);
    }
}
