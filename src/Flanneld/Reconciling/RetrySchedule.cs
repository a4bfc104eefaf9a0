using FlannelFlow.Cluster.Addressing;

namespace FlannelFlow.Flanneld.Reconciling;

/// <summary>
/// When a host whose entries the kernel refused is tried again: after 1 s, doubling to 60 s. Each host waits for itself alone; one whose
/// lease changed is tried at once.
/// </summary>
internal sealed class RetrySchedule(TimeProvider time)
{
    public static readonly TimeSpan First = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan Last = TimeSpan.FromSeconds(60);

    private readonly Dictionary<IPv4Network, Waiting> _waiting = [];

    private sealed record Waiting(RemoteHost Host, TimeSpan Pause, long Since);

    public bool MayTry(RemoteHost host) =>
        !_waiting.TryGetValue(host.Subnet, out var waiting) || waiting.Host != host || time.GetElapsedTime(waiting.Since) >= waiting.Pause;

    /// <returns>The pause until the next try.</returns>
    public TimeSpan Failed(RemoteHost host)
    {
        var pause = _waiting.TryGetValue(host.Subnet, out var before) && before.Host == host
            ? TimeSpan.FromTicks(Math.Min(before.Pause.Ticks * 2, Last.Ticks))
            : First;
        _waiting[host.Subnet] = new Waiting(host, pause, time.GetTimestamp());
        return pause;
    }

    /// <returns>True if it had failed before.</returns>
    public bool Succeeded(RemoteHost host) => _waiting.Remove(host.Subnet);

    /// <summary>Forgets hosts that are not wanted any more.</summary>
    public void Keep(IEnumerable<RemoteHost> wanted)
    {
        var subnets = wanted.Select(h => h.Subnet).ToHashSet();
        foreach (var gone in _waiting.Keys.Where(s => !subnets.Contains(s)).ToList()) _waiting.Remove(gone);
    }

    /// <summary>How long until the first waiting host is due; null if none waits.</summary>
    public TimeSpan? UntilNext()
    {
        if (_waiting.Count == 0) return null;
        var least = _waiting.Values.Min(w => w.Pause - time.GetElapsedTime(w.Since));
        return least > TimeSpan.Zero ? least : TimeSpan.Zero;
    }
}
