using System.Globalization;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Flanneld.CommandLine;
using FlannelFlow.Flanneld.Interfaces;
using FlannelFlow.Flanneld.Networks;
using FlannelFlow.Linux.Netlink;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Flanneld.Vxlan;

/// <summary>The network's vxlan device, brought to what flannel makes of it (pkg/backend/vxlan/device.go).</summary>
internal sealed class VxlanDevice(RouteNetlink kernel, VxlanNetwork network, ILogger log)
{
    private const int Eexist = 17;

    /// <summary>
    /// Makes it or takes it over. <paramref name="mac"/> is the address for a device that must be made; <paramref name="insist"/> gives it to
    /// a device that exists as well, else that one keeps its own.
    /// </summary>
    /// <exception cref="FlanneldException">Its name or its VNI belongs to another device.</exception>
    /// <exception cref="NetlinkException">The kernel refused for another reason.</exception>
    public async Task<Link> EnsureAsync(Underlay underlay, MacAddress mac, bool insist, CancellationToken ct)
    {
        EnsuredLink ensured;
        try
        {
            ensured = await kernel.EnsureLinkAsync(network.Device(underlay) with { Mac = mac }, ct);
        }
        catch (NetlinkException e) when (e.Errno == Eexist)
        {
            throw new FlanneldException(ExitCodes.Failed, await OccupiedAsync(e, ct));
        }
        var link = ensured.Link;
        if (ensured.Outcome != EnsureOutcome.Kept)
        {
            log.LogInformation("{Act} device {Device}: VNI {Vni} over {Underlay}, address {Mac}, MTU {Mtu}",
                Word(ensured.Outcome), link.Name, network.Vni, underlay, link.Mac, link.Mtu);
            IgnoreRouterAdvertisements();
        }
        if (insist && link.Mac != mac)
        {
            log.LogWarning("device {Device} has got the address {Found}, giving it back {Mac}, which the other hosts know", link.Name, link.Mac, mac);
            await kernel.ChangeLinkAsync(link.Index, new LinkChange { Mac = mac }, ct);
            link = await kernel.GetLinkAsync(network.DeviceName, ct);
        }
        return link;
    }

    /// <summary>Its one address in the network is the leased subnet's first, /32; then it is up.</summary>
    public async Task EnsureAddressAndUpAsync(Link link, IPv4Network subnet, CancellationToken ct)
    {
        var wanted = subnet.First.ToIPAddress();
        var found = false;
        foreach (var address in await kernel.ListAddressesAsync(link.Index, ct))
        {
            if (address.Address.Equals(wanted) && address.PrefixLength == 32)
            {
                found = true;
            }
            else if (network.Network.Contains(IPv4Address.From(address.Address)))
            {
                log.LogInformation("deleting address {Address}/{Length} of {Device}: not of the lease {Subnet}",
                    address.Address, address.PrefixLength, link.Name, subnet);
                await kernel.DeleteAddressAsync(address, ct);
            }
        }
        if (!found)
        {
            log.LogInformation("adding address {Address}/32 to {Device}", wanted, link.Name);
            await kernel.EnsureAddressAsync(new InterfaceAddress(link.Index, wanted, 32), ct);
        }
        if (!link.IsUp) await kernel.ChangeLinkAsync(link.Index, new LinkChange { Up = true }, ct);
    }

    private async Task<string> OccupiedAsync(NetlinkException refused, CancellationToken ct)
    {
        var links = await kernel.ListLinksAsync(ct);
        if (links.FirstOrDefault(l => l.Name == network.DeviceName) is { Kind: not "vxlan" } namesake)
            return $"adding device {network.DeviceName}: the name belongs to a {namesake.Kind ?? "physical"} device";
        var other = links.FirstOrDefault(l => l.Vxlan?.Vni == network.Vni && l.Name != network.DeviceName);
        return other is null
            ? $"adding device {network.DeviceName}: VNI {network.Vni} is in use: {refused.Message}"
            : string.Create(CultureInfo.InvariantCulture,
                $"adding device {network.DeviceName}: VNI {network.Vni} is in use by device {other.Name} (UDP port {other.Vxlan!.Port}); delete that device or give the network another VNI");
    }

    private void IgnoreRouterAdvertisements()
    {
        var setting = $"/proc/sys/net/ipv6/conf/{network.DeviceName}/accept_ra";
        try
        {
            File.WriteAllText(setting, "0");
        }
        catch (Exception e) when (e is DirectoryNotFoundException or FileNotFoundException)
        {
            // A kernel without IPv6 takes no router advertisements.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.LogWarning("writing {Setting}: {Reason}", setting, e.Message);
        }
    }

    private static string Word(EnsureOutcome outcome) => outcome switch
    {
        EnsureOutcome.Kept => "kept",
        EnsureOutcome.Changed => "changed",
        EnsureOutcome.Created => "made",
        EnsureOutcome.Replaced => "replaced",
        _ => throw new ArgumentOutOfRangeException(nameof(outcome), outcome, "not an outcome"),
    };
}
