using System.Collections.Immutable;
using System.Net;

namespace FlannelFlow.Dns.Names;

/// <summary>All that has a name in our networks, at one moment, of all hosts.</summary>
public sealed record NameSnapshot(
    ImmutableArray<NamedNetwork> Networks,
    ImmutableArray<NamedService> Services,
    ImmutableArray<NamedContainer> Containers)
{
    public static NameSnapshot Empty { get; } = new([], [], []);
}

/// <param name="Id">Docker's.</param>
public sealed record NamedNetwork(string Id, string Name);

/// <summary>A Swarm service. Its tasks are the containers that name it.</summary>
public sealed record NamedService(string Id, string Name, ImmutableArray<ServiceNames> Networks);

/// <summary>What a service is called in one network, besides its own name.</summary>
/// <param name="Vip">IPv4. Null with endpoint mode dnsrr: the service's names then stand for its tasks' addresses.</param>
public sealed record ServiceNames(string NetworkId, IPAddress? Vip, ImmutableArray<string> Aliases);

/// <summary>A running container.</summary>
/// <param name="Name">Docker's, without the slash. With the network's name it is the answer to a reverse lookup.</param>
/// <param name="ServiceId">Of the service whose task it is; null for a plain container.</param>
/// <param name="Ready">A task that is not (it drains, or is not healthy) gives no address to any name. Plain containers always do, as with Docker.</param>
public sealed record NamedContainer(string Id, string Name, string? ServiceId, bool Ready, ImmutableArray<ContainerNames> Networks);

/// <param name="Address">IPv4.</param>
/// <param name="Names">All the container is called here besides <see cref="NamedContainer.Name"/>: aliases, short id, hostname.</param>
public sealed record ContainerNames(string NetworkId, IPAddress Address, ImmutableArray<string> Names);
