using System.Collections.Immutable;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Dns.Names;

namespace FlannelFlow.Activities.Dns;

/// <summary>The mirror of Docker's objects as names. Pure.</summary>
public static class MirrorNames
{
    public static NameSnapshot Of(MirrorState mirror)
    {
        ArgumentNullException.ThrowIfNull(mirror);
        var serving = mirror.Containers.Values
            .Where(container => container.Task is not null)
            .GroupBy(container => container.Task!.ServiceId, StringComparer.Ordinal)
            .SelectMany(tasks => ServingTasks.Of(mirror, tasks))
            .Select(container => container.Id)
            .ToHashSet(StringComparer.Ordinal);
        return new NameSnapshot(
            [.. mirror.Networks.Values.Select(network => new NamedNetwork(network.Id, network.Name))],
            [.. mirror.Services.Values.Select(Service)],
            [.. mirror.Containers.Values.Where(mirror.Runs).Select(container => Container(container, mirror, serving))]);
    }

    /// <summary>Whether the names of both are the same for sure: hosts acknowledge often, and that changes no name.</summary>
    public static bool AreSame(MirrorState one, MirrorState other)
    {
        ArgumentNullException.ThrowIfNull(one);
        ArgumentNullException.ThrowIfNull(other);
        return ReferenceEquals(one.Networks, other.Networks) && ReferenceEquals(one.Services, other.Services)
            && ReferenceEquals(one.Containers, other.Containers) && ReferenceEquals(one.Refuted, other.Refuted) && Present(one).SetEquals(Present(other));
    }

    private static HashSet<string> Present(MirrorState mirror) => mirror.Hosts.Keys.Where(mirror.IsPresent).ToHashSet(StringComparer.Ordinal);

    private static NamedService Service(ServiceRecord service) => new(
        service.Id,
        service.Name,
        [
            .. service.Networks
                // Without its address yet, it is no dnsrr service: its names are not known.
                .Where(network => service.Mode == EndpointMode.Dnsrr || network.Vip is not null)
                .Select(network => new ServiceNames(network.NetworkId, network.Vip is { } vip ? vip.ToIPAddress() : null, network.Aliases)),
        ]);

    private static NamedContainer Container(ContainerRecord container, MirrorState mirror, HashSet<string> serving)
    {
        var service = container.Task is { } task ? mirror.Services.GetValueOrDefault(task.ServiceId) : null;
        return new NamedContainer(
            container.Id,
            container.Name,
            container.Task?.ServiceId,
            serving.Contains(container.Id),
            [
                .. container.Networks.Select(network => new ContainerNames(
                    network.NetworkId,
                    network.Address.ToIPAddress(),
                    [
                        .. network.DnsNames.Concat(network.Aliases).Append(container.ShortId).Append(container.Hostname)
                            .Except(SharedNames(service, network.NetworkId), StringComparer.OrdinalIgnoreCase),
                    ])),
            ]);
    }

    /// <summary>Names that stand for a service are no task's own, though Docker may list them with the task.</summary>
    private static IEnumerable<string> SharedNames(ServiceRecord? service, string networkId) => service is null
        ? []
        : service.Networks.Where(network => network.NetworkId == networkId).SelectMany(network => network.Aliases).Append(service.Name);
}
