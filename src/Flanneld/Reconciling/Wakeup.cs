using System.Threading.Channels;

namespace FlannelFlow.Flanneld.Reconciling;

/// <summary>Any number of signals before a wait are one wake-up. One waiter.</summary>
internal sealed class Wakeup(TimeProvider time)
{
    private readonly Channel<bool> _signals = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private Task<bool>? _pending;

    public void Signal() => _signals.Writer.TryWrite(true);

    /// <returns>False if the time ran out.</returns>
    public async Task<bool> WaitAsync(TimeSpan timeout, CancellationToken ct)
    {
        _pending ??= _signals.Reader.WaitToReadAsync(CancellationToken.None).AsTask();
        try
        {
            await _pending.WaitAsync(timeout, time, ct);
        }
        catch (TimeoutException)
        {
            return false;   // the pending read serves the next wait
        }
        _pending = null;
        _signals.Reader.TryRead(out _);
        return true;
    }
}
