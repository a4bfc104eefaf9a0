using System.Globalization;

namespace FlannelFlow.Bridge;

/// <summary>What the bridge was started with: environment variables (those in plugin/config.json), or flags, which win.</summary>
internal sealed record BridgeOptions
{
    /// <summary>FLANNELFLOW_BRIDGE_SOCKET, --listen: where dockerd calls; inside a managed plugin dockerd fixes the folder.</summary>
    public string ListenSocket { get; init; } = "/run/docker/plugins/flannelflow.sock";

    /// <summary>FLANNELFLOW_DAEMON_SOCKET, --daemon: where the daemon answers.</summary>
    public string DaemonSocket { get; init; } = "/var/lib/flannelflow/plugin/daemon.sock";

    /// <summary>
    /// FLANNELFLOW_HOLD_SECONDS, --hold: how long a call waits for a daemon that is away, counted from the first failed try. 0 to 25: dockerd
    /// itself gives a call 30 s after `docker plugin enable`.
    /// </summary>
    public TimeSpan Hold { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// FLANNELFLOW_ANSWER_SECONDS, --answer: how long a call may take in all, for a daemon that took it and never answers. After a restart
    /// dockerd has no bound of its own, and a call that hangs blocks it for good. 1 to 600; the daemon bounds its handlers at 25 s.
    /// </summary>
    public TimeSpan Answer { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long calls in flight may finish after SIGTERM: dockerd kills a plugin 10 s after it.</summary>
    public TimeSpan Stop { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Octets of a body, in either direction. The largest call seen is below 10 KiB.</summary>
    public int BodyLimit { get; init; } = 8 * 1024 * 1024;

    /// <summary>All that is wrong goes to <paramref name="wrong"/>, one line each.</summary>
    public static BridgeOptions Read(IReadOnlyList<string> arguments, Func<string, string?> environment, List<string> wrong)
    {
        var flags = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < arguments.Count; i++)
        {
            var (flag, value) = arguments[i].Split('=', 2) is [var left, var right] ? (left, right) : (arguments[i], i + 1 < arguments.Count ? arguments[++i] : null);
            if (flag is not ("--listen" or "--daemon" or "--hold" or "--answer"))
                wrong.Add($"{flag}: not a flag of flannelflow-bridge (--listen, --daemon, --hold, --answer)");
            else if (value is null)
                wrong.Add($"{flag}: a value is missing");
            else
                flags[flag] = value;
        }

        (string Name, string Value)? Given(string flag, string variable) =>
            flags.TryGetValue(flag, out var value) ? (flag, value) : environment(variable) is { Length: > 0 } set ? (variable, set) : null;

        string Socket(string flag, string variable, string standard)
        {
            if (Given(flag, variable) is not var (name, path))
                return standard;
            // sun_path in <sys/un.h> holds 108 octets with the final NUL.
            if (!path.StartsWith('/') || path.Length > 107)
                wrong.Add($"{name}={path}: not an absolute path of at most 107 characters");
            return path;
        }

        TimeSpan Seconds(string flag, string variable, TimeSpan standard, int least, int most)
        {
            if (Given(flag, variable) is not var (name, text))
                return standard;
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds >= least && seconds <= most)
                return TimeSpan.FromSeconds(seconds);
            wrong.Add($"{name}={text}: not a whole number of seconds from {least} to {most}");
            return standard;
        }

        var options = new BridgeOptions();
        return options with
        {
            ListenSocket = Socket("--listen", "FLANNELFLOW_BRIDGE_SOCKET", options.ListenSocket),
            DaemonSocket = Socket("--daemon", "FLANNELFLOW_DAEMON_SOCKET", options.DaemonSocket),
            Hold = Seconds("--hold", "FLANNELFLOW_HOLD_SECONDS", options.Hold, 0, 25),
            Answer = Seconds("--answer", "FLANNELFLOW_ANSWER_SECONDS", options.Answer, 1, 600),
        };
    }
}
