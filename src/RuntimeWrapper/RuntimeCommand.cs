namespace FlannelFlow.RuntimeWrapper;

/// <summary>What of a call of the runtime matters here.</summary>
/// <param name="Kill">Null for all other commands.</param>
/// <param name="Root">--root: where the runtime keeps its state; null where the call does not say.</param>
internal sealed record RuntimeCommand(KillCommand? Kill, string? Root)
{
    /// <summary>
    /// Global flags that take their value from the next argument when it is not given with '=': those of runc (main.go), crun
    /// (src/crun.c) and youki. One that is not known is taken for a switch: at worst a kill is then not seen, and nothing waits.
    /// </summary>
    private static readonly HashSet<string> Valued = ["root", "log", "log-format", "log-level", "criu", "rootless", "cgroup-manager"];

    /// <param name="arguments">Of the runtime, without the program's name.</param>
    public static RuntimeCommand Parse(IReadOnlyList<string> arguments)
    {
        string? root = null;
        var i = 0;
        for (; i < arguments.Count && arguments[i].StartsWith('-'); i++)
        {
            var (name, value) = Flag(arguments[i]);
            if (value is null && Valued.Contains(name))
                value = ++i < arguments.Count ? arguments[i] : null;
            if (name == "root")
                root = value;
        }

        return i < arguments.Count && arguments[i] == "kill"
            ? new RuntimeCommand(KillCommand.Parse(arguments, i + 1), root)
            : new RuntimeCommand(null, root);
    }

    /// <summary>Go's flag package takes one dash or two, and the value after '=' if there is one.</summary>
    private static (string Name, string? Value) Flag(string argument)
    {
        var text = argument.TrimStart('-');
        var at = text.IndexOf('=', StringComparison.Ordinal);
        return at < 0 ? (text, null) : (text[..at], text[(at + 1)..]);
    }
}

/// <summary><c>kill [--all] CONTAINER [SIGNAL]</c>.</summary>
internal sealed record KillCommand(string Container, string Signal)
{
    /// <summary>Null if no container is named. The signal is SIGTERM when none is (runc kill.go).</summary>
    public static KillCommand? Parse(IReadOnlyList<string> arguments, int from)
    {
        var words = new List<string>();
        for (var i = from; i < arguments.Count; i++)
        {
            // Flags of kill are switches (--all, crun's --regex); runc takes them before and after the words.
            if (!arguments[i].StartsWith('-'))
                words.Add(arguments[i]);
        }
        return words.Count == 0 ? null : new KillCommand(words[0], words.Count > 1 ? words[1] : "SIGTERM");
    }
}
