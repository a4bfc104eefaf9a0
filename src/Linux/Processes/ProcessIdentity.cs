using System.Globalization;

namespace FlannelFlow.Linux.Processes;

/// <summary>One process for all time of a boot: pids are reused, pid and start time together are not.</summary>
/// <param name="Pid">In our pid namespace.</param>
/// <param name="StartTicks">Field 22 of /proc/PID/stat (proc_pid_stat(5)): clock ticks after boot.</param>
public readonly record struct ProcessIdentity(int Pid, ulong StartTicks)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Pid}@{StartTicks}");
}

/// <summary>How a process ended. Neither is given if it was not our child (adopted): only its parent learns that.</summary>
public sealed record ProcessExit(int? Code, int? Signal)
{
    public override string ToString() => (Code, Signal) switch
    {
        ({ } code, _) => string.Create(CultureInfo.InvariantCulture, $"exit code {code}"),
        (_, { } signal) => string.Create(CultureInfo.InvariantCulture, $"killed by signal {signal}"),
        _ => "exit code unknown (adopted process)",
    };
}
