using System.Collections.Immutable;
using System.Globalization;

namespace FlannelFlow.Cluster.Draining;

/// <summary>How a backend is drained: the daemon's options, over which a service's labels go.</summary>
/// <param name="Poll">How often the connections of a draining backend are counted.</param>
/// <param name="MinimumGrace">A backend stays at least so long at weight 0, for connections that were being opened when it began.</param>
/// <param name="UdpGrace">For so long UDP flows stay with a draining backend; they have no end of their own.</param>
/// <param name="StopGrace">Docker's stop grace period where neither the container nor its service has one.</param>
/// <param name="Hold">For how long a stop is held at most until all hosts have taken the backend out.</param>
/// <param name="Slack">For how long beyond that connections may live, so that it is the process's end that ends them, not we.</param>
public sealed record DrainTerms(TimeSpan Poll, TimeSpan MinimumGrace, TimeSpan UdpGrace, TimeSpan StopGrace, TimeSpan Hold, TimeSpan Slack)
{
    public const string PollLabel = "flannelflow.drain.poll";
    public const string MinimumGraceLabel = "flannelflow.drain.minimum-grace";
    public const string UdpGraceLabel = "flannelflow.drain.udp-grace";
    public const string LimitLabel = "flannelflow.drain.limit";

    public static DrainTerms Default { get; } = new(
        Poll: TimeSpan.FromMilliseconds(250),
        MinimumGrace: TimeSpan.FromSeconds(2),
        UdpGrace: TimeSpan.Zero,
        StopGrace: TimeSpan.FromSeconds(10),
        Hold: TimeSpan.FromSeconds(2),
        Slack: TimeSpan.FromSeconds(5));

    /// <summary>The label's limit if the service has one; null: <see cref="LimitFor"/>.</summary>
    public TimeSpan? FixedLimit { get; init; }

    /// <summary>What the labels refuse, a sentence each.</summary>
    public ImmutableArray<string> Refused { get; init; } = [];

    /// <summary>From weight 0 to the cut.</summary>
    /// <param name="stopGrace">Of the container or its service; null: <see cref="StopGrace"/>.</param>
    public TimeSpan LimitFor(TimeSpan? stopGrace) => FixedLimit ?? ((stopGrace ?? StopGrace) + Hold + Slack);

    /// <summary>With a service's labels: seconds, decimals allowed. What cannot be is refused in words, and what stood stands.</summary>
    public DrainTerms With(IReadOnlyDictionary<string, string> labels)
    {
        var refused = ImmutableArray.CreateBuilder<string>();
        var terms = this with
        {
            Poll = Seconds(PollLabel, 0.05, 10) ?? Poll,
            MinimumGrace = Seconds(MinimumGraceLabel, 0, 3600) ?? MinimumGrace,
            UdpGrace = Seconds(UdpGraceLabel, 0, 3600) ?? UdpGrace,
            FixedLimit = Seconds(LimitLabel, 0, 86_400) ?? FixedLimit,
        };
        return terms with { Refused = refused.ToImmutable() };

        TimeSpan? Seconds(string label, double from, double to)
        {
            if (!labels.TryGetValue(label, out var text))
                return null;
            if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && value >= from && value <= to)
                return TimeSpan.FromSeconds(value);
            refused.Add(string.Create(CultureInfo.InvariantCulture, $"label {label}=\"{text}\" is not a number of seconds from {from} to {to}; it is ignored"));
            return null;
        }
    }
}
