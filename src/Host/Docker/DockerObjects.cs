using System.Collections.Immutable;
using System.Globalization;
using Docker.DotNet.Models;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Garbage;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Host.Docker;

/// <summary>An endpoint of a network, as the engine describes it.</summary>
/// <param name="ContainerId">Null: it is in no container's sandbox, yet or any more.</param>
/// <param name="ContainerName">Without the slash.</param>
public sealed record DockerEndpoint(string Id, string? ContainerId, string ContainerName, IPv4Address? Address);

/// <summary>Docker's objects as records of the mirror. Pure. Null: not ours, or not complete yet.</summary>
public static class DockerObjects
{
    /// <summary>That NetworkDriver.AllocateNetwork gave to the network: what has it is ours, under whatever name the plugin is installed.</summary>
    private const string PoolOption = "flannelflow.pool";
    private const string VniOption = "flannelflow.vni";
    private const string OwnLabels = "flannelflow.";
    private const int ContainerIdLength = 64;

    public static NetworkRecord? Network(NetworkResponse network) =>
        network.Options?.TryGetValue(PoolOption, out var text) == true && IPv4Network.TryParse(text, out var pool, out _)
            ? new NetworkRecord(network.ID, network.Name, pool, network.Internal, network.Attachable, Sorted(network.Labels, _ => true))
            : null;

