using FlannelFlow.Activities.Networks;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.LoadBalancing;

/// <summary>No load balancer of the network is left on this host, nor the device of its VIPs.</summary>
public sealed class WithdrawNetwork(ILoadBalancer balancer) : Activity<WithdrawNetwork.In, Nothing>
{
    /// <param name="Vni">0: the network is not on this host, nothing is to be done.</param>
    public sealed record In(int Vni);

    public override string Type => "FlannelFlow.WithdrawNetwork";

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        if (input.Vni == 0) return Nothing.Instance;
        var tables = await balancer.ReadAsync(ct);
        if (tables.Networks.FirstOrDefault(network => network.Frame.Device == NetworkDevices.Vip(input.Vni)) is { } network)
            await balancer.RemoveNetworkAsync(network.Frame, ct);
        return Nothing.Instance;
    }
}
