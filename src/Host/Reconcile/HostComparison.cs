using System.Collections.Immutable;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Host.Docker;
using FlannelFlow.Host.Plugin;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Operations.Reconcile;

namespace FlannelFlow.Host.Reconcile;

/// <summary>From a picture of this host to its differences: pure.</summary>
/// <remarks>
/// Docker's data trumps etcd's, which trumps the kernel's. What did not answer is not compared: nothing follows from silence. Only devices and
/// records by our own names are looked at.
/// </remarks>
public static class HostComparison
{
    /// <summary>An address that was handed out so recently may belong to a container that is just being started.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    /// <param name="linger">How long an idle network is kept.</param>
    public static ImmutableArray<Difference> Of(HostPicture picture, TimeSpan linger)
    {
        ArgumentNullException.ThrowIfNull(picture);
        var found = ImmutableArray.CreateBuilder<Difference>();
        foreach (var network in picture.Networks)
        {
            if (network.Network.IdleSince is { } since)
            {
                if (picture.Etcd is { } etcd && (!IsLinked(etcd, network.Network) || picture.At - since > linger)) found.Add(Over(network.Network));
                continue;
            }

            found.AddRange(OfNetwork(picture, network));
        }

        found.AddRange(VethsLeft(picture));
        found.AddRange(BridgesLeft(picture));
        return found.ToImmutable();
    }

    private static IEnumerable<Difference> OfNetwork(HostPicture picture, NetworkPicture network)
    {
        var (id, docker, etcd) = (network.Network.NetworkId, picture.Docker, picture.Etcd);
        var endpoints = docker?.Endpoints.GetValueOrDefault(id);
        if (docker is not null && etcd is not null)
        {
            foreach (var difference in Addresses(picture.At, network, endpoints ?? [], etcd)) yield return difference;
            if (endpoints is null)
            {
                // Whoever is just being started here has an address, and then a port.
                if (PortsOf(picture.Kernel, network.Network).Any() || etcd.Addresses.Any(record => record.Pool == network.Network.Pool && record.IsHeld)) yield break;
                yield return new Difference(DriftKind.NetworkGone, id, $"Docker does not carry network {id} here any more and did not delete it")
                {
                    Mend = FabricStart.Idle(id),
                };
                yield break;
            }
        }

        foreach (var difference in Fabric(picture, network, etcd, isInDocker: endpoints is not null)) yield return difference;
        foreach (var endpoint in endpoints ?? [])
        {
            if (endpoint.ContainerId is not null && endpoint.Address is not null && Port(picture, network, endpoint) is { } port) yield return port;
        }
    }

    private static IEnumerable<Difference> Addresses(DateTimeOffset now, NetworkPicture network, IReadOnlyList<DockerEndpoint> endpoints, EtcdPicture etcd)
    {
        if (network.Fabric is not { } fabric) yield break;
        var range = AddressRange.Host(network.Network.Pool, fabric.HostSubnet);
        var living = endpoints.Select(endpoint => endpoint.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var record in etcd.Addresses.Where(record => record.Pool == network.Network.Pool && record.RangePath == range.PathForm && record.IsHeld))
        {
            if (now - record.Value.Since < Grace || living.Contains(record.Value.Owner)) continue;
            switch (record.Value.State)
            {
                case AddressState.Claimed:
                case AddressState.Leaving:
                    yield return new Difference(
                        DriftKind.EndpointGone,
                        record.Value.Owner,
                        $"endpoint {record.Value.Owner} ({record.Address}) is not in Docker any more and was never deleted")
                    {
                        Mend = EndpointLeave.Start(network.Network.NetworkId, record.Value.Owner, forced: true),
                    };
                    break;
                case AddressState.Reserved when record.Value.Kind != AddressKind.Gateway:
                    yield return new Difference(
                        DriftKind.AddressUnused, record.Address.ToString(), $"{record.Address} was given to Docker, which never used or released it")
                    {
                        Mend = UnusedAddress.Start(network.Network.NetworkId, record.Address, record.Value.RequestId),
                    };
                    break;
                case AddressState.Reserved:
                case AddressState.Quarantined:
                case AddressState.Spare:
                    break;
            }
        }
    }

