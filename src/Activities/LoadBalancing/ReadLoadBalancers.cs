using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.LoadBalancing;

/// <summary>The kernel tells what it holds of load balancers; nothing is done with it. Where it does not, that becomes an incident.</summary>
public sealed class ReadLoadBalancers(ILoadBalancer balancer) : Activity<ReadLoadBalancers.In, ReadLoadBalancers.Out>
{
    public sealed record In;

    /// <param name="Networks">With a load balancer on this host.</param>
    public sealed record Out(int Networks);

    public override string Type => "FlannelFlow.ReadLoadBalancers";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct) =>
        new((await balancer.ReadAsync(ct)).Networks.Count);
}
