namespace FlannelFlow.Linux.Processes;

public enum ChildStatus
{
    /// <summary>Not wanted, not running. Final.</summary>
    Stopped,
    /// <summary>Runs (started or adopted), READY=1 not seen yet.</summary>
    Starting,
    Ready,
    /// <summary>Exited unasked; waits for the next start.</summary>
    BackingOff,
    Stopping,
}

/// <summary>A snapshot of a child, fit to be shown. Its transitions are pure; <see cref="SupervisedChild"/> acts on them.</summary>
public sealed record ChildState
{
    /// <summary>A process that ran this long before its exit did not fail to start: the backoff begins anew.</summary>
    internal static readonly TimeSpan SettledAfter = TimeSpan.FromSeconds(10);

    public required ChildStatus Status { get; init; }
    public ProcessIdentity? Process { get; init; }
    /// <summary>The process was found running, not started by us.</summary>
    public bool IsAdopted { get; init; }
    /// <summary>Unrequested exits since the child is wanted.</summary>
    public int Exits { get; init; }
    /// <summary>Exits in a row without READY in between: a crash loop if it grows.</summary>
    public int FailedStarts { get; init; }
    public ProcessExit? LastExit { get; init; }
    /// <summary>The last lines that the exited process logged, or why it could not be started.</summary>
    public string LastLog { get; init; } = "";
    /// <summary>STATUS= of the child's last notification.</summary>
    public string? StatusText { get; init; }
    /// <summary>When <see cref="Status"/> became what it is.</summary>
    public DateTimeOffset Since { get; init; }

    /// <summary>Exits in a row, each soon after its start.</summary>
    internal int QuickExits { get; init; }
    internal DateTimeOffset StartedAt { get; init; }
    /// <summary>Where the running process's output begins in the log file.</summary>
    internal long LogStart { get; init; }

    /// <summary>None before the first restart; then 0.25 s, doubling up to 2 s while the exits come quickly.</summary>
    internal TimeSpan RestartDelay => QuickExits <= 1 ? TimeSpan.Zero : TimeSpan.FromSeconds(Math.Min(2, 0.25 * Math.Pow(2, Math.Min(QuickExits - 2, 10))));

    internal ChildState Launched(SupervisedProcess process, bool ready, DateTimeOffset now) => this with
    {
        Status = ready ? ChildStatus.Ready : ChildStatus.Starting,
        FailedStarts = ready ? 0 : FailedStarts,
        Process = process.Identity,
        IsAdopted = process.IsAdopted,
        LogStart = process.LogStart,
        StatusText = null,
        Since = now,
        StartedAt = now,
    };

    internal ChildState Notified(IReadOnlyDictionary<string, string> values, DateTimeOffset now)
    {
        var next = values.TryGetValue("STATUS", out var text) ? this with { StatusText = text } : this;
        return Status == ChildStatus.Starting && values.TryGetValue("READY", out var ready) && ready == "1"
            ? next with { Status = ChildStatus.Ready, FailedStarts = 0, Since = now }
            : next;
    }

    internal ChildState ExitedWith(ProcessExit? exit, string log, DateTimeOffset now) => this with
    {
        Status = ChildStatus.BackingOff,
        Process = null,
        Exits = Exits + 1,
        FailedStarts = FailedStarts + (Status == ChildStatus.Ready ? 0 : 1),
        QuickExits = Status != ChildStatus.BackingOff && now - StartedAt >= SettledAfter ? 1 : QuickExits + 1,
        LastExit = exit,
        LastLog = log,
        Since = now,
    };
}

/// <summary>A child that was needed does not run or did not become ready. The message holds its last exit code and log lines.</summary>
public sealed class ChildFailedException(string message, ChildState? state) : Exception(message)
{
    /// <summary>Null if it could not be started at all.</summary>
    public ChildState? State { get; } = state;
}
