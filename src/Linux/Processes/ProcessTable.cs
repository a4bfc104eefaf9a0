using System.Globalization;
using System.Text;
using FlannelFlow.Linux.Namespaces;

namespace FlannelFlow.Linux.Processes;

public sealed record RunningProcess(ProcessIdentity Identity, IReadOnlyList<string> CommandLine);

/// <summary>/proc: the one record of running processes that no crash of ours can lose.</summary>
/// <remarks>
/// Two moments of a process's youth would deceive. Between fork and exec a child bears its parent's command line: one whose parent
/// matches too is left out. Within exec the command line is empty for a moment, already after vfork's parent runs again and after the
/// close-on-exec files are closed (begin_new_exec in fs/exec.c; the arguments are set later, in load_elf_binary): such a young process is
/// looked at again until it has one.
/// </remarks>
public static class ProcessTable
{
    private const uint KernelThread = 0x00200000;   // PF_KTHREAD
    private const ulong TicksPerSecond = 100;       // USER_HZ, the unit of /proc on all machines .NET runs on

    private static readonly TimeSpan ExecTakesAtMost = TimeSpan.FromSeconds(2);

    /// <summary>Processes with exactly this argv, in the caller's network namespace, oldest first.</summary>
    public static IReadOnlyList<RunningProcess> Find(IReadOnlyList<string> commandLine) => Find(found => found.SequenceEqual(commandLine));

    /// <summary>Processes whose argv matches, in the network namespace of this process, oldest first. Zombies and kernel threads do not count.</summary>
    public static IReadOnlyList<RunningProcess> Find(Func<IReadOnlyList<string>, bool> matches)
    {
        ArgumentNullException.ThrowIfNull(matches);
        var home = NetworkNamespace.InodeOfProcess(Environment.ProcessId);
        var youngest = UptimeTicks() - 10 * TicksPerSecond;
        var found = new List<(RunningProcess Process, int Parent)>();
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(directory.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)) continue;
            if (ReadStat(pid) is not { IsAlive: true } stat || (stat.Flags & KernelThread) != 0) continue;
            var commandLine = ReadCommandLine(pid);
            if (commandLine is null && stat.StartTicks >= youngest) commandLine = AwaitCommandLine(pid);
            if (commandLine is null || !matches(commandLine) || NetworkNamespace.InodeOfProcess(pid) != home) continue;
            // Meanwhile the pid might have passed to another process.
            if (ReadStat(pid) is { IsAlive: true } again && again.StartTicks == stat.StartTicks)
                found.Add((new RunningProcess(new ProcessIdentity(pid, stat.StartTicks), commandLine), stat.Parent));
        }
        var pids = found.Select(f => f.Process.Identity.Pid).ToHashSet();
        return
        [
            .. found.Where(f => !pids.Contains(f.Parent)).Select(f => f.Process)
                .OrderBy(p => p.Identity.StartTicks).ThenBy(p => p.Identity.Pid),
        ];
    }

    private static IReadOnlyList<string>? AwaitCommandLine(int pid)
    {
        IReadOnlyList<string>? commandLine = null;
        SpinWait.SpinUntil(() => (commandLine = ReadCommandLine(pid)) is not null || ReadStat(pid) is not { IsAlive: true }, ExecTakesAtMost);
        return commandLine;
    }

    private static ulong UptimeTicks()
    {
        var text = File.ReadAllText("/proc/uptime");
        var seconds = double.Parse(text.AsSpan(0, text.IndexOf(' ', StringComparison.Ordinal)), CultureInfo.InvariantCulture);
        return (ulong)Math.Max(seconds * TicksPerSecond, 10 * TicksPerSecond);
    }

    /// <summary>Null if there is no such process or it is a zombie.</summary>
    public static ProcessIdentity? Identify(int pid) => ReadStat(pid) is { IsAlive: true } stat ? new ProcessIdentity(pid, stat.StartTicks) : null;

    internal readonly record struct Stat(char State, int Parent, uint Flags, ulong StartTicks)
    {
        public bool IsAlive => State is not ('Z' or 'X');
    }

    /// <summary>Of zombies too.</summary>
    internal static Stat? ReadStat(int pid)
    {
        if (TryRead(pid, "stat") is not { } bytes) return null;
        // "1234 (name) S 1 …": the name may hold anything, also ") S 1"; field 3 follows the last parenthesis.
        var text = Encoding.UTF8.GetString(bytes);
        var fields = text[(text.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length > 19
            && int.TryParse(fields[1], NumberStyles.None, CultureInfo.InvariantCulture, out var parent)
            && uint.TryParse(fields[6], NumberStyles.None, CultureInfo.InvariantCulture, out var flags)
            && ulong.TryParse(fields[19], NumberStyles.None, CultureInfo.InvariantCulture, out var start)
            ? new Stat(fields[0][0], parent, flags, start) : null;
    }

    /// <summary>Null if it has none (kernel threads, zombies, within exec) or is gone.</summary>
    internal static IReadOnlyList<string>? ReadCommandLine(int pid)
    {
        if (TryRead(pid, "cmdline") is not { Length: > 0 } bytes) return null;
        var text = Encoding.UTF8.GetString(bytes);
        return (text.EndsWith('\0') ? text[..^1] : text).Split('\0');
    }

    /// <summary>Whether all these variables stood in the environment the process was given (proc_pid_environ(5)); of one that cannot be read: true.</summary>
    internal static bool StartedWith(int pid, IReadOnlyDictionary<string, string> variables)
    {
        if (TryRead(pid, "environ") is not { } bytes) return true;
        var given = Encoding.UTF8.GetString(bytes).Split('\0').ToHashSet(StringComparer.Ordinal);
        return variables.All(variable => given.Contains($"{variable.Key}={variable.Value}"));
    }

    /// <summary>The environment that a process was given (proc_pid_environ(5)); empty if it cannot be read.</summary>
    public static IReadOnlyDictionary<string, string> EnvironmentOf(int pid) => Encoding.UTF8.GetString(TryRead(pid, "environ") ?? [])
        .Split('\0')
        .Select(variable => variable.Split('=', 2))
        .Where(pair => pair.Length == 2)
        .GroupBy(pair => pair[0], StringComparer.Ordinal)
        .ToDictionary(group => group.Key, group => group.Last()[1], StringComparer.Ordinal);

    private static byte[]? TryRead(int pid, string file)
    {
        try
        {
            return File.ReadAllBytes(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/{file}"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;   // it is gone (ENOENT, ESRCH), or none of ours
        }
    }
}
