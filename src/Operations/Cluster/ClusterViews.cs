using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Operations.Cluster;

public enum HostState
{
    Up,

    /// <summary>Its daemon gives no sign of life: it restarts, or it is down. The host's kernel goes on by what the daemon did last.</summary>
    DaemonSilent,

    /// <summary>What runs there is not reckoned with any more.</summary>
    Gone,
}

/// <param name="IsHere">The host that answers.</param>
/// <param name="Version">Of the daemon; empty for a host whose record has ended.</param>
/// <param name="Behind">How far its applied revision is behind the newest change of Docker's objects; 0 is up to date.</param>
/// <param name="Drift">How many differences between Docker, etcd, the kernel and its files stand there.</param>
/// <param name="Networks">On which it has a container.</param>
public sealed record HostView(
    string Host, HostState State, bool IsHere, string Version, string UnderlayAddress, long AppliedRevision, long Behind, int Drift, int Containers, IReadOnlyList<string> Networks);

/// <param name="Hosts">That have a container on it.</param>
/// <param name="Services">Names.</param>
public sealed record NetworkView(
    string Id, string Name, string Pool, bool IsInternal, bool IsAttachable, int Containers, IReadOnlyList<string> Services, IReadOnlyList<string> Hosts);

/// <param name="Refused">What of its labels was refused, in words.</param>
public sealed record ServiceView(
    string Id, string Name, EndpointMode Mode, IReadOnlyList<PublishedPort> Ports, IReadOnlyList<ServiceNetworkView> Networks, IReadOnlyList<string> Refused);

/// <param name="Published">0: none.</param>
public sealed record PublishedPort(string Protocol, int Target, int Published);

/// <param name="Vip">Null with dnsrr, and until Swarm has given one.</param>
/// <param name="Aliases">Further names of the service in this network.</param>
public sealed record ServiceNetworkView(
    string NetworkId, string Network, string? Vip, string Scheduler, IReadOnlyList<string> Aliases, IReadOnlyList<BackendView> Backends);

public enum BackendCondition
{
    Serving,

    /// <summary>Gets no new connection; those that it has live on.</summary>
    Draining,

    /// <summary>It drains, and gets new connections, since it is the last of its service.</summary>
    HeldOpen,

    /// <summary>Its health check has not succeeded yet, or it has none and listens nowhere yet.</summary>
    Starting,
    Unhealthy,
    HostGone,
}

/// <param name="Since">Of a drain.</param>
public sealed record BackendView(
    string ContainerId, string Container, string Host, string Address, int Weight, BackendCondition Condition, DateTimeOffset? Since);

/// <summary>From the mirror to what people see of the cluster: pure, and the same on every host.</summary>
public static class ClusterViews
{
    public static IReadOnlyList<HostView> Hosts(MirrorState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        var containers = state.Containers.Values.ToLookup(container => container.Host, StringComparer.Ordinal);
        return
        [
            .. state.Hosts.Keys.Union(state.Gone, StringComparer.Ordinal).Union(state.Here.Length > 0 ? [state.Here] : [], StringComparer.Ordinal).Order(StringComparer.Ordinal).Select(name =>
            {
                var record = state.Hosts.GetValueOrDefault(name);
                var own = containers[name].ToList();
                return new HostView(
                    name, StateOf(state, name), name == state.Here, record?.Version ?? "", record?.UnderlayAddress ?? "", record?.AppliedRevision ?? 0,
                    record is null ? 0 : Math.Max(0, state.Revision - record.AppliedRevision), record?.Drift ?? 0, own.Count,
                    [.. own.SelectMany(container => container.Networks).Select(network => network.NetworkId).Distinct(StringComparer.Ordinal).Select(id => NetworkName(state, id)).Order(StringComparer.Ordinal)]);
            }),
        ];
    }

