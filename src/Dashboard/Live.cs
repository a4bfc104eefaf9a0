using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Workflows;

namespace FlannelFlow.Dashboard;

/// <summary>Tells open pages that there may be something new. Rests while none is open.</summary>
/// <remarks>
/// Once a second it looks whether the mirror or the journal have moved, which costs nothing; what stands in etcd only (what other hosts tell of their
/// workflows, who holds an address) is looked at anew every third time.
/// </remarks>
internal sealed class Live(DockerMirror mirror, WorkflowRuntime runtime, TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private const int SlowTurns = 3;
    private readonly Lock _gate = new();
    private readonly List<Func<Task>> _pages = [];
    private Task _loop = Task.CompletedTask;

    public IDisposable Follow(Func<Task> changed)
    {
        lock (_gate)
        {
            _pages.Add(changed);
            if (_loop.IsCompleted) _loop = LoopAsync();
        }

        return new Follower(this, changed);
    }

    private async Task LoopAsync()
    {
        using var timer = new PeriodicTimer(Interval, time);
        (MirrorState? State, long Seq) seen = (mirror.Current, runtime.CommittedSeq);
        for (var turn = 1; await timer.WaitForNextTickAsync(); turn++)
        {
            Func<Task>[] pages;
            lock (_gate)
            {
                // The next page begins a loop of its own.
                if (_pages.Count == 0)
                {
                    _loop = Task.CompletedTask;
                    return;
                }

                pages = [.. _pages];
            }

            (MirrorState? State, long Seq) now = (mirror.Current, runtime.CommittedSeq);
            if (turn % SlowTurns != 0 && ReferenceEquals(now.State, seen.State) && now.Seq == seen.Seq) continue;
            seen = now;
            // Each in its own time: a page that waits for another host holds up no other. What goes wrong in one is shown in that one.
            foreach (var page in pages) _ = page();
        }
    }

    private sealed class Follower(Live live, Func<Task> changed) : IDisposable
    {
        public void Dispose()
        {
            lock (live._gate) live._pages.Remove(changed);
        }
    }
}
