using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Host.Docker;
using FlannelFlow.Host.Plugin;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Reconcile;

/// <summary>
/// Keeps this host in step with its Docker Engine: restores the networks it carries at start, takes away what Docker left behind, and ends
/// idle networks. Each mending is a workflow; this loop only decides.
/// </summary>
/// <remarks>
/// <list type="number">
/// <item>At start: network-restore for each network in use. flannelds and traffic go on meanwhile.</item>
/// <item>Every second: network-remove for idle networks that are freed in the cluster or have lingered long enough.</item>
/// <item>Every SYNC_INTERVAL (more often in the first minute): endpoints, addresses and networks of which Docker knows nothing any more.
/// Only what Docker lacks in two looks one after the other, and what is older than <see cref="Grace"/>, so that a container that is just
/// being started is never taken for a leftover.</item>
/// </list>
/// </remarks>
public sealed class HostReconciler(
    WorkflowRuntime runtime,
    HostNetworks networks,
    PoolAllocator pools,
    AddressAllocator addresses,
    RouteNetlink netlink,
    DockerTruth docker,
    FlannelFlowOptions options,
    TimeProvider time,
    ILogger<HostReconciler> logger) : BackgroundService
{
    private static readonly TimeSpan IdleCheck = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan EarlyInterval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan EarlyPhase = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    private HashSet<string> _missingBefore = [];
    private bool _trouble;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var began = time.GetUtcNow();
        var nextLook = began;
        await RestoreAsync(stoppingToken);
        using var timer = new PeriodicTimer(IdleCheck, time);
        do
        {
            await GuardedAsync("ending idle networks", () => EndIdleNetworksAsync(stoppingToken), stoppingToken);
            var now = time.GetUtcNow();
            if (now >= nextLook)
            {
                await GuardedAsync("comparing with Docker", () => CompareWithDockerAsync(stoppingToken), stoppingToken);
                nextLook = now + (now - began < EarlyPhase && options.Reconcile.Interval > EarlyInterval ? EarlyInterval : options.Reconcile.Interval);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private async Task RestoreAsync(CancellationToken ct)
    {
        foreach (var network in networks.All.Where(network => network.IdleSince is null))
        {
            logger.LogInformation("restoring network {Network} ({Pool})", network.NetworkId, network.Pool);
            await runtime.StartAsync(
                FabricStart.Of("network-restore", network.NetworkId, network.Pool, network.Vni, network.Mtu),
                ct);
        }
    }

    private async Task EndIdleNetworksAsync(CancellationToken ct)
    {
        var idle = networks.All.Where(network => network.IdleSince is not null).ToList();
        if (idle.Count == 0)
            return;
        var living = (await pools.ListAsync(ct)).Where(pool => pool.State == PoolState.Linked).Select(pool => pool.Cidr).ToHashSet();
        var now = time.GetUtcNow();
        foreach (var network in idle)
        {
            if (!living.Contains(network.Pool) || now - network.IdleSince > options.Reconcile.Linger)
                await RemoveAsync(network, ct);
        }
    }

    private async Task CompareWithDockerAsync(CancellationToken ct)
    {
        var missing = new HashSet<string>();
        var records = networks.All.Count > 0 ? await addresses.ListHostAsync(options.HostName, ct) : [];
        var veths = (await netlink.ListLinksAsync(ct))
            .Where(link => link.Kind == "veth" && link.Name.StartsWith(NetworkDevices.HostVethPrefix, StringComparison.Ordinal))
            .ToList();
        foreach (var network in networks.All.Where(network => network.IdleSince is null))
        {
            var living = await docker.EndpointsAsync(network.NetworkId, ct);
            await CompareAddressesAsync(network, records, living ?? new HashSet<string>(), missing, ct);
            if (living is null && await HasNoPortAsync(network, ct) && !records.Any(record => record.Pool == network.Pool && record.IsHeld)
                && Absent($"network {network.NetworkId}"))
            {
                logger.LogWarning("Docker does not carry network {Network} here any more and did not delete it: it is treated as deleted", network.NetworkId);
                await runtime.StartAsync(
                    new StartWorkflow(
                        "network-idle",
                        $"network-idle/{network.NetworkId}",
                        new System.Text.Json.Nodes.JsonObject { ["NetworkId"] = network.NetworkId },
                        JoinPolicy.WhileOpen),
                    ct);
            }
        }

        _missingBefore = missing;

        bool Absent(string what)
        {
            missing.Add(what);
            return _missingBefore.Contains(what);
        }

        async Task<bool> HasNoPortAsync(HostNetwork network, CancellationToken token) =>
            await netlink.FindLinkAsync(network.Bridge, token) is not { } bridge || veths.TrueForAll(veth => veth.Master != bridge.Index);
    }

    private async Task CompareAddressesAsync(
        HostNetwork network, IReadOnlyList<AddressRecord> records, IReadOnlySet<string> living, HashSet<string> missing, CancellationToken ct)
    {
        if (networks.FabricOf(network) is not { } fabric)
            return;
        var range = AddressRange.Host(network.Pool, fabric.HostSubnet);
        foreach (var record in records.Where(record => record.Pool == network.Pool && record.RangePath == range.PathForm))
        {
            var what = $"{record.Address} {record.Value.Owner}";
            if (!record.IsHeld || time.GetUtcNow() - record.Value.Since < Grace || living.Contains(record.Value.Owner))
                continue;
            missing.Add(what);
            if (!_missingBefore.Contains(what))
                continue;
            switch (record.Value.State)
            {
                case AddressState.Claimed:
                case AddressState.Leaving:
                    logger.LogWarning(
                        "endpoint {Endpoint} ({Address}) is not in Docker any more and was never deleted: removing it",
                        record.Value.Owner,
                        record.Address);
                    await runtime.StartAsync(EndpointLeave.Start(network.NetworkId, record.Value.Owner, forced: true), ct);
                    break;
                case AddressState.Reserved:
                    logger.LogWarning("{Address} was given to Docker, which never used or released it: released", record.Address);
                    await addresses.ReleaseAsync(range, record.Address, ct);
                    break;
                case AddressState.Quarantined:
                case AddressState.Spare:
                    break;
            }
        }
    }

    private async Task RemoveAsync(HostNetwork network, CancellationToken ct) =>
        await runtime.StartAsync(
            new StartWorkflow(
                "network-remove",
                $"network-remove/{network.NetworkId}",
                new System.Text.Json.Nodes.JsonObject { ["NetworkId"] = network.NetworkId, ["Forced"] = false },
                JoinPolicy.WhileOpen),
            ct);

    /// <summary>etcd or Docker away is no reason to stop looking; it is said once until it is over.</summary>
    private async Task GuardedAsync(string what, Func<Task> look, CancellationToken ct)
    {
        try
        {
            await look();
            if (_trouble)
                logger.LogInformation("{What}: works again", what);
            _trouble = false;
        }
        catch (Exception failed) when (failed is EtcdException or DockerUnavailableException or NetlinkException && !ct.IsCancellationRequested)
        {
            if (!_trouble)
                logger.LogWarning("{What}: {Reason}", what, failed.Message);
            _trouble = true;
        }
    }
}
