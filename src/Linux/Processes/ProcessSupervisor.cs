using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Linux.Processes;

/// <summary>Keeps desired children running, one per name; they go on running when the supervisor (or its process) ends.</summary>
/// <remarks>Each name has its own turn, so that the slow stop of one child holds up no other.</remarks>
public sealed class ProcessSupervisor(TimeProvider time, ILogger<ProcessSupervisor> logger) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Slot> _slots = new();

    /// <summary>
    /// Adopts the running one or starts it; a child of this name with another config is stopped first. Returns once it runs, not once it
    /// is ready.
    /// </summary>
    /// <exception cref="ChildFailedException">The program could not be started; nothing is supervised then.</exception>
    public async Task<SupervisedChild> EnsureAsync(string name, ChildConfig config, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(config);
        var slot = _slots.GetOrAdd(name, static _ => new Slot());
        await slot.Turn.WaitAsync(ct);
        try
        {
            if (slot.Child is { } child)
            {
                if (child.Config.IsSameAs(config) && !child.HasEnded && child.State.Status != ChildStatus.Stopping) return child;
                if (!child.HasEnded) await child.StopAsync(ct);
                slot.Child = null;
            }
            return slot.Child = await SupervisedChild.LaunchAsync(name, config, time, logger, ct);
        }
        finally
        {
            slot.Turn.Release();
        }
    }

    public SupervisedChild? Find(string name) => _slots.TryGetValue(name, out var slot) ? slot.Child : null;

    public IReadOnlyCollection<SupervisedChild> Children => [.. _slots.Values.Select(s => s.Child).OfType<SupervisedChild>()];

    /// <summary>Stops and forgets the child of this name, and any process with this command line, also one left by an earlier daemon; nothing of its notifications is left.</summary>
    /// <returns>False if none ran.</returns>
    public async Task<bool> StopAsync(string name, ChildConfig config, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(config);
        var slot = _slots.GetOrAdd(name, static _ => new Slot());
        await slot.Turn.WaitAsync(ct);
        try
        {
            var ran = false;
            if (slot.Child is { } child)
            {
                ran = child.State.Process is not null;
                if (!child.HasEnded) await child.StopAsync(ct);
                slot.Child = null;
            }
            var left = await ChildLauncher.StopAllAsync(config, time, ct);
            if (config.NotifySocket is not null) ReadinessSocket.Delete(config.NotifySocket);
            return left > 0 || ran;
        }
        finally
        {
            slot.Turn.Release();
        }
    }

    /// <summary>Ends the supervision, not the children.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var slot in _slots.Values)
        {
            await slot.Turn.WaitAsync(CancellationToken.None);
            try
            {
                if (slot.Child is { } child) await child.ReleaseAsync();
                slot.Child = null;
            }
            finally
            {
                slot.Turn.Release();
            }
        }
    }

    private sealed class Slot
    {
        public SemaphoreSlim Turn { get; } = new(1, 1);
        /// <summary>Written under <see cref="Turn"/>, read anywhere.</summary>
        public volatile SupervisedChild? Child;
    }
}
