namespace FlannelFlow.Cluster.Draining;

/// <summary>Where one backend of one service in one network stands on one host.</summary>
public abstract record BackendState
{
    /// <summary>It is known, and not up yet: it gets nothing.</summary>
    public sealed record Pending : BackendState;

    public sealed record Ready(int Weight) : BackendState;

    /// <param name="ZeroSince">Since when it gets no new connection; of one that is held open: since when it drains.</param>
    /// <param name="Deadline">What is left is cut then. Not of one that is held open: it begins anew when that ends.</param>
    /// <param name="IsHeldOpen">It is the last one that lives: it goes on getting connections, since refusing them all would help nobody.</param>
    public sealed record Draining(DrainLimits Limits, DateTimeOffset ZeroSince, DateTimeOffset Deadline, bool IsHeldOpen, bool IsUdpCut) : BackendState;

    public sealed record Removed(DrainEnd End) : BackendState;
}

/// <param name="Limit">From weight 0 to the cut.</param>
public sealed record DrainLimits(TimeSpan Limit, TimeSpan MinimumGrace, TimeSpan UdpGrace);

public enum DrainEnd
{
    /// <summary>No connection was left.</summary>
    Clean,

    /// <summary>The time was over: what was left was cut.</summary>
    Forced,

    /// <summary>The process is gone, and its connections with it.</summary>
    ProcessEnded,

    /// <summary>A person ended the wait.</summary>
    Operator,

    /// <summary>The backend gets connections again.</summary>
    CalledOff,
}

public abstract record BackendEvent
{
    /// <summary>It runs and is healthy, and nobody wants it to go (any more).</summary>
    public sealed record Up(int Weight) : BackendEvent;

    /// <param name="IsLast">No other backend of the service takes connections.</param>
    public sealed record DrainBegan(DrainLimits Limits, bool IsLast, DateTimeOffset At) : BackendEvent;

    public sealed record OthersChanged(bool IsLast, DateTimeOffset At) : BackendEvent;

    /// <param name="Open">TCP connections through this host that a removal would cut.</param>
    public sealed record Counted(int Open, DateTimeOffset At) : BackendEvent;

    public sealed record ProcessEnded : BackendEvent;

    public sealed record Forced : BackendEvent;
}

public abstract record BackendCommand
{
    /// <param name="Tcp">0: keeps its connections, gets none.</param>
    /// <param name="Udp">0: keeps its flows, gets none. Null: its flows go to another backend.</param>
    public sealed record SetWeights(int Tcp, int? Udp) : BackendCommand;

    /// <summary>Takes it out; what it has is cut.</summary>
    public sealed record Remove : BackendCommand;
}

/// <summary>The life of a backend, pure: what happened, and what follows. Pending → Ready → Draining → Removed, and back to Ready by weight.</summary>
/// <remarks>
/// <list type="bullet">
/// <item>A draining backend has weight 0, but the last one that lives has 1.</item>
/// <item>It is removed once, and only if no connection is left and the minimum grace is over, or the deadline is, or its process is gone, or by a person.</item>
/// <item>A backend that comes back is given its weight; it is never removed for that, so its connections live on.</item>
/// </list>
/// </remarks>
public static class BackendLife
{
    /// <summary>Of a backend that is held open.</summary>
    public const int HeldOpenWeight = 1;

    private static readonly IReadOnlyList<BackendCommand> Nothing = [];

