using System.Text.Json.Nodes;
using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Garbage;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Host.Docker;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Reconcile;

/// <summary>Every SYNC_INTERVAL: what in etcd belongs to nobody any more, of all hosts. The workflow cluster-mend takes it.</summary>
/// <remarks>
/// Of what etcd alone tells, the host looks whose name is the first of those that are there; of networks every manager, since only its engine knows
/// them. It does not matter if two look: what is taken is taken once.
/// </remarks>
public sealed class GarbageLoop(
    IEtcd etcd,
    ClusterKeys keys,
    GarbageCollector collector,
    DockerMirror mirror,
    DockerTruth docker,
    WorkflowRuntime runtime,
    FlannelFlowOptions options,
    TimeProvider time,
    ILogger<GarbageLoop> logger) : BackgroundService
{
    public const string Definition = "cluster-mend";

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var troubled = false;
        await mirror.WhenAsync(_ => true, stoppingToken);
        using var timer = new PeriodicTimer(options.Reconcile.Interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await LookAsync(stoppingToken);
                troubled = false;
            }
            catch (Exception e) when (e is EtcdException or DockerUnavailableException or JournalFullException)
            {
                if (!troubled) logger.LogWarning("looking for what belongs to nobody in the cluster: {Reason}", e.Message);
                troubled = true;
            }
        }
    }

    private async Task LookAsync(CancellationToken ct)
    {
        var picture = await ClusterPicture.ReadAsync(etcd, keys, ct);
        var networks = await docker.NetworksAsync(ct);
        var isFirst = picture.Present.Order(StringComparer.Ordinal).FirstOrDefault() == options.HostName;
        if (!isFirst && networks is null) return;
        var due = collector.Due(picture, networks).Where(garbage => isFirst || IsOfNetworks(garbage.Kind)).ToList();
        if (due.Count == 0) return;
        logger.LogWarning("belongs to nobody any more, or was lost: {Garbage}", string.Join(", ", due.Select(garbage => garbage.Key)));
        await runtime.StartAsync(
            new StartWorkflow(Definition, Definition, new JsonObject { ["Garbage"] = new JsonArray([.. due.Select(garbage => JsonValue.Create(garbage.Key))]) }, JoinPolicy.WhileOpen), ct);
    }

    private static bool IsOfNetworks(GarbageKind kind) => kind switch
    {
        GarbageKind.UnusedPool or GarbageKind.PoolWithoutNetwork or GarbageKind.RecordsWithoutPool or GarbageKind.NetworkWithoutPool or GarbageKind.Vni => true,
        GarbageKind.GoneHost or GarbageKind.KeysOfGoneHost or GarbageKind.DesertedAddresses or GarbageKind.DesertedPool => false,
    };
}
