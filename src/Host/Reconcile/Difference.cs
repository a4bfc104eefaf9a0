using FlannelFlow.Activities.Restore;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Reconcile;

/// <summary>How Docker, etcd, the kernel and this host's files may differ.</summary>
public enum DriftKind
{
    /// <summary>An address is held by an endpoint that Docker does not have.</summary>
    EndpointGone,

    /// <summary>An address was reserved, and neither used nor released.</summary>
    AddressUnused,

    /// <summary>A veth of ours belongs to no endpoint.</summary>
    VethLeft,

    /// <summary>Docker does not carry a network here that this host does.</summary>
    NetworkGone,

    /// <summary>An idle network is freed in the cluster, or has lingered long enough.</summary>
    NetworkOver,

    /// <summary>flanneld, or the file in which it tells its subnet.</summary>
    Flanneld,

    /// <summary>Bridge or VXLAN device.</summary>
    Device,

    /// <summary>Forwarding and isolation.</summary>
    Rules,

    /// <summary>Pool, VNI, flannel's configuration in etcd.</summary>
    NetworkRecords,

    /// <summary>A bridge of ours that belongs to no network of this host.</summary>
    DeviceLeft,

    /// <summary>A running endpoint's address is not its own in etcd.</summary>
    EndpointUnclaimed,

    /// <summary>A running endpoint's veth is not a port of its bridge, or down.</summary>
    EndpointDetached,

    /// <summary>A running endpoint has no veth.</summary>
    EndpointWithoutVeth,

    /// <summary>A service's load balancer, in the kernel.</summary>
    LoadBalancer,
}

/// <summary>One thing that differs, and what mends it.</summary>
/// <param name="Subject">Names it among those of its kind: as long as it stands, the same.</param>
/// <param name="Text">What is wrong, in words.</param>
public sealed record Difference(DriftKind Kind, string Subject, string Text)
{
    /// <summary>The workflow that owns it; null: none mends it.</summary>
    public StartWorkflow? Mend { get; init; }

    /// <summary>What a person can do, where no workflow mends it.</summary>
    public string? Command { get; init; }

    public string Key => $"{Kind} {Subject}";

    public DriftScope Scope => ScopeOf(Kind);

    public static DriftScope ScopeOf(DriftKind kind) => kind switch
    {
        DriftKind.EndpointGone or DriftKind.AddressUnused or DriftKind.VethLeft => DriftScope.Endpoints,
        DriftKind.NetworkGone => DriftScope.Networks,
        DriftKind.NetworkOver => DriftScope.Configuration,
        DriftKind.Flanneld or DriftKind.Device or DriftKind.Rules or DriftKind.NetworkRecords or DriftKind.DeviceLeft or DriftKind.LoadBalancer => DriftScope.Fabric,
        DriftKind.EndpointUnclaimed or DriftKind.EndpointDetached or DriftKind.EndpointWithoutVeth => DriftScope.Ports,
    };
}
