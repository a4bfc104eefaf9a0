using FlannelFlow.Activities.Dns;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Host.Docker;
using FlannelFlow.Host.Plugin;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Dns;

/// <summary>Looks at every sandbox of this host: one that is not served gets an endpoint-dns, one that is what Docker says of it now.</summary>
/// <param name="runtime">Opened after the activities that call this were made.</param>
public sealed class SandboxSweep(DockerSandboxes sandboxes, DnsServers servers, HostNetworks networks, Func<WorkflowRuntime> runtime)
{
    /// <returns>How many were not served.</returns>
    /// <exception cref="DockerUnavailableException">The engine did not answer.</exception>
    public async Task<int> ServeAsync(CancellationToken ct)
    {
        if (networks.All.Count == 0 || !servers.CanServe) return 0;
        var begun = 0;
        foreach (var endpoint in await sandboxes.AllAsync(ct))
        {
            if (servers.Serves(endpoint.EndpointId))
            {
                await servers.RefreshAsync(endpoint.Sandbox, endpoint.EndpointId, ct);
                continue;
            }

            await runtime().StartAsync(EndpointDns.Start(endpoint.NetworkId, endpoint.EndpointId), ct);
            begun++;
        }

        return begun;
    }
}
