using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Draining;

/// <summary>
/// Waits until no connection is left, the process is gone, the time is over, a person ends it, or the backend is ready again. Holds the last backend
/// of a service open meanwhile. Decided by <see cref="BackendLife"/>; this is where it hears of what happens.
/// </summary>
/// <remarks>
/// The times count from when the weight was first set: a daemon that comes back goes on with the rest of them. What the mirror says is acted by at
/// once, connections are counted at intervals. While etcd is away the mirror says what it said last, and the deadline ends the drain.
/// </remarks>
public sealed class WaitForConnections(
    DockerMirror mirror, ILoadBalancer balancer, ConnectionSampler connections, OpenDrains drains, DrainTerms terms, TimeProvider time)
    : Activity<WaitForConnections.In, WaitForConnections.Out>
{
    public sealed record In(
        string ServiceId, string NetworkId, string ContainerId, string Address, string Vip, int Marks,
        DateTimeOffset Began, TimeSpan Limit, TimeSpan MinimumGrace, TimeSpan UdpGrace, bool IsForced);

    /// <param name="End">A <see cref="DrainEnd"/>.</param>
    /// <param name="ConnectionsAtStart">Through this host, at the first count.</param>
    /// <param name="ConnectionsLeft">At the end: they are cut by the removal, or ended with the process.</param>
    public sealed record Out(string End, int ConnectionsAtStart, int ConnectionsLeft);

    public override string Type => "FlannelFlow.WaitForConnections";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var backend = new DrainedBackend(input.ServiceId, input.NetworkId, input.ContainerId, input.Address, input.Vip, input.Marks);
        var entry = drains.Enter(execution.Instance);
        if (input.IsForced)
            entry.Forced.TrySetResult();
        try
        {
            return await WaitAsync(input, backend, entry, ct);
        }
        finally
        {
            drains.Leave(execution.Instance);
        }
    }

    private async Task<Out> WaitAsync(In input, DrainedBackend backend, OpenDrains.Entry entry, CancellationToken ct)
    {
        var limits = new DrainLimits(input.Limit, input.MinimumGrace, input.UdpGrace);
        BackendState life = new BackendState.Draining(
            limits, input.Began, input.Began + limits.Limit, IsHeldOpen: false, IsUdpCut: limits.UdpGrace <= TimeSpan.Zero);
        int? atStart = null;
        var left = 0;
        var countAt = time.GetUtcNow();
        while (true)
        {
            // 1. What the mirror and a person say.
            var state = mirror.Current;
            if (Heard(backend.StandingIn(state), entry) is { } heard)
                await HappensAsync(heard);

            // 2. What the kernel counts, when it is time.
            if (life is BackendState.Draining && time.GetUtcNow() >= countAt)
            {
                left = await connections.OpenAsync(backend.Key.Vip, backend.IP, terms.Poll / 2, ct);
                atStart ??= left;
                countAt = time.GetUtcNow() + PollOf(state, backend);
                await HappensAsync(new BackendEvent.Counted(left, time.GetUtcNow()));
            }

            // 3. The end, or the next thing to hear.
            if (life is not BackendState.Draining draining)
                return new Out((life is BackendState.Removed removed ? removed.End : DrainEnd.CalledOff).ToString(), atStart ?? 0, left);
            entry.See(left, draining.IsHeldOpen, draining.Deadline, time.GetUtcNow());
            await NextAsync(state, countAt - time.GetUtcNow(), entry.Forced.Task, ct);
        }

        async Task HappensAsync(BackendEvent happened)
        {
            (life, var commands) = BackendLife.Decide(life, happened);
            if (life is BackendState.Draining)
                await KernelWeights.ApplyAsync(balancer, backend, commands, ct);
        }
    }

    private BackendEvent? Heard(Standing standing, OpenDrains.Entry entry) => standing switch
    {
        Standing.Gone => new BackendEvent.ProcessEnded(),
        Standing.Ready ready => new BackendEvent.Up(ready.Weight),
        _ when entry.Forced.Task.IsCompleted => new BackendEvent.Forced(),
        Standing.Drains drains => new BackendEvent.OthersChanged(drains.IsLast, time.GetUtcNow()),
        _ => null,
    };

    private TimeSpan PollOf(MirrorState? state, DrainedBackend backend) =>
        state?.Services.GetValueOrDefault(backend.ServiceId) is { } service ? terms.With(service.Labels).Poll : terms.Poll;

    /// <summary>Until the mirror changes, a person ends it, or it is time to count.</summary>
    private async Task NextAsync(MirrorState? seen, TimeSpan limit, Task forced, CancellationToken ct)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var changed = mirror.WhenAsync(state => !ReferenceEquals(state, seen), stop.Token);
        await Task.WhenAny(changed, forced, Task.Delay(limit > TimeSpan.Zero ? limit : TimeSpan.Zero, time, stop.Token));
        await stop.CancelAsync();
        ct.ThrowIfCancellationRequested();
    }
}
