using System.Collections.Concurrent;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Linux.Processes;

namespace FlannelFlow.Host.Mirror;

/// <summary>Tasks that have just begun and listen nowhere yet: whoever is sent to one would be refused.</summary>
/// <remarks>
/// Docker has a task run when its process does, which may load and compile for seconds before it takes its port. A health check says when it is ready; of a task without one, this is
/// what can be seen from outside. Each is looked at soon after its start and ever less often, since a look where nothing listens goes through all connections of the kernel.
/// </remarks>
/// <param name="wait">One that never listens, or where nobody sees it (a runtime with a network stack of its own), is waited for no longer.</param>
/// <param name="time">Measures what passes.</param>
public sealed class OpeningTasks(TimeSpan wait, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(500);

    /// <summary>By container.</summary>
    private readonly ConcurrentDictionary<string, Awaited> _awaited = new(StringComparer.Ordinal);
    private readonly Demand _more = new();

    /// <summary>Whether nothing but its sockets tells when a container is ready.</summary>
    public static bool Concerns(ContainerRecord container) => container is { Task: not null, Health: ContainerHealth.None };

    /// <summary>Whether a container is opening at this moment. One whose process has ended, of which Docker tells a little later, has not opened by that.</summary>
    /// <param name="pid">Of its first process.</param>
    /// <param name="left">Of the wait.</param>
    public bool IsOpening(int pid, DateTimeOffset startedAt, out TimeSpan left)
    {
        // Docker's times are of the host's clock, jumps and all: what is awaited already is not awaited longer for one.
        var passed = TimeProvider.System.GetUtcNow() - startedAt;
        left = passed < TimeSpan.Zero ? wait : wait - passed;
        return left > TimeSpan.Zero && ListeningSockets.InNamespaceOf(pid) != true;
    }

    /// <summary>From now on <see cref="RunAsync"/> looks at it, if it does not yet.</summary>
    public void Await(string containerId, int pid, TimeSpan left)
    {
        var begun = new Awaited(pid, time.GetTimestamp(), left, ShortestPause);
        _awaited.AddOrUpdate(containerId, begun, (_, known) => known.Pid == pid ? known : begun);
        _more.Raise();
    }

    /// <param name="over">Called for each container that is waited for no more: it listens, or its time is over.</param>
    public async Task RunAsync(Action<string> over, CancellationToken ct)
    {
        while (true)
        {
            if (_awaited.IsEmpty) await _more.WaitAsync(Timeout.InfiniteTimeSpan, ct);
            var began = time.GetTimestamp();
            foreach (var entry in _awaited)
            {
                var task = entry.Value;
                var passed = time.GetElapsedTime(task.Since);
                if (passed < task.Next) continue;
                if (passed < task.Left && ListeningSockets.InNamespaceOf(task.Pid) != true) _awaited.TryUpdate(entry.Key, task with { Next = passed + Pause(passed) }, task);
                else if (_awaited.TryRemove(entry)) over(entry.Key);
            }

            // Where looking takes long, half of the time is enough.
            var took = time.GetElapsedTime(began);
            await Task.Delay(took > ShortestPause ? took : ShortestPause, time, ct);
        }
    }

    public void Dispose() => _more.Dispose();

    private static TimeSpan Pause(TimeSpan passed) => TimeSpan.FromTicks(Math.Clamp(passed.Ticks / 4, ShortestPause.Ticks, LongestPause.Ticks));

    /// <param name="Since">A timestamp.</param>
    /// <param name="Left">How long it is waited for, from then.</param>
    /// <param name="Next">When it is looked at, from then.</param>
    private sealed record Awaited(int Pid, long Since, TimeSpan Left, TimeSpan Next);
}
