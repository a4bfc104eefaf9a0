using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Host.Docker;
using FlannelFlow.Host.Mirror;

namespace FlannelFlow.Host.Draining;

/// <summary>
/// On a manager: drains the containers of tasks that Swarm no longer wants to run. Swarm changes a task's desired state about 10 ms after the API call,
/// and the task's node sleeps 2 s before the stop signal (moby daemon/cluster/executor/container/controller.go): that is the lead.
/// </summary>
/// <remarks>
/// Nothing tells of a task's desired state, so it is asked: often while services or nodes are changing, else every second. Asked is for the tasks that
/// are to run, one request whatever their number; a container whose task is not among them was started before, so Swarm has changed its mind, which is
/// then confirmed for that task. Every manager does this; the second finds it done.
/// </remarks>
public sealed class DesiredStateWatch(
    DockerTruth docker, DockerMirror mirror, DrainWriter drains, DrainWatchOptions watch, TimeProvider time, ILogger<DesiredStateWatch> logger)
    : BackgroundService
{
    private readonly Demand _news = new();
    private bool _troubled;

    /// <summary>A service or a node has changed: look at once, and often for a while.</summary>
    public void ClusterChanged() => _news.Raise();

    public override void Dispose()
    {
        _news.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var busyUntil = DateTimeOffset.MinValue;
        while (true)
        {
            var busy = time.GetUtcNow() < busyUntil;
            if (await _news.WaitAsync(busy ? watch.BusyInterval : watch.IdleInterval, stoppingToken))
                busyUntil = time.GetUtcNow() + watch.BusyTime;
            try
            {
                if (await LookAsync(stoppingToken))
                    busyUntil = time.GetUtcNow() + watch.BusyTime;
                if (_troubled)
                    logger.LogInformation("the desired states of tasks are known again");
                _troubled = false;
            }
            catch (Exception e) when (e is DockerUnavailableException or EtcdException)
            {
                if (!_troubled)
                    logger.LogWarning("the desired states of tasks: {Reason}", e.Message);
                _troubled = true;
            }
        }
    }

    /// <summary>Whether any task was found that is to end.</summary>
    private async Task<bool> LookAsync(CancellationToken ct)
    {
        // The mirror first: what is in it has been started, and was wanted then.
        var tasks = mirror.Current?.Containers.Values
            .Where(container => container.Task is not null && container.Drain?.Reason != DrainReason.DesiredState)
            .ToList();
        if (tasks is null or [] || await docker.WantedTasksAsync(ct) is not { } wanted)
            return false;
        var found = false;
        foreach (var container in tasks.Where(container => !wanted.Contains(container.Task!.Id)))
        {
            if (await docker.IsTaskWantedAsync(container.Task!.Id, ct))
                continue;
            found = true;
            if (await drains.BeginAsync(container.Host, container.Id, DrainReason.DesiredState, ct) is not null)
                logger.LogInformation("{Task} is to end: its connections are drained", container.Name);
        }

        return found;
    }
}

/// <param name="BusyInterval">Between two looks while services or nodes are changing.</param>
/// <param name="BusyTime">For so long after the last change.</param>
public sealed record DrainWatchOptions(TimeSpan BusyInterval, TimeSpan IdleInterval, TimeSpan BusyTime);
