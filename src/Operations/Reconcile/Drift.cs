namespace FlannelFlow.Operations.Reconcile;

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

    /// <summary>IPsec of encrypted networks, in the kernel.</summary>
    Encryption,
}

/// <param name="Kind">A <see cref="DriftKind"/>.</param>
/// <param name="Since">When it was first seen.</param>
/// <param name="Workflow">The one that mends it, or was last begun for it; of a load balancer its definition; null: none was.</param>
/// <param name="Command">What a person can do, where no workflow mends it.</param>
/// <param name="Begun">How often its workflow was begun.</param>
public sealed record StandingDrift(DriftKind Kind, string Subject, string Text, DateTimeOffset Since, string? Workflow, string? Command, int Begun);

/// <param name="Took">From when it was first seen to when it was seen no more.</param>
/// <param name="Workflow">That mended it; null: it went by itself (a flanneld mended it, a container was just being started).</param>
public sealed record MendedDrift(DriftKind Kind, string Subject, string Text, DateTimeOffset Since, TimeSpan Took, string? Workflow);

/// <param name="Looked">When all was last compared; null: not since this daemon began.</param>
/// <param name="Trouble">Why not all could be compared in the last look.</param>
/// <param name="Standing">Seen in two looks or more.</param>
/// <param name="Mended">The latest ones, the newest first.</param>
/// <param name="Totals">Since this daemon began: how many were found that stood for two looks or more.</param>
public sealed record DriftView(
    DateTimeOffset? Looked, string? Trouble, IReadOnlyList<StandingDrift> Standing, IReadOnlyList<MendedDrift> Mended, IReadOnlyList<DriftTotal> Totals);

public sealed record DriftTotal(DriftKind Kind, long Count);
