using System.Net;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Endpoints;

/// <summary>The endpoint's veth pair stands: one end to stay on the host, one for Docker to move into the sandbox.</summary>
/// <remarks>
/// After a crash the pair may stand already, and Docker may even have moved its other end; the host's end is what is looked at. A pair whose
/// other end is not in this namespace and was never given to Docker cannot be, since Docker moves it only after Join was answered.
/// </remarks>
public sealed class CreateVeth(HostNetworks networks, RouteNetlink netlink) : Activity<CreateVeth.In, CreateVeth.Out>
{
    /// <param name="Address">With its prefix length, as Docker has it.</param>
    /// <param name="MacAddress">Empty: made from the address.</param>
    public sealed record In(string NetworkId, string EndpointId, string Address, string MacAddress);

    public sealed record Out(string HostInterface, string ContainerInterface, string Mac);

    public override string Type => "FlannelFlow.CreateVeth";

    public override bool CanCompensate => true;

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var network = networks.Require(input.NetworkId);
        var fabric = networks.RequireFabric(network);
        var host = NetworkDevices.HostVeth(input.EndpointId);
        var container = NetworkDevices.ContainerVeth(input.EndpointId);
        var mac = input.MacAddress.Length > 0 ? ParseMac(input.MacAddress) : MacOf(input.Address);
        if (await netlink.FindLinkAsync(host, ct) is null)
        {
            await netlink.AddLinkAsync(
                new VethConfig(host, container) { Mtu = fabric.Mtu, PeerMtu = fabric.Mtu, PeerMac = mac },
                ct);
        }

        return new Out(host, container, mac.ToString());
    }

    public override async Task CompensateAsync(In input, Out? output, ActivityExecution execution, CancellationToken ct) =>
        await netlink.DeleteLinkAsync(NetworkDevices.HostVeth(input.EndpointId), ct);

    /// <summary>
    /// 02:42 and the four bytes of the address, as Docker's bridge driver makes it (moby: daemon/libnetwork/netutils GenerateMACFromIP): an
    /// address that is used again comes with the same MAC, so nobody's ARP entry is wrong for it.
    /// </summary>
    private static MacAddress MacOf(string address)
    {
        var bytes = IPAddress.Parse(address.Split('/')[0]).GetAddressBytes();
        return MacAddress.Parse($"02:42:{bytes[0]:x2}:{bytes[1]:x2}:{bytes[2]:x2}:{bytes[3]:x2}", null);
    }

    private static MacAddress ParseMac(string text) =>
        MacAddress.TryParse(text, null, out var mac) ? mac : throw new RefusalException($"\"{text}\" is not a MAC address");
}
