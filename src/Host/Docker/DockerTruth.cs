using System.Net;
using Docker.DotNet;
using Docker.DotNet.Models;
using FlannelFlow.Cluster.Garbage;
using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Host.Docker;

/// <summary>What the Docker Engine of this host says; the truth that trumps etcd and memory.</summary>
/// <remarks>Asked by loops of the daemon only, never inside a plugin call. Every call but the events ends within <see cref="CallTimeout"/>.</remarks>
public sealed class DockerTruth(FlannelFlowOptions options, SwarmRole role, RemovedNetworks removed) : IDisposable
{
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(10);

    private readonly DockerClient _client = new DockerClientBuilder()
        .WithEndpoint(new Uri(options.DockerEndpoint))
        .WithTimeout(CallTimeout)
        .Build();

    /// <summary>The endpoints that this engine has on a network; null if it does not carry the network.</summary>
    /// <remarks>
    /// Empty is not null: an engine makes a task's network first and then pulls its image, which may take minutes. A manager knows every
    /// network of the swarm; one that it does not carry itself comes without Containers (moby: convert.BasicNetworkFromGRPC sets none,
    /// buildNetworkResource always a map).
    /// </remarks>
    /// <exception cref="DockerUnavailableException">The engine did not answer.</exception>
    public Task<IReadOnlyList<DockerEndpoint>?> EndpointsAsync(string networkId, CancellationToken ct) => AskAsync<IReadOnlyList<DockerEndpoint>?>(
        $"network {networkId}",
        async () =>
        {
            try
            {
                var network = await _client.Networks.InspectNetworkAsync(networkId, ct);
                return network.Containers?.Select(pair => DockerObjects.Endpoint(pair.Key, pair.Value)).ToList();
            }
            catch (DockerApiException missing) when (missing.StatusCode == HttpStatusCode.NotFound)
            {
                return null;
            }
        },
        ct);

    /// <summary>The id of the running container that has the endpoint; null if none has.</summary>
    /// <exception cref="DockerUnavailableException">The engine did not answer.</exception>
    public Task<string?> ContainerOfAsync(string networkId, string endpointId, CancellationToken ct) => AskAsync<string?>(
        $"network {networkId}",
        async () =>
        {
            try
            {
                var network = await _client.Networks.InspectNetworkAsync(networkId, ct);
                return network.Containers?.FirstOrDefault(container => container.Value.EndpointID == endpointId).Key;
            }
            catch (DockerApiException missing) when (missing.StatusCode == HttpStatusCode.NotFound)
            {
                return null;
            }
        },
        ct);

    /// <summary>
    /// Our networks, the services on them, and the nodes that are down; null if this engine is no manager of a swarm. A manager that is not
    /// the leader asks the leader (swarmkit: raftproxy).
    /// </summary>
    /// <remarks>Whether it is a manager is told by the refusal: /info starts programs to find their versions, and takes seconds on a busy host.</remarks>
    /// <exception cref="DockerUnavailableException">The engine did not answer, or the swarm has no leader.</exception>
    public Task<ClusterObjects?> ClusterAsync(CancellationToken ct) => AskManagerAsync(
        "the swarm's networks, services and nodes",
        async () =>
        {
            // Services before networks: a service that is read has its networks read.
            var services = await _client.Swarm.ListServicesAsync(new ServiceListParameters(), ct);
            var nodes = await _client.Swarm.ListNodesAsync(ct);
            var networks = (await _client.Networks.ListNetworksAsync(new NetworksListParameters(), ct))
                .Select(DockerObjects.Network)
                .OfType<NetworkRecord>()
                .ToDictionary(network => network.Id, StringComparer.Ordinal);
            return new ClusterObjects(
                networks.Values,
                [.. services.Select(service => DockerObjects.Service(service, networks)).OfType<ServiceRecord>()],
                nodes.Where(node => node.Status?.State == "down").Select(node => node.ID).ToHashSet(StringComparer.Ordinal));
        },
        ct);

    /// <summary>All networks that a manager knows, of whichever driver, but those that Swarm has removed and the engine still carries; null if this engine is no manager.</summary>
    /// <exception cref="DockerUnavailableException">The engine did not answer, or the swarm has no leader.</exception>
    public Task<IReadOnlyCollection<DockerNetwork>?> NetworksAsync(CancellationToken ct) => AskManagerAsync<IReadOnlyCollection<DockerNetwork>>(
        "the swarm's networks",
        async () =>
        {
            // A worker would tell its own.
            await _client.Swarm.ListNodesAsync(ct);
            return removed.Without([.. (await _client.Networks.ListNetworksAsync(new NetworksListParameters(), ct)).Select(DockerObjects.AnyNetwork)]);
        },
        ct);

