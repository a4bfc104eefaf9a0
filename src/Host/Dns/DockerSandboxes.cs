using System.Collections.Immutable;
using System.Net;
using Docker.DotNet.Models;
using FlannelFlow.Activities.Dns;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Host.Docker;

namespace FlannelFlow.Host.Dns;

/// <summary>An endpoint of ours and the sandbox it is in.</summary>
public sealed record SandboxEndpoint(string NetworkId, string EndpointId, SandboxFacts Sandbox);

/// <summary>Sandboxes of this host's containers, as Docker describes them.</summary>
public sealed class DockerSandboxes(DockerTruth docker, HostNetworks networks, DockerMirror mirror) : IDockerSandboxes
{
    /// <summary>Swarm's network for published ports. It has no names that anybody asks for.</summary>
    private const string Ingress = "ingress";

    public async Task<SandboxFacts?> FindAsync(string networkId, string endpointId, CancellationToken ct) =>
        await docker.ContainerOfAsync(networkId, endpointId, ct) is { } id && await docker.ContainerAsync(id, ct) is { } container
        && container.NetworkSettings?.Networks?.Values.Any(endpoint => endpoint.EndpointID == endpointId) == true
            ? Facts(container, IsOurs, IsInternal) : null;

    /// <summary>All endpoints of ours in containers that run here.</summary>
    /// <exception cref="DockerUnavailableException">The engine did not answer.</exception>
    public async Task<IReadOnlyList<SandboxEndpoint>> AllAsync(CancellationToken ct)
    {
        var found = new List<SandboxEndpoint>();
        foreach (var id in await docker.RunningAsync(ct))
        {
            if (await docker.ContainerAsync(id, ct) is not { } container || Facts(container, IsOurs, IsInternal) is not { } facts) continue;
            found.AddRange(container.NetworkSettings!.Networks.Values
                .Where(endpoint => facts.Networks.Contains(endpoint.NetworkID))
                .Select(endpoint => new SandboxEndpoint(endpoint.NetworkID, endpoint.EndpointID, facts)));
        }

        return found;
    }

    /// <summary>Null: it does not run, or has no network of ours. Pure.</summary>
    internal static SandboxFacts? Facts(ContainerInspectResponse container, Func<string, bool> isOurs, Func<string, bool> isInternal)
    {
        if (container.State?.Running != true || string.IsNullOrEmpty(container.NetworkSettings?.SandboxKey)) return null;
        var all = (container.NetworkSettings.Networks ?? new Dictionary<string, EndpointSettings>())
            .Where(network => network.Key != Ingress && !string.IsNullOrEmpty(network.Value.NetworkID))
            // moby: daemon/libnetwork/sandbox.go, Endpoint.Less: the gateway's priority, then the network's name.
            .OrderByDescending(network => network.Value.GwPriority)
            .ThenBy(network => network.Key, StringComparer.Ordinal)
            .Select(network => network.Value.NetworkID)
            .ToList();
        ImmutableArray<string> ours = [.. all.Where(isOurs)];
        if (ours.IsEmpty) return null;
        var hasLinks = container.NetworkSettings.Networks!.Values.Any(network => network.Links is { Count: > 0 });
        return new SandboxFacts(
            container.ID,
            container.NetworkSettings.SandboxKey,
            ours,
            IsOursOnly: ours.Length == all.Count && !hasLinks,
            IsInternal: all.TrueForAll(network => isOurs(network) && isInternal(network)),
            [.. (container.HostConfig?.DNS ?? []).Select(text => IPAddress.TryParse(text, out var address) ? address : null).OfType<IPAddress>()],
            NdotsSet: (container.HostConfig?.DNSOptions ?? []).Any(option => option.StartsWith("ndots:", StringComparison.Ordinal)));
    }

    private bool IsOurs(string network) => networks.Find(network) is not null;

    private bool IsInternal(string network) => mirror.Current?.Networks.GetValueOrDefault(network)?.IsInternal == true;
}
