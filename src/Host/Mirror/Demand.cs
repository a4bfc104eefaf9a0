namespace FlannelFlow.Host.Mirror;

/// <summary>Something is to be looked at: any number of calls until then are one.</summary>
internal sealed class Demand : IDisposable
{
    private readonly SemaphoreSlim _signal = new(0, 1);

    public void Raise()
    {
        lock (_signal)
        {
            if (_signal.CurrentCount == 0) _signal.Release();
        }
    }

    /// <summary>False: nothing was raised in time.</summary>
    public Task<bool> WaitAsync(TimeSpan limit, CancellationToken ct) => _signal.WaitAsync(limit, ct);

    public void Dispose() => _signal.Dispose();
}
