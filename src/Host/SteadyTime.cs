using System.Globalization;

namespace FlannelFlow.Host;

/// <summary>The host's clock, without its jumps: where that is set forward or back, this one goes on, and follows at a twentieth of the time that passes.</summary>
/// <remarks>
/// Drains, leases, timers of workflows and quarantines are points in time, and are waited for by comparing. A clock that is set forward would end them all at
/// once (connections cut, addresses given away), one that is set back would not end them for as long. Here a minute stays a minute, to a twentieth, whatever
/// happens to the clock; after a step of an hour, times that are shown are right again after twenty. A daemon that starts begins with the host's clock.
/// </remarks>
/// <param name="host">Its time of day is followed, its timestamps measure what passes.</param>
public sealed class SteadyTime(TimeProvider host) : TimeProvider
{
    private const double Catch = 0.05;

    /// <summary>From here on it is a step, of which somebody should know; less is what NTP does all the time.</summary>
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private DateTimeOffset _now = host.GetUtcNow();
    private long _at = host.GetTimestamp();
    private bool _isBehindStep;

    /// <summary>A sentence for the log, when a step of the host's clock is seen, and when it is made good. Called by whoever asks the time.</summary>
    public event Action<string>? Stepped;

    public override TimeZoneInfo LocalTimeZone => host.LocalTimeZone;

    public override long TimestampFrequency => host.TimestampFrequency;

    public override DateTimeOffset GetUtcNow()
    {
        DateTimeOffset now;
        string? said;
        lock (_gate)
        {
            var at = host.GetTimestamp();
            var passed = host.GetElapsedTime(_at, at);
            var ahead = host.GetUtcNow() - (_now + passed);
            var most = passed * Catch;
            now = _now + passed + (ahead > most ? most : ahead < -most ? -most : ahead);
            (_now, _at) = (now, at);
            said = Notice(ahead);
        }

        if (said is not null) Stepped?.Invoke(said);
        return now;
    }

    public override long GetTimestamp() => host.GetTimestamp();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => host.CreateTimer(callback, state, dueTime, period);

    private string? Notice(TimeSpan ahead)
    {
        var isStep = ahead.Duration() >= Step;
        if (isStep == _isBehindStep) return null;
        _isBehindStep = isStep;
        return isStep
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"the clock of this host was set {(ahead > TimeSpan.Zero ? "forward" : "back")} by {ahead.Duration():c}: nothing ends sooner or later for it; times shown follow within {ahead.Duration() / Catch:c}, or with a restart of the daemon")
            : "the times shown are those of this host's clock again";
    }
}
