using FlannelFlow.Activities.Networks;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Endpoints;

/// <summary>The endpoint's veth is gone, both ends. Success also when Docker or the kernel took it with the sandbox.</summary>
public sealed class DeleteVeth(RouteNetlink netlink) : Activity<DeleteVeth.In, Nothing>
{
    public sealed record In(string EndpointId);

    public override string Type => "FlannelFlow.DeleteVeth";

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        await netlink.DeleteLinkAsync(NetworkDevices.HostVeth(input.EndpointId), ct);
        return Nothing.Instance;
    }
}
