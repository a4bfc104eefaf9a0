using System.Globalization;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addressing;

namespace FlannelFlow.Host.Doctor;

/// <param name="Mtu">Bytes.</param>
/// <param name="Underlay">Index of the device below; null: none.</param>
public sealed record DeviceFacts(string Name, int Index, int Mtu, bool IsUp, int? Underlay);

/// <param name="Fabric">Null: there is no subnet file.</param>
/// <param name="Flannelds">The pids of the processes that serve it.</param>
public sealed record CarriedNetwork(HostNetwork Network, Fabric? Fabric, IReadOnlyList<int> Flannelds);

/// <param name="Carried">By this host's files.</param>
/// <param name="Devices">All of this host; by name.</param>
/// <param name="IsDaemonRunning">It keeps the flannelds running.</param>
/// <param name="EtcdInClear">Its endpoints that are asked in clear, over a wire.</param>
public sealed record NetworkFacts(
    Asked<IReadOnlyList<CarriedNetwork>> Carried, Asked<IReadOnlyDictionary<string, DeviceFacts>> Devices, bool IsDaemonRunning, IReadOnlyList<string> EtcdInClear);

/// <summary>The networks that this host carries: their flannelds, and packet sizes. Pure.</summary>
public static class NetworkChecks
{
    /// <summary>What a packet grows by: its own Ethernet header, then VXLAN, UDP and IPv4 (RFC 7348, section 5).</summary>
    private const int VxlanOverhead = 50;

    public static IEnumerable<Finding> Of(NetworkFacts facts)
    {
        ArgumentNullException.ThrowIfNull(facts);
        if (facts.Carried.Answer is not { } carried)
        {
            yield return Finding.Problem("networks", facts.Carried.Trouble ?? "", "mend or delete that file; Docker's networks are written again from Docker");
            yield break;
        }

        var inUse = carried.Where(network => network.Network.IdleSince is null).ToList();
        if (inUse.Count == 0) yield return Finding.Ok("networks", "this host carries none");
        foreach (var network in inUse)
        {
            yield return OfFlanneld(network, facts.IsDaemonRunning);
            if (facts.Devices.Answer is { } devices) yield return OfMtu(network, devices);
        }

        if (facts.EtcdInClear.Count > 0 && inUse.Any(network => network.Network.IsEncrypted))
        {
            yield return Finding.Warning(
                "encryption", $"{string.Join(", ", facts.EtcdInClear)}: not https, and whoever reads what goes there has the keys of the encrypted networks",
                "give etcd TLS, and ETCD_ENDPOINTS and ETCD_CA_FILE to match (docs/security.md)");
        }

        if (facts.Devices.Answer is null) yield return Finding.Problem("networks", $"the kernel's devices could not be read: {facts.Devices.Trouble}", "run flannelflow doctor as root");
    }

    private static Finding OfFlanneld(CarriedNetwork carried, bool isDaemonRunning)
    {
        var what = $"{carried.Network.Pool} (network {carried.Network.NetworkId})";
        var advice = isDaemonRunning
            ? $"the daemon starts it again; why it ended stands in STATE_DIRECTORY/networks/{carried.Network.Pool.PathForm}/flanneld.log"
            : "systemctl start flannelflow, which starts it";
        return carried switch
        {
            { Flannelds.Count: 0 } => Finding.Problem("flanneld", $"none runs for {what}", advice),
            { Flannelds.Count: > 1 } => Finding.Problem(
                "flanneld", $"{carried.Flannelds.Count} run for {what}: pids {string.Join(", ", carried.Flannelds)}", "systemctl restart flannelflow, which keeps one"),
            { Fabric: null } => Finding.Problem(
                "flanneld", $"that of {what} runs and holds no subnet", $"it asks etcd until it has one: see etcd, and STATE_DIRECTORY/networks/{carried.Network.Pool.PathForm}/flanneld.log"),
            { Fabric: { } fabric } => Finding.Ok("flanneld", $"{what}: runs, holds {fabric.HostSubnet}"),
        };
    }

    private static Finding OfMtu(CarriedNetwork carried, IReadOnlyDictionary<string, DeviceFacts> devices)
    {
        var (vxlanName, bridgeName) = (carried.Network.VxlanDevice, carried.Network.Bridge);
        if (devices.GetValueOrDefault(vxlanName) is not { } vxlan || devices.GetValueOrDefault(bridgeName) is not { } bridge)
        {
            var missing = string.Join(" and ", new[] { vxlanName, bridgeName }.Where(name => !devices.ContainsKey(name)));
            return Finding.Problem("devices", $"{missing} of {carried.Network.Pool} is not there", "the daemon makes it again at its next look (SYNC_INTERVAL): flannelflow drift");
        }

        if (!vxlan.IsUp || !bridge.IsUp)
            return Finding.Problem("devices", $"{(vxlan.IsUp ? bridgeName : vxlanName)} of {carried.Network.Pool} is down", $"ip link set {(vxlan.IsUp ? bridgeName : vxlanName)} up");
        if (devices.Values.FirstOrDefault(device => device.Index == vxlan.Underlay) is not { } underlay)
            return Finding.Warning("MTU", $"{vxlanName} lies on no device of this host", "set FLANNEL_INTERFACE, and kill that network's flanneld: it makes the device anew");
        var text = string.Create(CultureInfo.InvariantCulture, $"{bridgeName} {bridge.Mtu}, {vxlanName} {vxlan.Mtu}, {underlay.Name} {underlay.Mtu}");
        if (vxlan.Mtu + VxlanOverhead > underlay.Mtu)
        {
            return Finding.Problem(
                "MTU", $"{text}: a packet grows by {VxlanOverhead} bytes in the tunnel, and the largest do not fit {underlay.Name}",
                string.Create(CultureInfo.InvariantCulture, $"raise the MTU of {underlay.Name} to {vxlan.Mtu + VxlanOverhead}, or make the network anew with --opt com.docker.network.driver.mtu={underlay.Mtu - VxlanOverhead}"));
        }

        return bridge.Mtu > vxlan.Mtu
            ? Finding.Problem("MTU", $"{text}: the largest packets of containers do not fit the tunnel", $"ip link set {bridgeName} mtu {vxlan.Mtu}, and start its containers anew")
            : Finding.Ok("MTU", text);
    }
}