    public static (BackendState State, IReadOnlyList<BackendCommand> Commands) Decide(BackendState state, BackendEvent happened) => (state, happened) switch
    {
        (BackendState.Ready ready, BackendEvent.Up up) => ready.Weight == up.Weight ? (state, Nothing) : Raise(up.Weight),
        (_, BackendEvent.Up up) => Raise(up.Weight),

        (BackendState.Ready, BackendEvent.DrainBegan began) => Begin(began),
        (BackendState.Draining draining, BackendEvent.OthersChanged others) => others.IsLast == draining.IsHeldOpen
            ? (state, Nothing)
            : others.IsLast ? HoldOpen(draining) : Lower(draining, others.At),
        (BackendState.Draining draining, BackendEvent.Counted counted) => Count(draining, counted),

        (BackendState.Ready or BackendState.Draining, BackendEvent.ProcessEnded) => Remove(DrainEnd.ProcessEnded),
        (BackendState.Draining, BackendEvent.Forced) => Remove(DrainEnd.Operator),
        (BackendState.Pending, BackendEvent.ProcessEnded) => (new BackendState.Removed(DrainEnd.ProcessEnded), Nothing),

        // One that never got a connection, or gets none any more, has nothing to drain; only a draining one is waited for.
        (BackendState.Pending or BackendState.Removed, _) => (state, Nothing),
        (BackendState.Draining, BackendEvent.DrainBegan) => (state, Nothing),
        (BackendState.Ready, BackendEvent.OthersChanged or BackendEvent.Counted or BackendEvent.Forced) => (state, Nothing),
        _ => throw new InvalidOperationException($"{happened} in {state}"),
    };

    /// <summary>
    /// Which of a service's backends is held open: none while one is ready; else the one that began to drain last, whose process is the least likely to
    /// have been told to end.
    /// </summary>
    /// <param name="living">Those whose process lives: by container id, since when it drains, null if it is ready.</param>
    public static string? HeldOpen(IEnumerable<(string ContainerId, DateTimeOffset? DrainingSince)> living)
    {
        string? last = null;
        var latest = DateTimeOffset.MinValue;
        foreach (var (id, since) in living)
        {
            if (since is not { } began)
                return null;
            if (last is null || began > latest || (began == latest && string.CompareOrdinal(id, last) > 0))
                (last, latest) = (id, began);
        }
        return last;
    }

    private static (BackendState, IReadOnlyList<BackendCommand>) Begin(BackendEvent.DrainBegan began)
    {
        var draining = new BackendState.Draining(began.Limits, began.At, began.At + began.Limits.Limit, began.IsLast, IsUdpCut: false);
        return began.IsLast ? HoldOpen(draining) : Lower(draining, began.At);
    }

    private static (BackendState, IReadOnlyList<BackendCommand>) HoldOpen(BackendState.Draining draining) =>
        (draining with { IsHeldOpen = true, IsUdpCut = false }, [new BackendCommand.SetWeights(HeldOpenWeight, HeldOpenWeight)]);

    private static (BackendState, IReadOnlyList<BackendCommand>) Lower(BackendState.Draining draining, DateTimeOffset at)
    {
        var isUdpCut = draining.Limits.UdpGrace <= TimeSpan.Zero;
        return (
            draining with { IsHeldOpen = false, IsUdpCut = isUdpCut, ZeroSince = at, Deadline = at + draining.Limits.Limit },
            [new BackendCommand.SetWeights(0, isUdpCut ? null : 0)]);
    }

    private static (BackendState, IReadOnlyList<BackendCommand>) Count(BackendState.Draining draining, BackendEvent.Counted counted)
    {
        if (draining.IsHeldOpen)
            return (draining, Nothing);
        if (counted.Open == 0 && counted.At >= draining.ZeroSince + draining.Limits.MinimumGrace)
            return Remove(DrainEnd.Clean);
        if (counted.At >= draining.Deadline)
            return Remove(DrainEnd.Forced);
        return !draining.IsUdpCut && counted.At >= draining.ZeroSince + draining.Limits.UdpGrace
            ? (draining with { IsUdpCut = true }, [new BackendCommand.SetWeights(0, null)])
            : (draining, Nothing);
    }

    private static (BackendState, IReadOnlyList<BackendCommand>) Raise(int weight) =>
        (new BackendState.Ready(weight), [new BackendCommand.SetWeights(weight, weight)]);

    private static (BackendState, IReadOnlyList<BackendCommand>) Remove(DrainEnd end) => (new BackendState.Removed(end), [new BackendCommand.Remove()]);
}
