using System.Collections.Immutable;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Host.Docker;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Host.Reconcile;

/// <summary>This host as its files, its kernel, Docker and etcd have it, read one after the other in this order.</summary>
/// <remarks>
/// The order is that of an endpoint's end, so that what is being made is not taken for a leftover: what stands in the kernel was claimed in etcd
/// before, and etcd is read last.
/// </remarks>
public sealed record HostPicture
{
    public required DateTimeOffset At { get; init; }

    /// <summary>All that this host carries, idle ones too.</summary>
    public required ImmutableArray<NetworkPicture> Networks { get; init; }

    public required KernelPicture Kernel { get; init; }

    /// <summary>Null: it did not answer, for the reason beside it.</summary>
    public DockerPicture? Docker { get; init; }

    public string? DockerTrouble { get; init; }

    /// <summary>Null: it did not answer, for the reason beside it.</summary>
    public EtcdPicture? Etcd { get; init; }

    public string? EtcdTrouble { get; init; }

    /// <summary>What did not answer; null: all did.</summary>
    public string? Trouble => DockerTrouble ?? EtcdTrouble;
}

/// <param name="Fabric">By its subnet file; null: there is none.</param>
/// <param name="FlanneldTrouble">Null: its flanneld runs and is ready.</param>
public sealed record NetworkPicture(HostNetwork Network, Fabric? Fabric, string? FlanneldTrouble);

/// <param name="Links">By name.</param>
/// <param name="DifferentRules">By VNI: what differs of the rules of a network.</param>
public sealed record KernelPicture(
    ImmutableDictionary<string, Link> Links, ImmutableArray<InterfaceAddress> Addresses, IReadOnlyDictionary<int, string> DifferentRules);

/// <param name="Endpoints">By network id, of those that this host carries; null: this engine does not carry the network.</param>
public sealed record DockerPicture(ImmutableDictionary<string, IReadOnlyList<DockerEndpoint>?> Endpoints);

/// <param name="Addresses">That this host asked for, in all pools.</param>
public sealed record EtcdPicture(FabricRecords Fabric, IReadOnlyList<AddressRecord> Addresses);
