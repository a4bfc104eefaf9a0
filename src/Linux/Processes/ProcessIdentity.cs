namespace FlannelFlow.Linux.Processes;

/// <summary>One process for all time of a boot: pids are reused, pid and start time are not.</summary>
/// <param name="Pid">In our pid namespace.</param>
/// <param name="StartTicks">Field 22 of /proc/PID/stat: clock ticks after boot.</param>
public readonly record struct ProcessIdentity(int Pid, ulong StartTicks)
{
    public override string ToString() => $"{Pid}@{StartTicks}";
}

/// <summary>How a process ended. Neither is given if it was not our child (adopted): only its parent learns that.</summary>
public sealed record ProcessExit(int? Code, int? Signal)
{
    public override string ToString() => (Code, Signal) switch
    {
        ({ } code, _) => $"exit code {code}",
        (_, { } signal) => $"signal {signal}",
        _ => "exit code unknown (adopted process)",
    };
}

/// <summary>A process that outlives its starter: own session, stdin /dev/null, stdout and stderr appended to a log file.</summary>
public sealed record ChildConfig
{
    /// <summary>Absolute path of the program.</summary>
    public required string File { get; init; }
    /// <summary>Without argv[0], which is <see cref="File"/>. File and arguments together are the identity by which a running one is adopted.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];
    /// <summary>The whole environment; nothing is inherited. NOTIFY_SOCKET is added.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
    /// <summary>Appended to; its directory is made.</summary>
    public required string LogFile { get; init; }
    /// <summary>Where the child reports READY=1 (sd_notify(3)); null: a started child counts as ready.</summary>
    public string? NotifySocket { get; init; }
    /// <summary>From SIGTERM to SIGKILL.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(5);

    public IEnumerable<string> CommandLine => Arguments.Prepend(File);
}
