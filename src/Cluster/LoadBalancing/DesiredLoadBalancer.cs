using System.Collections.Immutable;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Cluster.LoadBalancing;

/// <summary>A service in one of its networks: what gets a load balancer on each host that carries the network.</summary>
public readonly record struct ServiceInNetwork(string ServiceId, string NetworkId)
{
    public override string ToString() => $"service {ServiceId} in network {NetworkId}";
}

/// <summary>What the load balancer of a service in a network has to be, on every host alike.</summary>
/// <param name="Backends">By address. None: connections are refused.</param>
public sealed record DesiredLoadBalancer(
    ServiceInNetwork Service, string ServiceName, IPv4Address Vip, string Scheduler, ImmutableArray<DesiredBackend> Backends);

/// <param name="Weight">0: it gets no new connection, since it drains or its host is gone. From 1 otherwise, also if it drains and is held open.</param>
/// <param name="Drain">Null: it does not drain.</param>
public sealed record DesiredBackend(string ContainerId, IPv4Address Address, int Weight, DrainRecord? Drain = null);

/// <summary>From the mirror to load balancers: pure.</summary>
public static class DesiredLoadBalancers
{
    /// <summary>All of the networks, by service and network.</summary>
    /// <param name="networkIds">Those that the host carries.</param>
    public static IReadOnlyDictionary<ServiceInNetwork, DesiredLoadBalancer> Of(MirrorState state, IReadOnlySet<string> networkIds)
    {
        var tasks = state.Containers.Values.Where(container => container.Task is not null)
            .ToLookup(container => container.Task!.ServiceId, StringComparer.Ordinal);
        return state.Services.Values
            .SelectMany(service => service.Networks
                .Where(network => networkIds.Contains(network.NetworkId))
                .Select(network => Of(state, service, network, [.. tasks[service.Id]])))
            .OfType<DesiredLoadBalancer>()
            .ToDictionary(balancer => balancer.Service);
    }

    /// <summary>Of one service in one network; null if it has none there.</summary>
    public static DesiredLoadBalancer? Of(MirrorState state, ServiceInNetwork which) =>
        state.Services.GetValueOrDefault(which.ServiceId) is { } service
        && service.Networks.FirstOrDefault(network => network.NetworkId == which.NetworkId) is { } network
            ? Of(state, service, network, [.. state.Containers.Values.Where(container => container.Task?.ServiceId == which.ServiceId)])
            : null;

    /// <summary>
    /// Services that were removed while their tasks still run: Docker releases name and VIP at once, the tasks have their stop grace. What load balancer
    /// they have stays until then, and so do its marks.
    /// </summary>
    public static IReadOnlySet<ServiceInNetwork> Lingering(MirrorState state) => state.Containers.Values
        .Where(container => container.Task is { } task && !state.Services.ContainsKey(task.ServiceId))
        .SelectMany(container => container.Networks.Select(network => new ServiceInNetwork(container.Task!.ServiceId, network.NetworkId)))
        .ToHashSet();

    private static DesiredLoadBalancer? Of(MirrorState state, ServiceRecord service, ServiceNetwork network, IReadOnlyCollection<ContainerRecord> tasks)
    {
        if (service.Mode != EndpointMode.Vip || network.Vip is not { } vip) return null;
        var settings = ServiceSettings.Of(service.Labels);
        var open = tasks.Where(task => !state.IsOpening(task)).ToList();
        var living = open.Where(task => state.Runs(task) && task.Networks.Any(endpoint => endpoint.NetworkId == network.NetworkId) && (task.IsUp || IsDraining(task))).ToList();
        var serving = ServingTasks.Of(state, open).Select(task => task.Id).ToHashSet(StringComparer.Ordinal);
        var heldOpen = BackendLife.HeldOpen(living.Select(task => (task.Id, IsDraining(task) ? task.Drain?.Since ?? DateTimeOffset.MinValue : (DateTimeOffset?)null)));
        return new DesiredLoadBalancer(
            new ServiceInNetwork(service.Id, network.NetworkId),
            service.Name,
            vip,
            settings.Scheduler,
            [
                .. living
                    .SelectMany(task => task.Networks
                        .Where(endpoint => endpoint.NetworkId == network.NetworkId)
                        .Select(endpoint => IsDraining(task)
                            ? new DesiredBackend(task.Id, endpoint.Address, task.Id == heldOpen ? BackendLife.HeldOpenWeight : 0, task.Drain)
                            // Of a host that is gone: no new ones, and what it has may go on, should the host only be cut off for a while.
                            : new DesiredBackend(task.Id, endpoint.Address, serving.Contains(task.Id) ? WeightOf(task, settings) : 0)))

                    // One address, one backend: of two records (an address that came back sooner than its old record went) either is right.
                    // The one that does not drain is the newer.
                    .GroupBy(backend => backend.Address, (_, same) => same.OrderBy(backend => backend.Drain is not null).ThenBy(backend => backend.ContainerId, StringComparer.Ordinal).First())
                    .OrderBy(backend => backend.Address),
            ]);
    }

    private static bool IsDraining(ContainerRecord task) => task.State == ContainerState.Draining;

    /// <summary>The container's own label goes before its service's, so that a rolling update can give its new tasks another weight.</summary>
    private static int WeightOf(ContainerRecord task, ServiceSettings service)
    {
        if (!task.Labels.ContainsKey(ServiceSettings.WeightLabel)) return service.Weight;
        var own = ServiceSettings.Of(task.Labels);
        return own.Refused.IsEmpty ? own.Weight : service.Weight;
    }
}
