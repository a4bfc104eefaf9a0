using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Flanneld.Networks;
using FlannelFlow.Flanneld.Vxlan;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Flanneld.Reconciling;

/// <summary>Another host: its subnet is reached through the VTEP <paramref name="Mac"/> at <paramref name="PublicIP"/>.</summary>
internal sealed record RemoteHost(IPv4Network Subnet, IPv4Address PublicIP, MacAddress Mac)
{
    public override string ToString() => $"{Subnet} via {Mac} at {PublicIP}";
}

/// <summary>This host as it stands in etcd.</summary>
internal sealed record OwnHost(IPv4Network Subnet, IPv4Address PublicIP, MacAddress Mac);

internal sealed record IgnoredLease(string Key, string Reason);

/// <summary>Who is to be reached, and which leases do not count.</summary>
/// <remarks>
/// Invariants: no two remotes overlap, none overlaps the own subnet, and one MAC belongs to one public address: vxlan's FDB has one
/// destination for a unicast MAC.
/// </remarks>
internal sealed record DesiredState(IReadOnlyList<RemoteHost> Remotes, IReadOnlyList<IgnoredLease> Ignored)
{
    /// <summary>
    /// Pure. Of overlapping leases those of the configured length come first, then the older one; of two public addresses with one MAC the one
    /// written last is right: the host has moved.
    /// </summary>
    public static DesiredState Of(VxlanNetwork network, OwnHost own, IEnumerable<EtcdEntry> entries)
    {
        var ignored = new List<IgnoredLease>();
        var candidates = new List<(RemoteHost Host, EtcdEntry Entry)>();
        foreach (var entry in entries)
        {
            var problem = Read(network, own, entry, out var host);
            if (problem is not null) ignored.Add(new IgnoredLease(entry.Key, problem));
            else if (host is not null) candidates.Add((host, entry));
        }

        var newest = candidates.GroupBy(c => c.Host.Mac)
            .ToDictionary(g => g.Key, g => g.MaxBy(c => c.Entry.ModRevision).Host.PublicIP);
        var accepted = new SortedDictionary<uint, RemoteHost>();
        var taken = new OverlapIndex(network.Network);
        foreach (var (host, entry) in candidates.OrderBy(c => c.Host.Subnet.Length != network.Addresses.SubnetLen).ThenBy(c => c.Entry.CreateRevision).ThenBy(c => c.Entry.Key, StringComparer.Ordinal))
        {
            if (newest[host.Mac] != host.PublicIP)
                ignored.Add(new IgnoredLease(entry.Key, $"its VTEP address {host.Mac} is at {newest[host.Mac]} by a newer lease"));
            else if (taken.TryAdd(host.Subnet) is { } other)
                ignored.Add(new IgnoredLease(entry.Key, $"overlaps the lease {other}"));
            else
                accepted.Add(host.Subnet.First.Value, host);
        }
        return new DesiredState([.. accepted.Values], ignored);
    }

    /// <summary>What is wrong with a lease; neither a problem nor a host for our own one.</summary>
    private static string? Read(VxlanNetwork network, OwnHost own, EtcdEntry entry, out RemoteHost? host)
    {
        host = null;
        if (!SubnetLease.TryParse(entry, out var lease, out var problem)) return problem;
        if (lease.Subnet == own.Subnet) return null;
        if (lease.PublicIP == own.PublicIP) return "its public address is this host's own: a lease of before";
        if (!network.Network.Contains(lease.Subnet)) return $"is not in the network {network.Network}";
        if (lease.Subnet.Overlaps(own.Subnet)) return $"overlaps this host's lease {own.Subnet}";
        if (lease.Attributes.BackendType != "vxlan") return $"its backend is '{lease.Attributes.BackendType}', not vxlan";
        if (lease.Attributes.Vxlan() is not { } vxlan) return "its BackendData is not vxlan's";
        if (vxlan.Vni != network.Vni) return $"its VNI is {vxlan.Vni}, not {network.Vni}";
        if (!MacAddress.TryParse(vxlan.VtepMac, out var mac) || !mac.IsUnicast()) return $"its VTEP address '{vxlan.VtepMac}' is not one device's address";
        if (mac == own.Mac) return $"its VTEP address {mac} is this host's own";
        if (!IsHostAddress(lease.PublicIP)) return $"its public address {lease.PublicIP} is not one host's address";
        if (network.Network.Contains(lease.PublicIP)) return $"its public address {lease.PublicIP} is in the network itself";
        host = new RemoteHost(lease.Subnet, lease.PublicIP, mac);
        return null;
    }

    /// <summary>Neither "this network" 0/8, loopback 127/8, multicast 224/4 nor reserved 240/4 with broadcast (RFC 6890).</summary>
    private static bool IsHostAddress(IPv4Address address) => (address.Value >> 24) is > 0 and not 127 and < 224;
}
