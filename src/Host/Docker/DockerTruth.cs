using System.Net;
using Docker.DotNet;

namespace FlannelFlow.Host.Docker;

/// <summary>What the Docker Engine of this host says; the truth that trumps etcd and memory.</summary>
/// <remarks>Asked by the reconciler only, never inside a plugin call.</remarks>
public sealed class DockerTruth(FlannelFlowOptions options) : IDisposable
{
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(10);

    private readonly DockerClient _client = new DockerClientBuilder()
        .WithEndpoint(new Uri(options.DockerEndpoint))
        .WithTimeout(CallTimeout)
        .Build();

    /// <summary>The ids of the endpoints that this engine's containers have on a network; null if the engine does not carry the network.</summary>
    /// <remarks>
    /// Empty is not null: an engine makes a task's network first and then pulls its image, which may take minutes. A manager knows every
    /// network of the swarm; one that it does not carry itself comes without Containers (moby: convert.BasicNetworkFromGRPC sets none,
    /// buildNetworkResource always a map).
    /// </remarks>
    /// <exception cref="DockerUnavailableException">The engine did not answer.</exception>
    public async Task<IReadOnlySet<string>?> EndpointsAsync(string networkId, CancellationToken ct)
    {
        try
        {
            var network = await _client.Networks.InspectNetworkAsync(networkId, ct);
            return network.Containers?.Values.Select(endpoint => endpoint.EndpointID).ToHashSet();
        }
        catch (DockerApiException missing) when (missing.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }
        catch (Exception failed) when (failed is HttpRequestException or IOException or TimeoutException or DockerApiException
            || (failed is OperationCanceledException && !ct.IsCancellationRequested))
        {
            throw new DockerUnavailableException($"asking {options.DockerEndpoint} for network {networkId}: {failed.Message}", failed);
        }
    }

    public void Dispose() => _client.Dispose();
}

public sealed class DockerUnavailableException(string message, Exception cause) : Exception(message, cause);
