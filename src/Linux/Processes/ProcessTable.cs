using System.Globalization;
using System.Text;
using FlannelFlow.Linux.Namespaces;

namespace FlannelFlow.Linux.Processes;

public sealed record RunningProcess(ProcessIdentity Identity, IReadOnlyList<string> CommandLine);

/// <summary>/proc: the one record of running processes that no crash of ours can lose.</summary>
public static class ProcessTable
{
    /// <summary>Processes with exactly this argv, in the caller's network namespace, oldest first.</summary>
    public static IReadOnlyList<RunningProcess> Find(IReadOnlyList<string> commandLine) => Find(found => found.SequenceEqual(commandLine));

    /// <summary>Processes whose argv matches, in the network namespace of this process, oldest first. Zombies and kernel threads do not count.</summary>
    public static IReadOnlyList<RunningProcess> Find(Func<IReadOnlyList<string>, bool> matches)
    {
        ArgumentNullException.ThrowIfNull(matches);
        var home = NetworkNamespace.InodeOfProcess(Environment.ProcessId);
        var found = new List<RunningProcess>();
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(directory.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)) continue;
            // The identity is read before and after: between them the pid might have passed to another process.
            if (Identify(pid) is not { } identity || ReadCommandLine(pid) is not { Count: > 0 } commandLine || !matches(commandLine)) continue;
            if (NetworkNamespace.InodeOfProcess(pid) != home || Identify(pid) != identity) continue;
            found.Add(new RunningProcess(identity, commandLine));
        }
        found.Sort((a, b) => (a.Identity.StartTicks, a.Identity.Pid).CompareTo((b.Identity.StartTicks, b.Identity.Pid)));
        return found;
    }

    /// <summary>Null if there is no such process or it is a zombie.</summary>
    public static ProcessIdentity? Identify(int pid) => ReadStat(pid) is { State: not ('Z' or 'X') } stat ? new ProcessIdentity(pid, stat.StartTicks) : null;

    /// <summary>State and start time; of zombies too.</summary>
    internal static (char State, ulong StartTicks)? ReadStat(int pid)
    {
        if (TryRead(pid, "stat") is not { } bytes) return null;
        // "1234 (name) S 1 …": the name may hold anything, also ") S 1"; field 3 follows the last parenthesis.
        var text = Encoding.UTF8.GetString(bytes);
        var fields = text[(text.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length > 19 && ulong.TryParse(fields[19], NumberStyles.None, CultureInfo.InvariantCulture, out var start) ? (fields[0][0], start) : null;
    }

    internal static IReadOnlyList<string>? ReadCommandLine(int pid)
    {
        if (TryRead(pid, "cmdline") is not { Length: > 0 } bytes) return null;
        var text = Encoding.UTF8.GetString(bytes);
        return (text.EndsWith('\0') ? text[..^1] : text).Split('\0');
    }

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