    public static DockerNetwork AnyNetwork(NetworkResponse network)
    {
        ArgumentNullException.ThrowIfNull(network);
        var options = network.Options ?? new Dictionary<string, string>();
        return new DockerNetwork(
            network.ID,
            options.TryGetValue(PoolOption, out var text) && IPv4Network.TryParse(text, out var pool, out _) ? pool : null,
            options.TryGetValue(VniOption, out var number) && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var vni) ? vni : null,
            [
                .. (network.IPAM?.Config ?? []).Select(config => IPv4Network.TryParse(config.Subnet, out var subnet, out _) ? subnet : (IPv4Network?)null)
                    .OfType<IPv4Network>(),
            ]);
    }

    /// <param name="networks">Ours, by id.</param>
    public static ServiceRecord? Service(SwarmService service, IReadOnlyDictionary<string, NetworkRecord> networks)
    {
        var vips = (service.Endpoint?.VirtualIPs ?? [])
            .Where(vip => vip.NetworkID is not null)
            .ToLookup(vip => vip.NetworkID, vip => vip.Addr?.Split('/')[0], StringComparer.Ordinal);

        // The spec says what is wanted, the endpoint what the leader has made of it: a service that turns to dnsrr loses its VIPs first.
        var mode = service.Endpoint?.Spec?.Mode ?? service.Spec?.EndpointSpec?.Mode ?? "vip";
        ImmutableArray<ServiceNetwork> ours =
        [
            .. (service.Spec?.TaskTemplate?.Networks ?? [])
                .Select(attachment => (Network: Find(attachment.Target), attachment.Aliases))
                .Where(attachment => attachment.Network is not null)
                .DistinctBy(attachment => attachment.Network!.Id)
                .OrderBy(attachment => attachment.Network!.Id, StringComparer.Ordinal)
                .Select(attachment => new ServiceNetwork(
                    attachment.Network!.Id,
                    Names(attachment.Aliases),
                    IPv4Address.TryParse(vips[attachment.Network.Id].FirstOrDefault(), out var vip) ? vip : null)),
        ];
        if (ours.IsEmpty) return null;
        var labels = Sorted(service.Spec?.Labels, name => name.StartsWith(OwnLabels, StringComparison.Ordinal));
        ImmutableArray<string> refused = [.. ServiceSettings.Of(labels).Refused, .. DrainTerms.Default.With(labels).Refused];
        return new ServiceRecord(
            service.ID,
            service.Spec?.Name ?? service.ID,
            mode.Equals("dnsrr", StringComparison.OrdinalIgnoreCase) ? EndpointMode.Dnsrr : EndpointMode.Vip,
            ours,
            labels,
            [
                .. (service.Endpoint?.Ports ?? [])
                    .Select(port => new ServicePort(port.Protocol ?? "tcp", (int)(port.TargetPort ?? 0), (int)(port.PublishedPort ?? 0)))
                    .OrderBy(port => port.Target).ThenBy(port => port.Protocol, StringComparer.Ordinal).ThenBy(port => port.Published),
            ],
            refused.IsEmpty ? null : new Cluster.Mirror.ServiceStatus(refused),
            service.Spec?.TaskTemplate?.ContainerSpec?.StopGracePeriod?.TotalSeconds);

        // The command line resolves names to ids, the API takes either.
        NetworkRecord? Find(string? target) => target is null ? null
            : networks.TryGetValue(target, out var byId) ? byId
            : networks.Values.FirstOrDefault(network => network.Name == target);
    }

    /// <param name="key">In the network's Containers: the container's id, or <c>ep-ID</c> of an endpoint that is in no sandbox (moby: buildContainerAttachments).</param>
    public static DockerEndpoint Endpoint(string key, EndpointResource endpoint) => new(
        endpoint.EndpointID,
        key.Length == ContainerIdLength && key.All(char.IsAsciiHexDigit) ? key : null,
        endpoint.Name,
        IPv4Address.TryParse(endpoint.IPv4Address?.Split('/')[0], out var address) ? address : null);

    /// <summary>A VIP service whose addresses the leader has not allocated yet: nothing tells when it has.</summary>
    public static bool IsIncomplete(ServiceRecord service) => service.Mode == EndpointMode.Vip && service.Networks.Any(network => network.Vip is null);

    /// <param name="isOurs">Whether a network, by its id, is one of ours on this host.</param>
    public static ContainerRecord? Container(ContainerInspectResponse container, string host, Func<string, bool> isOurs)
    {
        if (container.State?.Running != true) return null;
        ImmutableArray<ContainerNetwork> networks =
        [
            .. (container.NetworkSettings?.Networks?.Values ?? [])
                .Where(endpoint => !string.IsNullOrEmpty(endpoint.NetworkID) && isOurs(endpoint.NetworkID))
                .OrderBy(endpoint => endpoint.NetworkID, StringComparer.Ordinal)
                .Select(Endpoint)
                .OfType<ContainerNetwork>(),
        ];
        if (networks.IsEmpty) return null;
        var labels = container.Config?.Labels ?? new Dictionary<string, string>();
        return new ContainerRecord(
            container.ID,
            host,
            container.Name.TrimStart('/'),
            container.Config?.Hostname ?? "",
            container.State.Health?.Status switch
            {
                "starting" => ContainerHealth.Starting,
                "healthy" => ContainerHealth.Healthy,
                "unhealthy" => ContainerHealth.Unhealthy,
                _ => ContainerHealth.None,
            },
            ContainerState.Ready,
            networks,
            Sorted(labels, name => name.StartsWith(OwnLabels, StringComparison.Ordinal)),
            TaskOf(labels),
            container.Config?.StopTimeout?.TotalSeconds);
    }

    /// <summary>Of the first process of a running container.</summary>
    public static int Pid(ContainerInspectResponse container) => (int)(container.State?.Pid ?? 0);

    /// <summary>By the host's clock; of a time that cannot be read: long ago.</summary>
    public static DateTimeOffset StartedAt(ContainerInspectResponse container) =>
        DateTimeOffset.TryParse(container.State?.StartedAt, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : DateTimeOffset.MinValue;

    private static ContainerNetwork? Endpoint(EndpointSettings endpoint)
    {
        if (!IPv4Address.TryParse(endpoint.IPAddress, out var address)) return null;

        // Where the leader allocated an address, its daemon names it here, whatever address our IPAM answered on the node.
        IPv4Address? provisional = IPv4Address.TryParse(endpoint.IPAMConfig?.IPv4Address, out var asked) && asked != address ? asked : null;
        return new ContainerNetwork(
            endpoint.NetworkID, endpoint.EndpointID, address, Names(endpoint.Aliases), Names(endpoint.DNSNames), provisional);
    }

    private static ContainerTask? TaskOf(IDictionary<string, string> labels)
    {
        if (!labels.TryGetValue("com.docker.swarm.task.id", out var id) || !labels.TryGetValue("com.docker.swarm.service.id", out var service)) return null;

        // "web.3.TASK" of a replicated service, "web.NODE.TASK" of a global one; the service's name may have dots of its own.
        var name = labels.TryGetValue("com.docker.swarm.task.name", out var task) ? task.Split('.') : [];
        return new ContainerTask(
            id,
            service,
            labels.TryGetValue("com.docker.swarm.service.name", out var serviceName) ? serviceName : "",
            labels.TryGetValue("com.docker.swarm.node.id", out var node) ? node : "",
            name.Length >= 3 && int.TryParse(name[^2], NumberStyles.None, CultureInfo.InvariantCulture, out var slot) ? slot : null);
    }

    /// <summary>Sorted and once each: Docker keeps no order, and an order of its own would be a change in etcd.</summary>
    private static ImmutableArray<string> Names(IEnumerable<string>? names) =>
        [.. (names ?? []).Where(name => !string.IsNullOrEmpty(name)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    private static ImmutableSortedDictionary<string, string> Sorted(IDictionary<string, string>? labels, Func<string, bool> kept) =>
        (labels ?? new Dictionary<string, string>()).Where(label => kept(label.Key)).ToImmutableSortedDictionary(StringComparer.Ordinal);
}
