using System.Collections.Immutable;
using FlannelFlow.Cluster.Addressing;

namespace FlannelFlow.Cluster.Mirror;

public enum EndpointMode
{
    /// <summary>The service's name stands for a virtual address per network.</summary>
    Vip,

    /// <summary>The service's name stands for the addresses of its tasks.</summary>
    Dnsrr,
}

/// <summary><c>docker/services/&lt;id&gt;</c>: a Swarm service that is on at least one of our networks, as a manager's Docker Engine describes it.</summary>
/// <param name="Id">Docker's, 25 characters.</param>
/// <param name="Name">Unique in a swarm.</param>
/// <param name="Networks">Those of ours that it is on, by network id.</param>
/// <param name="Labels">The service's own that begin with <c>flannelflow.</c></param>
/// <param name="Ports">Those that the service publishes, by target port and protocol.</param>
/// <param name="StopGraceSeconds">Between the stop signal and SIGKILL of its tasks; null is Docker's default.</param>
/// <param name="Status">What of its labels was refused, in words; null when nothing was. The defaults stand in their place.</param>
public sealed record ServiceRecord(
    string Id,
    string Name,
    EndpointMode Mode,
    ImmutableArray<ServiceNetwork> Networks,
    ImmutableSortedDictionary<string, string> Labels,
    ImmutableArray<ServicePort> Ports,
    ServiceStatus? Status = null,
    double? StopGraceSeconds = null);

/// <param name="Vip">The address that Swarm gave the service in the network; null with dnsrr, and until the leader has allocated it.</param>
/// <param name="Aliases">Further names of the service in this network (<c>--network name=…,alias=…</c>).</param>
public sealed record ServiceNetwork(string NetworkId, ImmutableArray<string> Aliases, IPv4Address? Vip = null);

/// <param name="Protocol">tcp, udp or sctp.</param>
/// <param name="Published">0: none.</param>
public sealed record ServicePort(string Protocol, int Target, int Published);

public sealed record ServiceStatus(ImmutableArray<string> Refused);
