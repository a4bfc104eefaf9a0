namespace FlannelFlow.Workflows;

/// <summary>What a runtime is given at start.</summary>
public sealed record WorkflowRuntimeOptions
{
    /// <summary>The journal's file; made if absent, in a folder that exists. Beside it: -wal, -shm, .lock, .holder.</summary>
    public required string JournalPath { get; init; }

    /// <summary>Finished instances, and journal events, older than this are purged.</summary>
    public TimeSpan KeepFinished { get; init; } = TimeSpan.FromDays(7);

    /// <summary>How often old instances are looked for.</summary>
    public TimeSpan PurgeInterval { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Commits that may wait for the writer; more wait in their callers.</summary>
    public int QueuedCommits { get; init; } = 4096;

    public Func<Exception, FaultKind> Classify { get; init; } = e => e is RefusalException ? FaultKind.Refusal : FaultKind.Retryable;

    /// <summary>Called when the journal can no longer be trusted (a COMMIT failed). Must not return in production.</summary>
    public Action<string, Exception> FailStop { get; init; } = Environment.FailFast;

    /// <summary>Makes instance ids; they must be unique among all hosts.</summary>
    public Func<DateTimeOffset, string> NewId { get; init; } = now => Guid.CreateVersion7(now).ToString("N");

    /// <summary>Uniform in [0, 1), from any thread; for the jitter of retries.</summary>
    public Func<double> Chance { get; init; } = DefaultChance();

    /// <summary>Identifies the boot of the kernel whose state the effects are in.</summary>
    public string BootId { get; init; } = ReadBootId();

    /// <summary>
    /// For end-to-end tests: <c>network-create/start-flannel/after-effect</c> makes the process kill itself (SIGKILL) when it passes
    /// that <see cref="Workflows.CrashPoint"/>, once: a file <c>crashed-at-…</c> beside the journal marks that it did.
    /// </summary>
    public string? CrashPoint { get; init; }

    /// <summary>For tests in the process.</summary>
    public ICrashPoints? CrashPoints { get; init; }

    private static Func<double> DefaultChance()
    {
        var random = new Random();
        var gate = new Lock();
        return () =>
        {
            lock (gate) return random.NextDouble();
        };
    }

    /// <summary>proc(5): a fresh UUID per boot.</summary>
    private static string ReadBootId() => File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
}