    private static IEnumerable<Difference> Fabric(HostPicture picture, NetworkPicture network, EtcdPicture? etcd, bool isInDocker)
    {
        var (of, links) = (network.Network, picture.Kernel.Links);
        if (network.FlanneldTrouble is { } trouble) yield return Broken(DriftKind.Flanneld, "process", $"flanneld is not ready: {trouble}");
        if (network.Fabric is null) yield return Broken(DriftKind.Flanneld, "subnet.env", "flanneld's subnet file is not there");
        if (links.GetValueOrDefault(of.VxlanDevice) is not { IsUp: true }) yield return Broken(DriftKind.Device, of.VxlanDevice, $"device {of.VxlanDevice} is not there, or down");
        if (links.GetValueOrDefault(of.Bridge) is not { IsUp: true } bridge) yield return Broken(DriftKind.Device, of.Bridge, $"bridge {of.Bridge} is not there, or down");
        else if (network.Fabric is { } fabric && !picture.Kernel.Addresses.Any(address =>
            address.InterfaceIndex == bridge.Index && address.Address.Equals(fabric.BridgeAddress.ToIPAddress()) && address.PrefixLength == fabric.HostSubnet.Length))
            yield return Broken(DriftKind.Device, of.Bridge, $"bridge {of.Bridge} does not have the address {fabric.BridgeAddress}/{fabric.HostSubnet.Length}");
        if (picture.Kernel.DifferentRules.TryGetValue(of.Vni, out var rules)) yield return Broken(DriftKind.Rules, "rules", rules);

        // Docker says that the network lives; without that, etcd's silence about it is no reason to write it anew.
        if (etcd is null || !isInDocker) yield break;
        var pool = etcd.Fabric.Pools.GetValueOrDefault(of.Pool);
        if (pool is { State: PoolState.Freed } || (pool?.NetworkId is { } owner && owner != of.NetworkId))
        {
            yield return new Difference(DriftKind.NetworkRecords, of.NetworkId, $"pool {of.Pool} of network {of.NetworkId} is, in etcd, {(pool.State == PoolState.Freed ? "being released" : $"that of network {pool.NetworkId}")}")
            {
                Command = $"docker network rm {of.NetworkId}, and create the network anew",
            };
        }
        else if (pool is not { State: PoolState.Linked }) yield return Broken(DriftKind.NetworkRecords, "pool", "etcd does not have its pool");
        else if (pool.Vni != of.Vni || etcd.Fabric.Vnis.GetValueOrDefault(of.Vni) != of.Pool) yield return Broken(DriftKind.NetworkRecords, "vni", $"VNI {of.Vni} is not its own in etcd");
        else if (!etcd.Fabric.Configured.Contains(of.Pool)) yield return Broken(DriftKind.NetworkRecords, "config", "etcd does not have its flannel configuration");

        Difference Broken(DriftKind kind, string part, string text) =>
            new(kind, $"{of.NetworkId} {part}", $"network {of.NetworkId}: {text}") { Mend = FabricStart.Restore(of) };
    }

