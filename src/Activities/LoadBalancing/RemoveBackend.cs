using System.Net;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.LoadBalancing;

/// <summary>Nothing at the address stands behind the VIP on this host; its connections are cut. Nothing is done if it is a backend again.</summary>
public sealed class RemoveBackend(HostBalancing balancing, ILoadBalancer balancer) : Activity<RemoveBackend.In, RemoveBackend.Out>
{
    /// <param name="Address">Of the container, which may be gone from all else.</param>
    /// <param name="Marks">Index of the pair.</param>
    public sealed record In(string ServiceId, string NetworkId, string Address, string Vip, int Marks);

    public sealed record Out(bool Removed);

    public override string Type => "FlannelFlow.RemoveBackend";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        if (balancing.Find(new ServiceInNetwork(input.ServiceId, input.NetworkId)) is { } service
            && service.Vip.ToString() == input.Vip
            && service.Backends.Any(backend => backend.Address.ToString() == input.Address))
            return new Out(Removed: false);
        await balancer.RemoveBackendAsync(KernelKey.Of(input.Vip, input.Marks), IPAddress.Parse(input.Address), ct);
        return new Out(Removed: true);
    }
}