    public static IReadOnlyList<NetworkView> Networks(MirrorState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        var containers = state.Containers.Values
            .SelectMany(container => container.Networks.Select(network => (network.NetworkId, container.Host)))
            .ToLookup(endpoint => endpoint.NetworkId, endpoint => endpoint.Host, StringComparer.Ordinal);
        var services = state.Services.Values
            .SelectMany(service => service.Networks.Select(network => (network.NetworkId, service.Name)))
            .ToLookup(service => service.NetworkId, service => service.Name, StringComparer.Ordinal);
        return
        [
            .. state.Networks.Values.OrderBy(network => network.Name, StringComparer.Ordinal).Select(network => new NetworkView(
                network.Id, network.Name, network.Pool.ToString(), network.IsInternal, network.IsAttachable, containers[network.Id].Count(),
                [.. services[network.Id].Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)],
                [.. containers[network.Id].Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)])),
        ];
    }

    public static IReadOnlyList<ServiceView> Services(MirrorState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        var balancers = DesiredLoadBalancers.Of(state, state.Networks.Keys.ToHashSet(StringComparer.Ordinal));
        var tasks = state.Containers.Values.Where(container => container.Task is not null).ToLookup(container => container.Task!.ServiceId, StringComparer.Ordinal);
        return [.. state.Services.Values.OrderBy(service => service.Name, StringComparer.Ordinal).Select(service => Of(state, service, balancers, tasks[service.Id]))];
    }

    /// <summary>Null: there is none with this id.</summary>
    public static ServiceView? Service(MirrorState state, string id)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (state.Services.GetValueOrDefault(id) is not { } service) return null;
        var balancers = service.Networks
            .Select(network => DesiredLoadBalancers.Of(state, new ServiceInNetwork(service.Id, network.NetworkId)))
            .OfType<DesiredLoadBalancer>()
            .ToDictionary(balancer => balancer.Service);
        return Of(state, service, balancers, state.Containers.Values.Where(container => container.Task?.ServiceId == id));
    }

    private static ServiceView Of(
        MirrorState state, ServiceRecord service, IReadOnlyDictionary<ServiceInNetwork, DesiredLoadBalancer> balancers, IEnumerable<ContainerRecord> tasks)
    {
        var own = tasks.OrderBy(task => task.Name, StringComparer.Ordinal).ToList();
        return new ServiceView(
            service.Id, service.Name, service.Mode,
            [.. service.Ports.Select(port => new PublishedPort(port.Protocol, port.Target, port.Published))],
            [
                .. service.Networks.Select(network =>
                {
                    var balancer = balancers.GetValueOrDefault(new ServiceInNetwork(service.Id, network.NetworkId));
                    return new ServiceNetworkView(
                        network.NetworkId, NetworkName(state, network.NetworkId), network.Vip?.ToString(), balancer?.Scheduler ?? "", [.. network.Aliases],
                        [.. own.SelectMany(task => task.Networks.Where(endpoint => endpoint.NetworkId == network.NetworkId).Select(endpoint => Of(state, task, endpoint.Address, balancer)))]);
                }).OrderBy(network => network.Network, StringComparer.Ordinal),
            ],
            [.. service.Status?.Refused ?? []]);
    }

    private static BackendView Of(MirrorState state, ContainerRecord task, IPv4Address address, DesiredLoadBalancer? balancer)
    {
        var weight = balancer?.Backends.FirstOrDefault(backend => backend.ContainerId == task.Id)?.Weight ?? 0;
        var condition =
            task.State == ContainerState.Draining ? (weight > 0 ? BackendCondition.HeldOpen : BackendCondition.Draining)
            : task.Health == ContainerHealth.Starting || (balancer is not null && state.IsOpening(task)) ? BackendCondition.Starting
            : task.Health == ContainerHealth.Unhealthy ? BackendCondition.Unhealthy
            : state.IsPresent(task.Host) ? BackendCondition.Serving
            : BackendCondition.HostGone;
        return new BackendView(task.Id, task.Name, task.Host, address.ToString(), weight, condition, task.Drain?.Since);
    }

    private static HostState StateOf(MirrorState state, string name) =>
        !state.IsPresent(name) ? HostState.Gone
        : name == state.Here || state.Heard.Contains(name) ? HostState.Up
        : HostState.DaemonSilent;

    private static string NetworkName(MirrorState state, string id) => state.Networks.GetValueOrDefault(id)?.Name ?? id;
}
