using FlannelFlow.Activities.Restore;
using FlannelFlow.Operations.Reconcile;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Reconcile;

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
        DriftKind.Flanneld or DriftKind.Device or DriftKind.Rules or DriftKind.NetworkRecords or DriftKind.DeviceLeft or DriftKind.LoadBalancer or DriftKind.Encryption => DriftScope.Fabric,
        DriftKind.EndpointUnclaimed or DriftKind.EndpointDetached or DriftKind.EndpointWithoutVeth => DriftScope.Ports,
    };
}
