using System.Globalization;

namespace FlannelFlow.Bridge;

/// <summary>What the bridge was started with: environment variables; those in plugin/config.json are set with `docker plugin set`.</summary>
internal sealed record BridgeOptions
{
    /// <summary>FLANNELFLOW_BRIDGE_SOCKET: where dockerd calls; inside a managed plugin dockerd fixes the folder.</summary>
    public string ListenSocket { get; init; } = "/run/docker/plugins/flannelflow.sock";

    /// <summary>FLANNELFLOW_DAEMON_SOCKET: where the daemon answers.</summary>
    public string DaemonSocket { get; init; } = "/var/lib/flannelflow/plugin/daemon.sock";

    /// <summary>
    /// FLANNELFLOW_HOLD_SECONDS: how long a call waits for a daemon that is away, counted from the first failed try. 0 to 25: dockerd
    /// itself gives a call 30 s after `docker plugin enable`.
    /// </summary>
    public TimeSpan Hold { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// FLANNELFLOW_ANSWER_SECONDS: how long a call may take in all, for a daemon that took it and never answers. After a restart
    /// dockerd has no bound of its own, and a call that hangs blocks it for good. 1 to 600; the daemon bounds its handlers at 25 s.
    /// </summary>
    public TimeSpan Answer { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long calls in flight may finish after SIGTERM: dockerd kills a plugin 10 s after it.</summary>
    public TimeSpan Stop { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Octets of a body, in either direction. The largest call seen is below 10 KiB.</summary>
    public int BodyLimit { get; init; } = 8 * 1024 * 1024;

    /// <summary>
    /// A value that is wrong gives way to the standard one and puts a line into <paramref name="wrong"/>. It must not end the process: dockerd
    /// takes a plugin that does not listen out of service, and Engine 20.10 then refuses to enable it again ("id already in use").
    /// </summary>
    public static BridgeOptions Read(Func<string, string?> environment, List<string> wrong)
    {
        string Socket(string variable, string standard)
        {
            if (environment(variable) is not { Length: > 0 } path)
                return standard;
            // sun_path in <sys/un.h> holds 108 octets with the final NUL.
            if (path.StartsWith('/') && path.Length <= 107)
                return path;
            wrong.Add($"{variable}={path}: not an absolute path of at most 107 characters, {standard} is taken");
            return standard;
        }

        TimeSpan Seconds(string variable, TimeSpan standard, int least, int most)
        {
            if (environment(variable) is not { Length: > 0 } text)
                return standard;
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds >= least && seconds <= most)
                return TimeSpan.FromSeconds(seconds);
            wrong.Add($"{variable}={text}: not a whole number of seconds from {least} to {most}, {standard.TotalSeconds} is taken");
            return standard;
        }

        var options = new BridgeOptions();
        return options with
        {
            ListenSocket = Socket("FLANNELFLOW_BRIDGE_SOCKET", options.ListenSocket),
            DaemonSocket = Socket("FLANNELFLOW_DAEMON_SOCKET", options.DaemonSocket),
            Hold = Seconds("FLANNELFLOW_HOLD_SECONDS", options.Hold, 0, 25),
            Answer = Seconds("FLANNELFLOW_ANSWER_SECONDS", options.Answer, 1, 600),
        };
    }
}
