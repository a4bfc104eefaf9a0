using FlannelFlow.Cluster.Addressing;

namespace FlannelFlow.Activities.Networks;

/// <summary>A network that this host carries, as its flannel.env says.</summary>
/// <param name="NetworkId">Docker's.</param>
/// <param name="Mtu">What the user asked for (com.docker.network.driver.mtu); 0: what the fabric allows.</param>
/// <param name="IdleSince">Docker deleted the network from this host at this time; it is removed unless it is created again first.</param>
public sealed record HostNetwork(string NetworkId, IPv4Network Pool, int Vni, int Mtu, DateTimeOffset? IdleSince)
{
    /// <summary>The UDP port of its VXLAN, which only encrypted networks use; 0: it is not encrypted.</summary>
    public int EncryptedPort { get; init; }

    public bool IsEncrypted => EncryptedPort > 0;

    /// <summary>flannel's name for the VXLAN device (flannel: pkg/backend/vxlan, newVXLANDevice).</summary>
    public string VxlanDevice => NetworkDevices.Vxlan(Vni);

    public string Bridge => NetworkDevices.Bridge(Vni);

    /// <summary>The size of its containers' largest packets, in bytes.</summary>
    /// <param name="fabric">What fits into VXLAN.</param>
    /// <remarks>
    /// ESP adds its header (8), the IV of AES-GCM (8) and the check value (16), and fills up what it encrypts, with two bytes of its own, to 4
    /// (RFC 4303, section 2.4; RFC 4106): 34 where nothing is filled up. It encrypts from the UDP header on, so 30 bytes more than the packet.
    /// </remarks>
    public int MtuWithin(int fabric)
    {
        const int header = 8 + 8, check = 16, trailer = 2, outer = 20, vxlan = 50, encrypted = vxlan - outer;
        var room = IsEncrypted ? ((fabric + vxlan - outer - header - check) & ~3) - trailer - encrypted : fabric;
        return Mtu > 0 ? Math.Min(Mtu, room) : room;
    }
}

/// <summary>What flanneld wrote once it held a subnet: flannel's subnet file (flannel: pkg/subnet/subnet.go WriteSubnetFile).</summary>
/// <param name="HostSubnet">The subnet leased by this host.</param>
/// <param name="BridgeAddress">Its first usable address.</param>
/// <param name="Mtu">Bytes, already less the overhead of VXLAN and, in an encrypted network, of ESP.</param>
public sealed record Fabric(IPv4Network HostSubnet, IPv4Address BridgeAddress, int Mtu);

/// <summary>Names of devices, by which ours are known. All fit IFNAMSIZ (15 characters) up to the highest VNI that is handed out (AddressSpaceOptions.VniMax).</summary>
public static class NetworkDevices
{
    public const string BridgePrefix = "ffbr.";
    public const string VxlanPrefix = "flannel.";
    public const string HostVethPrefix = "ffv";
    public const string ContainerVethPrefix = "ffc";
    private const int EndpointDigits = 11;

    public static string Vxlan(int vni) => $"{VxlanPrefix}{vni}";

    public static string Bridge(int vni) => $"{BridgePrefix}{vni}";

    /// <summary>Carries the VIPs of the network's services on this host.</summary>
    public static string Vip(int vni) => $"ffvip.{vni}";

    /// <summary>The end of an endpoint's veth that stays on the host: 44 bits of Docker's random endpoint id.</summary>
    public static string HostVeth(string endpointId) => HostVethPrefix + endpointId[..Math.Min(EndpointDigits, endpointId.Length)];

    public static string ContainerVeth(string endpointId) => ContainerVethPrefix + endpointId[..Math.Min(EndpointDigits, endpointId.Length)];
}
