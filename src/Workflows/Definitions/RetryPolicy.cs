namespace FlannelFlow.Workflows;

/// <summary>When a step that failed retryably runs again.</summary>
/// <param name="InitialInterval">Wait after the first failure.</param>
/// <param name="Backoff">Factor for each further wait, at least 1.</param>
/// <param name="MaximumInterval">Cap of a wait, before jitter.</param>
/// <param name="Attempts">Failures after which it is exhausted; null is without end.</param>
/// <param name="Jitter">0 to 1: the part of the wait that chance may take away.</param>
public sealed record RetryPolicy(TimeSpan InitialInterval, double Backoff, TimeSpan MaximumInterval, int? Attempts, double Jitter)
{
    public static RetryPolicy Never { get; } = new(TimeSpan.Zero, 1, TimeSpan.Zero, 1, 0);

    public bool IsExhausted(int failures) => failures >= Attempts;

    /// <summary>The wait after this many failures.</summary>
    /// <param name="failures">At least 1.</param>
    /// <param name="chance">Uniform in [0, 1).</param>
    public TimeSpan DelayAfter(int failures, double chance)
    {
        double ticks = Math.Min(InitialInterval.Ticks * Math.Pow(Backoff, failures - 1), MaximumInterval.Ticks);
        return TimeSpan.FromTicks((long)(ticks * (1 - (Jitter * chance))));
    }
}
