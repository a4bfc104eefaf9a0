using System.Globalization;

namespace FlannelFlow.RuntimeWrapper;

/// <summary>
/// Options of the wrapper itself: the first arguments, each <c>--flannelflow-NAME=VALUE</c>, as dockerd puts them there from
/// <c>runtimeArgs</c> in daemon.json. An environment would not do: a containerd that systemd started has none of ours.
/// </summary>
internal sealed record WrapperOptions
{
    private const string Prefix = "--flannelflow-";

    /// <summary>runtime: the program to become; empty: the first runc of <see cref="Candidates"/>.</summary>
    public string Runtime { get; init; } = "";

    /// <summary>socket: where the daemon is told of a stop.</summary>
    public string Socket { get; init; } = "/run/flannelflow/stop.sock";

    /// <summary>hold: for how long a stop waits at most; seconds, 0 to 10, decimals allowed. 0: never.</summary>
    public TimeSpan Hold { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How many arguments were options.</summary>
    public int Count { get; init; }

    /// <summary>Where Docker's and the distributions' packages put runc.</summary>
    public static IReadOnlyList<string> Candidates { get; } =
        ["/usr/bin/runc", "/usr/sbin/runc", "/usr/local/sbin/runc", "/usr/local/bin/runc", "/usr/bin/docker-runc", "/sbin/runc"];

    /// <summary>An option that is wrong is left at its default: a container must not fail to start or stop for it. It is said.</summary>
    public static WrapperOptions Parse(IReadOnlyList<string> arguments, Action<string> warn)
    {
        var options = new WrapperOptions();
        var i = 0;
        for (; i < arguments.Count && arguments[i].StartsWith(Prefix, StringComparison.Ordinal); i++)
        {
            var text = arguments[i][Prefix.Length..];
            var at = text.IndexOf('=', StringComparison.Ordinal);
            var (name, value) = at < 0 ? (text, "") : (text[..at], text[(at + 1)..]);
            switch (name)
            {
                case "runtime" when value.StartsWith('/'):
                    options = options with { Runtime = value };
                    break;
                case "socket" when value.StartsWith('/') && System.Text.Encoding.UTF8.GetByteCount(value) <= Libc.PathMax:
                    options = options with { Socket = value };
                    break;
                case "hold" when double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds is >= 0 and <= 10:
                    options = options with { Hold = TimeSpan.FromSeconds(seconds) };
                    break;
                default:
                    warn($"{arguments[i]}: not an option of flannelflow-runc, or not a value of it; ignored");
                    break;
            }
        }
        return options with { Count = i };
    }
}
