using System.Net;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.LoadBalancing;

/// <summary>The VIP is no longer this host's, and nothing stands behind the marks; with the network's last service goes its device.</summary>
public sealed class WithdrawService(ILoadBalancer balancer) : Activity<WithdrawService.In, Nothing>
{
    /// <param name="Device">As found in the kernel: the service, or its network, may be gone from all else.</param>
    /// <param name="HostSubnet">As found in the kernel.</param>
    public sealed record In(string Device, string HostSubnet, string Vip, int Marks);

    public override string Type => "FlannelFlow.WithdrawService";

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var frame = new NetworkFrame(input.Device, IPv4Prefix.Parse(input.HostSubnet, null));
        await balancer.RemoveServiceAsync(frame, KernelKey.Of(input.Vip, input.Marks), ct);

        // Nobody publishes in this network meanwhile: both hold its lane.
        var tables = await balancer.ReadAsync(ct);
        if (tables.Networks.FirstOrDefault(network => network.Frame.Device == input.Device) is { Services.Count: 0 } empty)
            await balancer.RemoveNetworkAsync(empty.Frame, ct);
        return Nothing.Instance;
    }
}
