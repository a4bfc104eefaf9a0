using FlannelFlow.Host.Mirror;

namespace FlannelFlow.Host.Reconcile;

/// <summary>That this host is to be compared now, not at the next interval: events of Docker's were lost.</summary>
public sealed class SyncDemand : IDisposable
{
    private readonly Demand _demand = new();

    public void Raise() => _demand.Raise();

    /// <summary>False: nothing was raised in time.</summary>
    public Task<bool> WaitAsync(TimeSpan limit, CancellationToken ct) => _demand.WaitAsync(limit, ct);

    public void Dispose() => _demand.Dispose();
}
