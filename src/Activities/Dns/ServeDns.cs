using FlannelFlow.Activities.Networks;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Dns;

/// <summary>
/// The sandbox in which an endpoint is has our DNS server. Fails, to be tried again, while the endpoint's container does not run; done when the
/// endpoint is gone.
/// </summary>
/// <remarks>
/// A server lives in this process: the next daemon begins anew (restore, step 6). Docker's resolver answers until then, so that a start of a
/// container need not wait for this.
/// </remarks>
public sealed class ServeDns(IDockerSandboxes docker, DnsServers servers, RouteNetlink netlink) : Activity<ServeDns.In, Nothing>
{
    public sealed record In(string NetworkId, string EndpointId);

    public override string Type => "FlannelFlow.ServeDns";

    public override bool CanCompensate => true;

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        // The one that was refused has said so.
        if (!servers.CanServe) return Nothing.Instance;
        if (await docker.FindAsync(input.NetworkId, input.EndpointId, ct) is { } facts)
            await servers.EnsureAsync(facts, input.NetworkId, input.EndpointId, ct);
        else if (await StandsAsync(input.EndpointId, ct))
            throw new IOException($"endpoint {input.EndpointId} of network {input.NetworkId} is in no running container yet");
        // endpoint-leave deletes the veth first and withdraws afterwards: either it finds what was done here, or this finds no veth.
        if (!await StandsAsync(input.EndpointId, ct)) await servers.WithdrawAsync(input.EndpointId, ct);
        return Nothing.Instance;
    }

    public override Task CompensateAsync(In input, Nothing? output, ActivityExecution execution, CancellationToken ct) =>
        servers.WithdrawAsync(input.EndpointId, ct);

    private async Task<bool> StandsAsync(string endpointId, CancellationToken ct) =>
        await netlink.FindLinkAsync(NetworkDevices.HostVeth(endpointId), ct) is not null;
}
