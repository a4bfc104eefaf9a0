namespace FlannelFlow.Linux.Processes;

/// <summary>
/// A process that outlives its starter: own session, stdin /dev/null, stdout and stderr appended to a log file. (Under systemd the unit
/// of the starter needs KillMode=process, else its stop kills the whole control group.)
/// </summary>
public sealed record ChildConfig
{
    /// <summary>Absolute path of the program. Not of a script: the kernel puts its interpreter into argv, and it would not be found again.</summary>
    public required string File { get; init; }

    /// <summary>Without argv[0], which is <see cref="File"/>. Both together identify the process.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>
    /// An argument that only this child has, whatever else its command line says. A process with it and another command line is this child as
    /// an earlier configuration or version started it: it is stopped before this one starts. Null: there can be none.
    /// </summary>
    public string? Mark { get; init; }

    /// <summary>
    /// The whole environment; nothing is inherited. NOTIFY_SOCKET is added. A running process is adopted only if it was started with all of
    /// this: a new password, say, is no part of the command line, but means a new process.
    /// </summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Appended to; its directory is made. Beside it stands LOG.lock, and LOG.1 once it grew beyond 8 MiB.</summary>
    public required string LogFile { get; init; }

    /// <summary>Where the child reports READY=1 (sd_notify(3)); null: a started child counts as ready. Beside it stands SOCKET.ready.</summary>
    public string? NotifySocket { get; init; }

    /// <summary>From SIGTERM to SIGKILL.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(5);

    public IReadOnlyList<string> CommandLine => [File, .. Arguments];

    /// <summary>Whether a process is this child as it is wanted.</summary>
    internal bool IsWanted(RunningProcess found) =>
        found.CommandLine.SequenceEqual(CommandLine) && ProcessTable.StartedWith(found.Identity.Pid, Environment);

    /// <summary>Whether a process is this child, as it is wanted or as it once was.</summary>
    internal bool Started(IReadOnlyList<string> commandLine) =>
        commandLine.SequenceEqual(CommandLine) || (Mark is not null && commandLine.Contains(Mark));

    /// <summary>Same process wanted: records compare lists by reference, which is not meant here.</summary>
    internal bool IsSameAs(ChildConfig other) =>
        CommandLine.SequenceEqual(other.CommandLine)
        && LogFile == other.LogFile
        && NotifySocket == other.NotifySocket
        && StopTimeout == other.StopTimeout
        && Environment.Count == other.Environment.Count
        && Environment.All(v => other.Environment.TryGetValue(v.Key, out var value) && value == v.Value);
}