    /// <summary>Of an endpoint in a container. The worst that is wrong with it, or null.</summary>
    private static Difference? Port(HostPicture picture, NetworkPicture network, DockerEndpoint endpoint)
    {
        var (of, name) = (network.Network, NetworkDevices.HostVeth(endpoint.Id));
        if (picture.Kernel.Links.GetValueOrDefault(name) is not { } veth)
        {
            return new Difference(DriftKind.EndpointWithoutVeth, endpoint.Id, $"container {endpoint.ContainerName} has no veth {name} in network {of.NetworkId}: another hand removed it")
            {
                Command = endpoint.ContainerName.Split('.').Length >= 3
                    ? $"docker rm -f {endpoint.ContainerName} (Swarm starts the task anew)"
                    : $"docker restart {endpoint.ContainerName}",
            };
        }

        // Without its bridge there is nothing to attach it to: that is a difference of its own.
        if (picture.Kernel.Links.GetValueOrDefault(of.Bridge) is not { } bridge || network.Fabric is not { } fabric) return null;
        var mend = EndpointMend.Start(of.NetworkId, endpoint.Id, endpoint.Address!.Value, name);
        if (veth.Master != bridge.Index || !veth.IsUp)
            return new Difference(DriftKind.EndpointDetached, endpoint.Id, $"{name} of container {endpoint.ContainerName} is not a port of {of.Bridge}, or down") { Mend = mend };
        if (picture.Etcd is not { } etcd
            || etcd.Addresses.Any(record => record.Value.Owner == endpoint.Id && record.Address == endpoint.Address && record.Value.State == AddressState.Claimed)) return null;
        return fabric.HostSubnet.Contains(endpoint.Address.Value)
            ? new Difference(DriftKind.EndpointUnclaimed, endpoint.Id, $"{endpoint.Address} of container {endpoint.ContainerName} is not its own in etcd") { Mend = mend }
            : new Difference(DriftKind.EndpointUnclaimed, endpoint.Id, $"{endpoint.Address} of container {endpoint.ContainerName} is not in this host's subnet {fabric.HostSubnet}")
            {
                Command = $"docker restart {endpoint.ContainerName}",
            };
    }

    /// <summary>An endpoint that is just being made has its address before its veth; one that is being removed loses its veth first.</summary>
    private static IEnumerable<Difference> VethsLeft(HostPicture picture)
    {
        if (picture is not { Docker: { } docker, Etcd: { } etcd }) yield break;
        var known = docker.Endpoints.Values.SelectMany(endpoints => endpoints ?? []).Select(endpoint => endpoint.Id)
            .Concat(etcd.Addresses.Where(record => record.IsHeld).Select(record => record.Value.Owner))
            .Select(NetworkDevices.HostVeth)
            .ToHashSet(StringComparer.Ordinal);
        foreach (var veth in picture.Kernel.Links.Values.Where(link => IsHostVeth(link) && !known.Contains(link.Name)).OrderBy(link => link.Name, StringComparer.Ordinal))
        {
            // Its network names the lane; one without a bridge belongs to none.
            var network = picture.Networks.FirstOrDefault(network => picture.Kernel.Links.GetValueOrDefault(network.Network.Bridge)?.Index == veth.Master)?.Network.NetworkId ?? "none";
            yield return new Difference(DriftKind.VethLeft, veth.Name, $"{veth.Name} belongs to no endpoint of Docker")
            {
                Mend = EndpointLeave.Start(network, veth.Name[NetworkDevices.HostVethPrefix.Length..], forced: true),
            };
        }
    }

    private static IEnumerable<Difference> BridgesLeft(HostPicture picture)
    {
        var known = picture.Networks.Select(network => network.Network.Bridge).ToHashSet(StringComparer.Ordinal);
        return picture.Kernel.Links.Values
            .Where(link => link.Kind == "bridge" && link.Name.StartsWith(NetworkDevices.BridgePrefix, StringComparison.Ordinal) && !known.Contains(link.Name))
            .OrderBy(link => link.Name, StringComparer.Ordinal)
            .Select(link => new Difference(DriftKind.DeviceLeft, link.Name, $"bridge {link.Name} belongs to no network of this host")
            {
                Command = $"ip link del {link.Name}",
            });
    }

    private static Difference Over(HostNetwork network) =>
        new(DriftKind.NetworkOver, network.NetworkId, $"network {network.NetworkId} is over on this host") { Mend = FabricStart.Remove(network.NetworkId) };

    private static bool IsLinked(EtcdPicture etcd, HostNetwork network) => etcd.Fabric.Pools.GetValueOrDefault(network.Pool) is { State: PoolState.Linked };

    private static IEnumerable<Link> PortsOf(KernelPicture kernel, HostNetwork network) =>
        kernel.Links.GetValueOrDefault(network.Bridge) is { } bridge ? kernel.Links.Values.Where(link => IsHostVeth(link) && link.Master == bridge.Index) : [];

    private static bool IsHostVeth(Link link) => link.Kind == "veth" && link.Name.StartsWith(NetworkDevices.HostVethPrefix, StringComparison.Ordinal);
}
