namespace FlannelFlow.Host.LoadBalancing;

/// <summary>Full comparisons of the kernel's load balancers that somebody waits for. Thread safe.</summary>
public sealed class BalancingLooks
{
    private readonly Lock _gate = new();
    private long _wanted;
    private long _done;
    private TaskCompletionSource _changed = New();

    /// <summary>The latest that is wanted; above <see cref="Done"/>'s last: a look is due.</summary>
    public long Wanted
    {
        get
        {
            lock (_gate) return _wanted;
        }
    }

    public bool IsDue
    {
        get
        {
            lock (_gate) return _wanted > _done;
        }
    }

    /// <summary>Completes after a full comparison that began after this call.</summary>
    public async Task OnceMoreAsync(CancellationToken ct)
    {
        long target;
        lock (_gate) target = ++_wanted;
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_done >= target) return;
                changed = _changed.Task;
            }

            await changed.WaitAsync(ct);
        }
    }

    /// <param name="wanted">As it was when the comparison began.</param>
    public void Done(long wanted)
    {
        lock (_gate)
        {
            if (wanted <= _done) return;
            _done = wanted;
            _changed.TrySetResult();
            _changed = New();
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
