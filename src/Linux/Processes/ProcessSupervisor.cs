#pragma warning disable CA1822, IDE0060, CS9113 // skeleton: bodies follow
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Linux.Processes;

public enum ChildStatus
{
    /// <summary>Not wanted, not running.</summary>
    Stopped,
    /// <summary>Runs (started or adopted), READY=1 not seen yet.</summary>
    Starting,
    Ready,
    /// <summary>Exited unasked; waits for the next start.</summary>
    BackingOff,
    Stopping,
}

/// <summary>A snapshot of a child, fit to be shown.</summary>
public sealed record ChildState
{
    public required ChildStatus Status { get; init; }
    public ProcessIdentity? Process { get; init; }
    /// <summary>The process was found running, not started by us.</summary>
    public bool Adopted { get; init; }
    /// <summary>Unrequested exits since the child is wanted.</summary>
    public int Exits { get; init; }
    /// <summary>Exits in a row without READY in between: a crash loop if it grows.</summary>
    public int FailedStarts { get; init; }
    public ProcessExit? LastExit { get; init; }
    /// <summary>The last lines the exited process logged.</summary>
    public string LastLog { get; init; } = "";
    /// <summary>STATUS= of the child's last notification.</summary>
    public string? StatusText { get; init; }
    public DateTimeOffset Since { get; init; }
}

/// <summary>Keeps desired children running, one per name; they go on running when the supervisor (or its process) ends.</summary>
public sealed class ProcessSupervisor(TimeProvider time, ILogger<ProcessSupervisor> logger) : IAsyncDisposable
{
    /// <summary>Adopts the running one or starts it; a child of this name with another config is stopped first. Returns once it runs, not once it is ready.</summary>
    public Task<SupervisedChild> EnsureAsync(string name, ChildConfig config, CancellationToken ct) => throw new NotImplementedException();
    public SupervisedChild? Find(string name) => throw new NotImplementedException();
    public IReadOnlyCollection<SupervisedChild> Children => throw new NotImplementedException();
    /// <summary>Stops and forgets the child of this name, and any process that runs this command line, supervised or left by an earlier daemon.</summary>
    /// <returns>False if none ran.</returns>
    public Task<bool> StopAsync(string name, ChildConfig config, CancellationToken ct) => throw new NotImplementedException();
    /// <summary>Ends the supervision, not the children.</summary>
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}

/// <summary>One desired child: restarted on any unrequested exit, at once the first time, then after 0.25 s, doubling to 2 s.</summary>
public sealed class SupervisedChild
{
    internal SupervisedChild() { }
    public string Name => throw new NotImplementedException();
    public ChildConfig Config => throw new NotImplementedException();
    public ChildState State => throw new NotImplementedException();
    /// <summary>The present state, then each change (slow readers skip to the latest).</summary>
    public IAsyncEnumerable<ChildState> FollowAsync(CancellationToken ct) => throw new NotImplementedException();
    /// <summary>Waits for READY=1.</summary>
    /// <exception cref="ChildFailedException">Not ready within <paramref name="timeout"/>, or exited three times in a row: exit code and end of the log in the message.</exception>
    public Task EnsureReadyAsync(TimeSpan timeout, CancellationToken ct) => throw new NotImplementedException();
    /// <summary>SIGTERM, SIGKILL after <see cref="ChildConfig.StopTimeout"/>; returns when the process is gone.</summary>
    public Task StopAsync(CancellationToken ct) => throw new NotImplementedException();
}

public sealed class ChildFailedException(string message, ChildState state) : Exception(message)
{
    public ChildState State { get; } = state;
}

/// <summary>The child's side of readiness: sd_notify(3) without libsystemd.</summary>
public static class ReadinessNotification
{
    /// <summary>Sends e.g. "READY=1\nSTATUS=serving 3 leases" to $NOTIFY_SOCKET.</summary>
    /// <returns>False if there is no such variable or nobody listens.</returns>
    public static bool Send(string state) => throw new NotImplementedException();
}
