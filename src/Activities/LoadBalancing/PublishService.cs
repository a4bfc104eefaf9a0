using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.LoadBalancing;

/// <summary>
/// The service's VIP is on the network's device of this host, its packets are marked, and behind the marks stand the backends of this moment.
/// Nothing is done if there is to be no load balancer any more; what may be there then is withdrawn by a workflow of its own.
/// </summary>
public sealed class PublishService(HostBalancing balancing, ILoadBalancer balancer) : Activity<PublishService.In, PublishService.Out>
{
    /// <param name="Marks">Index of the pair.</param>
    public sealed record In(string ServiceId, string NetworkId, int Marks);

    /// <param name="Changes">What was changed in the kernel.</param>
    public sealed record Out(string[] Changes);

    public override string Type => "FlannelFlow.PublishService";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        if (balancing.Find(new ServiceInNetwork(input.ServiceId, input.NetworkId)) is not { } wanted
            || balancing.FrameOf(input.NetworkId) is not { } frame)
            return new Out([]);
        return new Out([.. await balancer.EnsureServiceAsync(frame, balancing.ServiceOf(wanted, input.Marks), ct)]);
    }
}