    /// <summary>The ids of the containers that run here.</summary>
    /// <exception cref="DockerUnavailableException">The engine did not answer.</exception>
    public Task<IReadOnlyList<string>> RunningAsync(CancellationToken ct) => AskAsync<IReadOnlyList<string>>(
        "its containers", async () => [.. (await _client.Containers.ListContainersAsync(new ContainersListParameters(), ct)).Select(container => container.ID)], ct);

    /// <summary>One container; null if there is none.</summary>
    /// <exception cref="DockerUnavailableException">The engine did not answer.</exception>
    public Task<ContainerInspectResponse?> ContainerAsync(string id, CancellationToken ct) => AskAsync<ContainerInspectResponse?>(
        $"container {id}",
        async () =>
        {
            try
            {
                return await _client.Containers.InspectContainerAsync(id, ct);
            }
            catch (DockerContainerNotFoundException)
            {
                return null;
            }
        },
        ct);

    /// <summary>The ids of the tasks that Swarm wants to run; null if this engine is no manager.</summary>
    /// <exception cref="DockerUnavailableException">The engine did not answer, or the swarm has no leader.</exception>
    public Task<IReadOnlySet<string>?> WantedTasksAsync(CancellationToken ct) => AskManagerAsync<IReadOnlySet<string>>(
        "the swarm's tasks",
        async () =>
        {
            var filters = new Dictionary<string, IDictionary<string, bool>> { ["desired-state"] = new Dictionary<string, bool> { ["running"] = true } };
            return (await _client.Tasks.ListAsync(new TasksListParameters { Filters = filters }, ct)).Select(task => task.ID).ToHashSet(StringComparer.Ordinal);
        },
        ct);

    /// <summary>Whether Swarm wants a task to run. One that is gone it does not want.</summary>
    /// <exception cref="DockerUnavailableException">The engine did not answer, or the swarm has no leader.</exception>
    public Task<bool> IsTaskWantedAsync(string id, CancellationToken ct) => AskAsync(
        $"task {id}",
        async () =>
        {
            try
            {
                return (await _client.Tasks.InspectAsync(id, ct)).DesiredState is not (
                    TaskState.Shutdown or TaskState.Remove or TaskState.Complete or TaskState.Failed or TaskState.Rejected or TaskState.Orphaned);
            }
            catch (DockerApiException missing) when (missing.StatusCode == HttpStatusCode.NotFound)
            {
                return false;
            }
        },
        ct);

    /// <summary>Calls for each event until the stream ends, which is an error like no answer: events were lost.</summary>
    /// <param name="listening">Called when the engine has taken the request: what happens from then on is told.</param>
    /// <exception cref="DockerUnavailableException">The stream ended.</exception>
    public async Task FollowEventsAsync(Action listening, Action<Message> happened, CancellationToken ct)
    {
        var filters = new Dictionary<string, IDictionary<string, bool>>
        {
            ["type"] = new Dictionary<string, bool> { ["container"] = true, ["network"] = true, ["service"] = true, ["node"] = true },
        };
        await AskAsync(
            "its events",
            async () =>
            {
                var following = _client.System.MonitorEventsAsync(new ContainerEventsParameters { Filters = filters }, new Inline(Heard), ct);
                role.Heard();
                listening();
                await following;
                return true;
            },
            ct);
        throw new DockerUnavailableException($"{options.DockerEndpoint} ended the stream of events", cause: null);

        void Heard(Message message)
        {
            if (message.Scope == "swarm") role.Heard();
            if (message is { Scope: "swarm", Type: "network", Action: "remove" }) removed.Heard(message.Actor.ID);
            happened(message);
        }
    }

    public void Dispose() => _client.Dispose();

    /// <summary>What a manager of a swarm answers; null if this engine is none (moby daemon/cluster/errors.go: errNotManager, errNoSwarm).</summary>
    private Task<T?> AskManagerAsync<T>(string what, Func<Task<T>> ask, CancellationToken ct)
        where T : class => role.AskManagerAsync(() => AskAsync<T?>(
            what,
            async () =>
            {
                try
                {
                    return await ask();
                }
                catch (DockerApiException no) when (no.ResponseBody?.Contains("not a swarm manager", StringComparison.Ordinal) == true)
                {
                    return null;
                }
            },
            ct));

    private async Task<T> AskAsync<T>(string what, Func<Task<T>> ask, CancellationToken ct)
    {
        try
        {
            return await ask();
        }
        catch (Exception failed) when (failed is HttpRequestException or IOException or TimeoutException or DockerApiException
            || (failed is OperationCanceledException && !ct.IsCancellationRequested))
        {
            throw new DockerUnavailableException($"asking {options.DockerEndpoint} for {what}: {failed.Message}", failed);
        }
    }

    /// <summary>In the order of the stream, unlike <see cref="Progress{T}"/>.</summary>
    private sealed class Inline(Action<Message> happened) : IProgress<Message>
    {
        public void Report(Message value) => happened(value);
    }
}

public sealed class DockerUnavailableException(string message, Exception? cause) : Exception(message, cause);
