namespace FlannelFlow.Cluster.Draining;

public enum DrainReason
{
    /// <summary>Swarm wants the task to end: an update, a smaller scale, a drained node, a removed service.</summary>
    DesiredState,

    /// <summary>It is about to get its stop signal (the runtime wrapper), or has just got it (Docker's kill event).</summary>
    Stop,

    /// <summary>Its health check says so.</summary>
    Unhealthy,

    /// <summary>A person said so.</summary>
    Operator,
}

/// <summary>That a container drains, as its record in etcd says it to all hosts. Each counts its time from when it heard: their clocks need not agree.</summary>
/// <param name="Id">New for each drain, so that a second drain of a container is another one.</param>
/// <param name="Since">By the clock of whoever began it: which of two began later, for people and for the choice of who is held open.</param>
public sealed record DrainRecord(string Id, DrainReason Reason, DateTimeOffset Since)
{
    public static DrainRecord Begin(DrainReason reason, DateTimeOffset now) => new(Guid.CreateVersion7(now).ToString("n")[..20], reason, now);
}
