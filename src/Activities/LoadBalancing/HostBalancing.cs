using System.Net;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Activities.LoadBalancing;

/// <summary>What the load balancers of this host are to be at this moment, in the kernel's words: the mirror's services, on the networks that this host carries.</summary>
/// <remarks>
/// The steps ask anew instead of carrying what was wanted when their workflow began: a step that waited, or runs again after a crash, then
/// brings the kernel to what is wanted now, not back to what was.
/// </remarks>
/// <param name="mirror">This host's copy; null while it was not read.</param>
/// <param name="schedulers">Those of this host's plane.</param>
public sealed class HostBalancing(Func<MirrorState?> mirror, HostNetworks networks, IReadOnlyCollection<string> schedulers)
{
    /// <exception cref="MirrorUnreadException">A retryable fault.</exception>
    public MirrorState Mirror => mirror() ?? throw new MirrorUnreadException();

    /// <summary>Null: this host does not carry the network, or its flanneld holds no subnet yet.</summary>
    public NetworkFrame? FrameOf(string networkId) =>
        networks.Find(networkId) is { } network && networks.FabricOf(network) is { } fabric
            ? new NetworkFrame(NetworkDevices.Vip(network.Vni), new IPv4Prefix(fabric.HostSubnet.First.ToIPAddress(), fabric.HostSubnet.Length))
            : null;

    /// <summary>Null: there is to be no load balancer.</summary>
    public DesiredLoadBalancer? Find(ServiceInNetwork service) => DesiredLoadBalancers.Of(Mirror, service);

    public VirtualService ServiceOf(DesiredLoadBalancer balancer, int marks) => new()
    {
        Vip = balancer.Vip.ToIPAddress(),
        Marks = FwMarkPair.Of(marks),
        Scheduler = SchedulerOf(balancer),
        Backends = [.. balancer.Backends.Select(BackendOf)],
    };

    /// <summary>The wanted one, or the default where this host's plane does not have it.</summary>
    public string SchedulerOf(DesiredLoadBalancer balancer) =>
        schedulers.Contains(balancer.Scheduler) ? balancer.Scheduler : VirtualService.DefaultScheduler;

    public static Backend BackendOf(DesiredBackend backend) =>
        backend.Weight == 0 ? Backend.Draining(backend.Address.ToIPAddress()) : Backend.Active(backend.Address.ToIPAddress(), backend.Weight);
}

/// <summary>The mirror was not read yet since this daemon started.</summary>
public sealed class MirrorUnreadException() : Exception("the mirror of Docker's services was not read from etcd yet");

/// <summary>A service's kernel key from what a definition carries.</summary>
internal static class KernelKey
{
    public static VirtualServiceKey Of(string vip, int marks) => new(IPAddress.Parse(vip), FwMarkPair.Of(marks));
}
