using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Flanneld.Interfaces;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Flanneld.Networks;

/// <summary>A flannel network config that this agent can carry out.</summary>
/// <param name="Port">UDP port; 0 leaves it to the kernel (8472).</param>
/// <param name="UnderlayMtu">Null: the interface's.</param>
internal sealed record VxlanNetwork(FlannelNetworkModel Addresses, int Vni, int Port, int? UnderlayMtu, bool Learning, bool GroupPolicy)
{
    /// <summary>Outer Ethernet (14), IPv4 (20), UDP (8) and VXLAN (8) headers: flannel's encapOverhead.</summary>
    public const int Overhead = 50;

    public string DeviceName => $"flannel.{Vni}";

    public IPv4Network Network => Addresses.Network;

    public int Mtu(Underlay underlay) => (UnderlayMtu ?? underlay.Mtu) - Overhead;

    public VxlanConfig Device(Underlay underlay) => new(DeviceName, Vni, underlay.Index, underlay.Address)
    {
        Port = Port,
        Mtu = Mtu(underlay),
        Learning = Learning,
        GroupPolicy = GroupPolicy,
    };

    /// <exception cref="FormatException">All that is wrong with it, or what this agent does not do.</exception>
    public static VxlanNetwork Parse(string json)
    {
        var addresses = FlannelNetworkConfig.Parse(json).Validate();
        var backend = addresses.Backend;
        var problems = new List<string>();
        if (!string.Equals(backend.Type, "vxlan", StringComparison.OrdinalIgnoreCase))
            throw new FormatException($"backend type '{backend.Type ?? "udp"}' is not supported: this agent speaks vxlan only");
        if (backend.DirectRouting == true) problems.Add("DirectRouting is not supported: every host is reached through VXLAN");
        if (backend.Vni is < 1 or > 0xffffff) problems.Add($"VNI {backend.Vni} is not from 1 to 16777215");
        if (backend.Port is < 0 or > 65535) problems.Add($"Port {backend.Port} is not from 0 to 65535");
        if (backend.Mtu is < 68 + Overhead or > 65535) problems.Add($"MTU {backend.Mtu} is not from {68 + Overhead} to 65535");
        if (problems.Count > 0) throw new FormatException($"flannel config is not valid: {string.Join("; ", problems)}");
        return new VxlanNetwork(addresses, backend.Vni ?? 1, backend.Port ?? 0, backend.Mtu is 0 ? null : backend.Mtu, backend.Learning ?? false, backend.Gbp ?? false);
    }
}
