namespace FlannelFlow.Activities.Restore;

/// <summary>The daemon, as restore and sync see it: it compares this host with Docker and etcd, and begins the workflows that mend what differs.</summary>
/// <remarks>Nothing of it waits for a workflow to end: one that cannot go on is its own incident and holds no other up.</remarks>
public interface IHostUpkeep
{
    /// <summary>Docker's networks, services and containers, as this host's engine has them, are in etcd.</summary>
    /// <returns>How many records were written or deleted.</returns>
    Task<int> ResyncDockerAsync(CancellationToken ct);

    /// <summary>What differs now, by name; of one scope, or of all.</summary>
    Task<IReadOnlyList<string>> FindDifferencesAsync(DriftScope? scope, CancellationToken ct);

    /// <summary>Begins the workflow that owns a difference, or joins the one that is under way.</summary>
    /// <returns>Its id; null if the difference is gone, or is not one that a workflow mends.</returns>
    Task<string?> MendAsync(string difference, CancellationToken ct);

    /// <summary>Begins network-restore for a network that this host carries.</summary>
    /// <returns>Its id; null if this host carries it no longer, or it is idle.</returns>
    Task<string?> RestoreNetworkAsync(string networkId, CancellationToken ct);

    /// <summary>Begins endpoint-dns for each endpoint in a running container that is not served.</summary>
    /// <returns>How many were begun.</returns>
    Task<int> ServeNamesAsync(CancellationToken ct);

    /// <summary>The kernel's load balancers were compared with what is wanted, and what differs is being mended.</summary>
    Task BalanceAsync(CancellationToken ct);
}

/// <summary>What a difference is about: which step of restore looks for it.</summary>
public enum DriftScope
{
    /// <summary>Addresses and veths of endpoints that do not run any more.</summary>
    Endpoints,

    /// <summary>Networks and pools that Docker does not have any more.</summary>
    Networks,

    /// <summary>flannel's configuration, in etcd and on disk, of networks that are over.</summary>
    Configuration,

    /// <summary>What a network in use stands on: flanneld, devices, rules, its records in etcd.</summary>
    Fabric,

    /// <summary>Veths and addresses of endpoints that run.</summary>
    Ports,
}
