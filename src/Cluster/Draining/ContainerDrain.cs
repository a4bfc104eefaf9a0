using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Cluster.Draining;

/// <summary>Whether a container drains or is opening, from what its record says and what Docker says: pure.</summary>
public static class ContainerDrain
{
    /// <summary>The record that follows.</summary>
    /// <param name="known">As it stands in etcd; null: there is none.</param>
    /// <param name="docker">As Docker describes the running container, ready.</param>
    /// <remarks>
    /// A container that turns unhealthy drains until it is healthy again; one that never was healthy never was a backend. One that got its stop signal and runs on although its grace is over was not stopped
    /// after all (the signal was for something else, or the stop was given up): it is ready again. What Swarm or a person wants stays. One that has opened stays open: most servers close their
    /// port when they are told to end, and answer what they are asked.
    /// </remarks>
    public static ContainerRecord Next(ContainerRecord? known, ContainerRecord docker, DrainTerms terms, DateTimeOffset now)
    {
        if (known is { IsOpening: false }) docker = docker with { IsOpening = false };
        var drain = known is { State: ContainerState.Draining } ? known.Drain ?? new DrainRecord(known.ShortId, DrainReason.Operator, DateTimeOffset.MinValue) : null;
        if (drain is null)
        {
            return docker.Health == ContainerHealth.Unhealthy && known is { IsUp: true }
                ? Draining(docker, DrainRecord.Begin(DrainReason.Unhealthy, now))
                : docker;
        }

        var isOver = drain.Reason switch
        {
            DrainReason.Unhealthy => docker.IsUp,
            DrainReason.Stop => docker.Health != ContainerHealth.Unhealthy && now >= drain.Since + terms.LimitFor(docker.StopGrace),
            DrainReason.DesiredState or DrainReason.Operator => false,
        };
        return isOver ? docker : Draining(docker, drain);
    }

    public static ContainerRecord Draining(ContainerRecord record, DrainRecord drain) => record with { State = ContainerState.Draining, Drain = drain };

    public static ContainerRecord Ready(ContainerRecord record) => record with { State = ContainerState.Ready, Drain = null };
}
