using System.Net;

namespace FlannelFlow.Linux.LoadBalancing;

/// <summary>
/// The load balancing of one host: services on VIPs, by one of two planes of the kernel. Mechanism only: who is a backend, and with which
/// weight, is the caller's affair.
/// </summary>
/// <remarks>
/// The kernel is the only state: every call reads what it changes, so that calls may be repeated after any crash, and a call for what
/// already holds changes nothing. New things are added before old ones are deleted, and nothing is flushed and rebuilt: connections of
/// whatever a call does not remove live on. Safe for concurrent callers; calls are carried out one after the other.
/// </remarks>
public interface ILoadBalancer : IDisposable
{
    LoadBalancerPlane Plane { get; }

    /// <summary>The schedulers that this kernel has for this plane, by IPVS's names.</summary>
    IReadOnlyList<string> Schedulers { get; }

    /// <summary>All that the kernel holds of ours, as the kernel says it.</summary>
    Task<LoadBalancerTables> ReadAsync(CancellationToken ct);

    /// <summary>Afterwards the kernel holds these networks and nothing else of ours. For the start, and for mending drift.</summary>
    /// <returns>What was changed, a line each; empty if all was as wanted.</returns>
    /// <exception cref="SchedulerRefusedException">Nothing was changed.</exception>
    Task<IReadOnlyList<string>> ApplyAsync(IReadOnlyList<BalancedNetwork> networks, CancellationToken ct);

    /// <summary>Afterwards the service is exactly this; its network's device is made if need be. Costs the same however many others there are.</summary>
    /// <returns>What was changed, a line each.</returns>
    /// <exception cref="SchedulerRefusedException">Nothing was changed.</exception>
    Task<IReadOnlyList<string>> EnsureServiceAsync(NetworkFrame frame, VirtualService service, CancellationToken ct);

    /// <summary>Its connections are cut; the VIP is no longer this host's. The last one's device stays until <see cref="RemoveNetworkAsync"/>.</summary>
    /// <returns>False if there was none.</returns>
    Task<bool> RemoveServiceAsync(NetworkFrame frame, VirtualServiceKey service, CancellationToken ct);

    /// <summary>Removes the network's device with all services on it.</summary>
    /// <returns>False if there was none.</returns>
    Task<bool> RemoveNetworkAsync(NetworkFrame frame, CancellationToken ct);

    /// <summary>
    /// Afterwards the service has this backend with these weights; others stay as they are. A backend that comes back from a drain is
    /// changed in place, so that its connections live on.
    /// </summary>
    /// <exception cref="ServiceMissingException"/>
    Task EnsureBackendAsync(VirtualServiceKey service, Backend backend, CancellationToken ct);

    /// <summary>Its connections are cut: a client gets a reset with its next packet. Success also if it, or the service, is gone.</summary>
    Task RemoveBackendAsync(VirtualServiceKey service, IPAddress backend, CancellationToken ct);

    /// <summary>
    /// The connections that clients have through a VIP on this host, of each backend that has any, also of one that was removed. Walks the
    /// kernel's whole table of connections: for the time of a drain.
    /// </summary>
    Task<IReadOnlyList<BackendConnections>> CountConnectionsAsync(IPAddress vip, CancellationToken ct);
}

public enum LoadBalancerPlane
{
    /// <summary>The kernel's load balancer, reached by firewall marks.</summary>
    Ipvs,

    /// <summary>Destination NAT: for kernels without ip_vs. Knows only schedulers that need not count connections.</summary>
    Nftables,
}

/// <summary>The connections of one backend through one VIP, by what remains to happen in them.</summary>
public sealed record BackendConnections(IPAddress Backend)
{
    /// <summary>TCP, not yet answered: SYN_SENT, SYN_RECV.</summary>
    public int Opening { get; init; }

    public int Established { get; init; }

    /// <summary>TCP, closed by one side, and data may still flow: FIN_WAIT, CLOSE_WAIT, LAST_ACK.</summary>
    public int HalfClosed { get; init; }

    /// <summary>TCP, over on both sides: TIME_WAIT, CLOSE. Only the kernel's memory of them is left.</summary>
    public int Closed { get; init; }

    /// <summary>UDP flows, which the kernel knows to be over only by their silence.</summary>
    public int Udp { get; init; }

    /// <summary>TCP connections that a removal would cut.</summary>
    public int Open => Opening + Established + HalfClosed;
}

/// <summary>The plane or the kernel has no such scheduler.</summary>
public sealed class SchedulerRefusedException(string scheduler, string reason) : Exception($"scheduler '{scheduler}' is refused: {reason}")
{
    public string Scheduler { get; } = scheduler;
}

/// <summary>A backend was to be set for a service that the kernel does not hold.</summary>
public sealed class ServiceMissingException(VirtualServiceKey service) : Exception($"there is no service {service.Vip} ({service.Marks}) on this host");
