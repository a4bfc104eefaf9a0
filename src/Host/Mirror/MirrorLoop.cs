using Docker.DotNet.Models;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Host.Docker;
using FlannelFlow.Host.Draining;
using FlannelFlow.Host.Reconcile;

namespace FlannelFlow.Host.Mirror;

/// <summary>
/// Keeps the mirror of Docker's objects in etcd: every host writes its own containers, a manager also networks and services. Runs this host's
/// copy of the mirror and its presence, too.
/// </summary>
/// <remarks>
/// Events say when to look, never what there is: each look reads Docker's present state, so that a lost or late event costs time and nothing
/// else. Looks come after events, after a lost stream of events, every SYNC_INTERVAL, and soon after one that failed. What Docker says of this host's
/// own containers counts here before etcd is asked, whatever becomes of that.
/// </remarks>
public sealed class MirrorLoop(
    DockerTruth docker,
    RunningContainers containers,
    OpeningTasks opening,
    MirrorWriter writer,
    DockerMirror mirror,
    HostPresence presence,
    HostWatch watch,
    KillWatch kills,
    DesiredStateWatch desiredStates,
    SyncDemand sync,
    FlannelFlowOptions options,
    TimeProvider time,
    ILogger<MirrorLoop> logger) : BackgroundService
{
    /// <summary>Events come in handfuls: the look waits this long for the rest of one.</summary>
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);

    /// <summary>Of a service whose VIP the leader has not allocated yet; no event tells of that.</summary>
    private static readonly TimeSpan IncompletePause = TimeSpan.FromMilliseconds(200);

    private readonly Demand _containersChanged = new();
    private readonly Demand _clusterChanged = new();

    public override void Dispose()
    {
        _containersChanged.Dispose();
        _clusterChanged.Dispose();
        base.Dispose();
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        mirror.RunAsync(stoppingToken),
        presence.RunAsync(WrittenAsync, stoppingToken),
        watch.RunAsync(stoppingToken),
        FollowDockerAsync(stoppingToken),
        opening.RunAsync(Opened, stoppingToken),
        LookAsync("this host's containers", _containersChanged, WriteContainersAsync, stoppingToken),
        LookAsync("the swarm's networks and services", _clusterChanged, WriteClusterAsync, stoppingToken));

    private async Task FollowDockerAsync(CancellationToken ct)
    {
        var lost = false;
        while (true)
        {
            try
            {
                await docker.FollowEventsAsync(
                    () =>
                    {
                        if (lost) logger.LogInformation("Docker's events are followed again; all is read anew");
                        if (lost) sync.Raise();
                        lost = false;
                        LookAtAll();
                    },
                    Heard,
                    ct);
            }
            catch (DockerUnavailableException e)
            {
                if (!lost) logger.LogWarning("Docker's events are lost: {Reason}", e.Message);
                lost = true;
                await Task.Delay(RetryPause, time, ct);
            }
        }
    }

    private void LookAtAll()
    {
        containers.ForgetAll();
        _containersChanged.Raise();
        _clusterChanged.Raise();
    }

    private void Heard(Message heard)
    {
        switch (heard.Type)
        {
            case "container" when !heard.Action.StartsWith("exec_", StringComparison.Ordinal):
                if (heard.Action == "kill") kills.Heard(heard);
                Changed(heard.Actor.ID);
                break;
            case "network" when heard.Action is "connect" or "disconnect" && heard.Actor.Attributes.TryGetValue("container", out var container):
                Changed(container);
                break;
            case "network" or "service" or "node":
                desiredStates.ClusterChanged();
                _clusterChanged.Raise();
                break;
        }
    }

    private void Changed(string containerId)
    {
        containers.Forget(containerId);
        _containersChanged.Raise();
    }

    private void Opened(string containerId)
    {
        containers.Opened(containerId);
        _containersChanged.Raise();
    }

    /// <param name="look">How long until the next look, if nothing is heard before.</param>
    private async Task LookAsync(string what, Demand demand, Func<CancellationToken, Task<TimeSpan>> look, CancellationToken ct)
    {
        var troubled = false;
        while (true)
        {
            TimeSpan pause;
            try
            {
                pause = await look(ct);
                if (troubled) logger.LogInformation("mirroring {What} works again", what);
                troubled = false;
            }
            catch (Exception e) when (e is DockerUnavailableException or EtcdException)
            {
                if (!troubled) logger.LogWarning("mirroring {What}: {Reason}", what, e.Message);
                troubled = true;
                pause = RetryPause;
            }

            if (await demand.WaitAsync(pause, ct)) await Task.Delay(Settle, time, ct);
            else if (pause == options.Reconcile.Interval) containers.ForgetAll();
        }
    }

    /// <summary>Completes when the mirror holds of this host's containers what Docker has.</summary>
    /// <exception cref="EtcdException">It does not.</exception>
    private async Task WrittenAsync(CancellationToken ct)
    {
        while (true)
        {
            try
            {
                await WriteContainersAsync(ct);
                return;
            }
            catch (DockerUnavailableException)
            {
                // Said where it is looked for again and again.
                await Task.Delay(RetryPause, time, ct);
            }
        }
    }

    private async Task<TimeSpan> WriteContainersAsync(CancellationToken ct)
    {
        var seen = mirror.Current;
        mirror.Contradict(seen, await containers.ReadAsync(ct));
        await writer.WriteContainersAsync(options.HostName, containers.ReadAsync, ct);
        return options.Reconcile.Interval;
    }

    private async Task<TimeSpan> WriteClusterAsync(CancellationToken ct)
    {
        var incomplete = false;
        await writer.WriteClusterAsync(
            async token =>
            {
                if (await docker.ClusterAsync(token) is not { } objects) return null;
                incomplete = objects.Services.Any(DockerObjects.IsIncomplete);
                foreach (var service in objects.Services) SayRefused(service);
                return objects;
            },
            ct);
        return incomplete ? IncompletePause : options.Reconcile.Interval;
    }

    /// <summary>In the log once, when it is new; it stays to be read in the service's record.</summary>
    private void SayRefused(ServiceRecord service)
    {
        var known = mirror.Current?.Services.GetValueOrDefault(service.Id)?.Status?.Refused ?? [];
        foreach (var refused in service.Status?.Refused.Except(known) ?? [])
            logger.LogWarning("service {Service}: {Refusal}", service.Name, refused);
    }
}
