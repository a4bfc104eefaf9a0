using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Linux;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Networks;

/// <summary>
/// The network's bridge stands, with the first address of the host's subnet, and is up. The kernel's route of that subnet comes with the
/// address; flanneld keeps the routes to the other hosts'.
/// </summary>
public sealed class CreateBridge(HostNetworks networks, RouteNetlink netlink, Iptables iptables) : Activity<CreateBridge.In, Nothing>
{
    /// <param name="Mtu">Bytes.</param>
    public sealed record In(string NetworkId, int Vni, string HostSubnet, int Mtu);

    public override string Type => "FlannelFlow.CreateBridge";

    public override bool CanCompensate => true;

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var fabric = networks.RequireFabric(networks.Require(input.NetworkId));
        var name = NetworkDevices.Bridge(input.Vni);
        var bridge = await netlink.EnsureLinkAsync(
            new BridgeConfig(name) { Mtu = input.Mtu, Mac = MacOf(fabric.BridgeAddress), Up = true },
            ct);

        var wanted = new InterfaceAddress(bridge.Link.Index, fabric.BridgeAddress.ToIPAddress(), fabric.HostSubnet.Length);
        await netlink.EnsureAddressAsync(wanted, ct);
        // Another address is that of a subnet this host leased before: containers would be given a gateway that does not answer for them.
        foreach (var other in await netlink.ListAddressesAsync(bridge.Link.Index, ct))
        {
            if (!other.Address.Equals(wanted.Address) && other.Address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork)
                await netlink.DeleteAddressAsync(other, ct);
        }

        await EnsureForwardingAsync(ct);
        return Nothing.Instance;
    }

    /// <summary>
    /// Whoever turns forwarding on makes a router of the host, and has to see that it does not forward for everybody. dockerd does so (moby
    /// libnetwork/drivers/bridge/setup_ip_forwarding.go), but only if it finds forwarding off: after a reboot we may come first.
    /// </summary>
    private async Task EnsureForwardingAsync(CancellationToken ct)
    {
        const string forwarding = "net/ipv4/ip_forward";
        if (Sysctl.Read(forwarding) != "0") return;
        await iptables.DropByDefaultAsync("filter", "FORWARD", ct);
        Sysctl.Write(forwarding, "1");
    }

    public override async Task CompensateAsync(In input, Nothing? output, ActivityExecution execution, CancellationToken ct) =>
        await netlink.DeleteLinkAsync(NetworkDevices.Bridge(input.Vni), ct);

    /// <summary>A fixed MAC: a bridge without one takes the lowest of its ports and changes it as containers come and go.</summary>
    private static MacAddress MacOf(IPv4Address address)
    {
        var bytes = address.ToIPAddress().GetAddressBytes();
        return MacAddress.Parse($"02:42:{bytes[0]:x2}:{bytes[1]:x2}:{bytes[2]:x2}:{bytes[3]:x2}", null);
    }
}
