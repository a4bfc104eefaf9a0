using FlannelFlow.Activities.Networks;
using FlannelFlow.Activities.Restore;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Host.Docker;
using FlannelFlow.Host.Plugin;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Reconcile;

/// <summary>Keeps this host in step with Docker and etcd: begins restore at start, sync when something drifted, and ends idle networks.</summary>
/// <remarks>
/// <list type="number">
/// <item>At start: <c>restore</c>. One that the daemon before did not finish is ended: this one does all of it anew, on what stands now.</item>
/// <item>Every second: network-remove for idle networks that are freed in the cluster or have lingered long enough.</item>
/// <item>Every SYNC_INTERVAL (more often in the first minute), and after Docker's events were lost: all is compared. Only where something differs, and
/// did so in the look before, <c>sync</c> begins; a look that finds nothing is not in the journal.</item>
/// </list>
/// </remarks>
public sealed class SyncLoop(
    WorkflowRuntime runtime,
    HostUpkeep upkeep,
    DriftBook book,
    SyncDemand demand,
    HostNetworks networks,
    PoolAllocator pools,
    FlannelFlowOptions options,
    TimeProvider time,
    ILogger<SyncLoop> logger) : BackgroundService
{
    public const string Restore = "restore";
    public const string Sync = "sync";
    private static readonly TimeSpan IdleCheck = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan EarlyInterval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan EarlyPhase = TimeSpan.FromMinutes(1);

    /// <summary>After a look that found something: is it still there?</summary>
    private static readonly TimeSpan ConfirmAfter = TimeSpan.FromSeconds(2);
    private static readonly InstanceStatus[] Open = [InstanceStatus.Waiting, InstanceStatus.Running, InstanceStatus.Compensating, InstanceStatus.Suspended];

    private readonly HashSet<string> _said = new(StringComparer.Ordinal);
    private readonly HashSet<string> _troubled = new(StringComparer.Ordinal);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var began = time.GetUtcNow();
        var nextLook = began;
        var restoreBegan = false;
        while (true)
        {
            if (!restoreBegan)
            {
                await GuardedAsync(
                    "beginning to restore",
                    async () =>
                    {
                        await BeginRestoreAsync(stoppingToken);
                        restoreBegan = true;
                    },
                    stoppingToken);
            }

            await GuardedAsync("ending idle networks", () => EndIdleNetworksAsync(stoppingToken), stoppingToken);
            var now = time.GetUtcNow();
            // A clock that was set back must not put the next look off.
            if (now >= nextLook || nextLook - now > options.Reconcile.Interval)
            {
                var pause = now - began < EarlyPhase && options.Reconcile.Interval > EarlyInterval ? EarlyInterval : options.Reconcile.Interval;
                await GuardedAsync(
                    "comparing with Docker and etcd",
                    async () =>
                    {
                        if (await LookAsync(stoppingToken) && pause > ConfirmAfter) pause = ConfirmAfter;
                    },
                    stoppingToken);
                nextLook = now + pause;
            }

            if (await demand.WaitAsync(IdleCheck, stoppingToken)) nextLook = time.GetUtcNow();
        }
    }

    private async Task BeginRestoreAsync(CancellationToken ct)
    {
        foreach (var left in Open.SelectMany(status => runtime.Instances(new InstanceFilter(Restore, status))))
        {
            try
            {
                await runtime.AlterAsync(left.Id, new Alteration.Terminate(), "flannelflow", "the daemon was started anew, and restores all of it", ct);
            }
            catch (AlterationRefusedException)
            {
                // It has ended by itself.
            }
        }

        var epoch = runtime.Recovery.Epoch;
        await runtime.StartAsync(new StartWorkflow(Restore, $"{Restore}/{epoch}", new System.Text.Json.Nodes.JsonObject { ["Epoch"] = epoch }), ct);
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
                await runtime.StartAsync(FabricStart.Remove(network.NetworkId), ct);
        }
    }

    /// <returns>Whether anything differs.</returns>
    private async Task<bool> LookAsync(CancellationToken ct)
    {
        var (found, trouble) = await upkeep.CompareAsync(ct);
        // Networks that are over are no drift: they are ended each second.
        var drift = found.Where(difference => difference.Scope != DriftScope.Configuration).ToList();
        var due = book.Looked(drift, trouble);
        Say(drift);
        if (!due.IsEmpty) await runtime.StartAsync(new StartWorkflow(Sync, Sync, [], JoinPolicy.WhileOpen), ct);
        if (trouble is not null && drift.Count == 0) throw new NotComparedException(trouble);
        return drift.Count > 0;
    }

    /// <summary>Each once, as long as it stands.</summary>
    private void Say(IReadOnlyCollection<Difference> drift)
    {
        var standing = book.View().Standing;
        foreach (var one in standing.Where(one => _said.Add($"{one.Kind} {one.Subject}")))
        {
            if (one.Command is { } command) logger.LogWarning("{What}. No workflow mends it; what does: {Command}", one.Text, command);
            else logger.LogWarning("{What}: mending it", one.Text);
        }

        _said.IntersectWith(standing.Select(one => $"{one.Kind} {one.Subject}").Concat(drift.Select(difference => difference.Key)));
    }

    /// <summary>etcd or Docker away is no reason to stop looking; it is said once until it is over.</summary>
    private async Task GuardedAsync(string what, Func<Task> look, CancellationToken ct)
    {
        try
        {
            await look();
            if (_troubled.Remove(what))
                logger.LogInformation("{What}: works again", what);
        }
        catch (Exception failed) when (failed is EtcdException or DockerUnavailableException or NetlinkException or CommandException or NotComparedException or JournalFullException
            && !ct.IsCancellationRequested)
        {
            if (_troubled.Add(what))
                logger.LogWarning("{What}: {Reason}", what, failed.Message);
        }
    }

    private sealed class NotComparedException(string message) : Exception(message);
}
