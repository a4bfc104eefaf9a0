using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.LoadBalancing;

/// <summary>The container stands behind its service's VIP on this host, with the weight of this moment; nothing is done if it is no backend any more.</summary>
public sealed class AddBackend(HostBalancing balancing, ILoadBalancer balancer) : Activity<AddBackend.In, AddBackend.Out>
{
    /// <param name="Marks">Index of the pair.</param>
    public sealed record In(string ServiceId, string NetworkId, string ContainerId, int Marks);

    /// <param name="Weight">0: it is no backend any more, or its host is gone.</param>
    public sealed record Out(string Address, int Weight);

    public override string Type => "FlannelFlow.AddBackend";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        if (balancing.Find(new ServiceInNetwork(input.ServiceId, input.NetworkId)) is not { } service
            || service.Backends.FirstOrDefault(candidate => candidate.ContainerId == input.ContainerId) is not { } backend)
            return new Out("", 0);
        try
        {
            await balancer.EnsureBackendAsync(KernelKey.Of(service.Vip.ToString(), input.Marks), HostBalancing.BackendOf(backend), ct);
        }
        catch (ServiceMissingException)
        {
            // Withdrawn meanwhile. If it is published again, then with all its backends.
            return new Out("", 0);
        }

        return new Out(backend.Address.ToString(), backend.Weight);
    }
}
