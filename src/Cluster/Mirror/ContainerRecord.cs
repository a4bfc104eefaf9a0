using System.Collections.Immutable;
using System.Text.Json.Serialization;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Draining;

namespace FlannelFlow.Cluster.Mirror;

public enum ContainerHealth
{
    /// <summary>The container has no health check.</summary>
    None,
    Starting,
    Healthy,
    Unhealthy,
}

public enum ContainerState
{
    /// <summary>May get connections, as far as its health says so.</summary>
    Ready,

    /// <summary>Gets no new connection; those that it has live on.</summary>
    Draining,
}

/// <summary>
/// <c>docker/containers/&lt;host&gt;/&lt;id&gt;</c>: a running container that has an endpoint in at least one of our networks, as the Docker
/// Engine of its host describes it. A container that does not run has no record.
/// </summary>
/// <param name="Id">Docker's, 64 hexadecimal digits.</param>
/// <param name="Host">HOST_NAME of the host that runs it.</param>
/// <param name="Name">Without the slash; of a task <c>service.slot.taskid</c>.</param>
/// <param name="Task">Null for a container that is no task of a service.</param>
/// <param name="State">Ours, not Docker's: whoever reads Docker anew keeps it.</param>
/// <param name="Networks">Its endpoints in networks of ours, by network id.</param>
/// <param name="Labels">Those that begin with <c>flannelflow.</c></param>
/// <param name="StopGraceSeconds">Between the stop signal and SIGKILL, where the container has its own (docker run --stop-timeout).</param>
/// <param name="Drain">With <see cref="ContainerState.Draining"/> only. Ours, too.</param>
/// <param name="IsOpening">A task without a health check that has just begun and listens nowhere yet, as its host sees it. It has its names; no load balancer gives it connections.</param>
public sealed record ContainerRecord(
    string Id,
    string Host,
    string Name,
    string Hostname,
    ContainerHealth Health,
    ContainerState State,
    ImmutableArray<ContainerNetwork> Networks,
    ImmutableSortedDictionary<string, string> Labels,
    ContainerTask? Task = null,
    double? StopGraceSeconds = null,
    DrainRecord? Drain = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool IsOpening = false)
{
    /// <summary>As docker ps shows it: the first twelve digits, which are also a name of the container.</summary>
    [JsonIgnore]
    public string ShortId => Id[..Math.Min(12, Id.Length)];

    [JsonIgnore]
    public TimeSpan? StopGrace => StopGraceSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null;

    /// <summary>Runs and is healthy, as far as it is asked: Docker itself puts a task into its service at this moment.</summary>
    [JsonIgnore]
    public bool IsUp => Health is ContainerHealth.None or ContainerHealth.Healthy;
}

/// <summary>From the labels <c>com.docker.swarm.*</c> that Swarm gives to a task's container.</summary>
/// <param name="Id">com.docker.swarm.task.id</param>
/// <param name="Slot">The replica's number; null in a global service.</param>
/// <param name="NodeId">Swarm's id of the host.</param>
public sealed record ContainerTask(string Id, string ServiceId, string ServiceName, string NodeId, int? Slot = null);

/// <param name="EndpointId">Docker's, 64 hexadecimal digits.</param>
/// <param name="Address">The real one, of the host's subnet.</param>
/// <param name="Provisional">The one that the Swarm leader had allocated for it; null where Docker does not say, or it is the real one.</param>
/// <param name="Aliases">Further names of the container in this network, as Docker's inspect has them (until 24 its short id among them).</param>
/// <param name="DnsNames">All names of the container in this network; empty before Docker 25, which does not say.</param>
public sealed record ContainerNetwork(
    string NetworkId,
    string EndpointId,
    IPv4Address Address,
    ImmutableArray<string> Aliases,
    ImmutableArray<string> DnsNames,
    IPv4Address? Provisional = null);
