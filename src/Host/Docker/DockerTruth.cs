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

    /// <summary>The ids of the endpoints that this engine's containers have on a network; empty if the engine does not know the network.</summary>
    /// <exception cref="DockerUnavailableException">The engine did not answer.</exception>
    public async Task<IReadOnlySet<string>> EndpointsAsync(string networkId, CancellationToken ct)
    {
        try
        {
            var network = await _client.Networks.InspectNetworkAsync(networkId, ct);
            return network.Containers?.Values.Select(endpoint => endpoint.EndpointID).ToHashSet() ?? [];
        }
        catch (DockerApiException missing) when (missing.StatusCode == HttpStatusCode.NotFound)
        {
            return new HashSet<string>();
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
