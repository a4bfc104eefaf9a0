using System.Threading.Channels;
using FlannelFlow.Cluster.Etcd;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Cluster.Mirror;

/// <summary>This host's copy of the mirror in etcd: one read, then every change from its revision on; read anew after a compaction.</summary>
/// <remarks>
/// One loop (<see cref="RunAsync"/>) writes the state, but for what <see cref="HostWatch"/> finds out and this host's Docker contradicts; anybody reads it. Whoever acts by it takes a <see cref="MirrorFollower"/> and says up
/// to which revision it has acted: the least of these is what this host acknowledges to the others. Followers get the newest state, not each:
/// what changed twice meanwhile is seen once. An etcd that was put back to an earlier revision (restored from a backup) is read anew, and nobody has acted by
/// anything of it yet.
/// </remarks>
/// <param name="host">HOST_NAME of this one.</param>
public sealed class DockerMirror(IEtcd etcd, ClusterKeys keys, string host, TimeProvider time, ILogger<DockerMirror> log)
{
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);
    private readonly Lock _gate = new();
    private readonly List<MirrorFollower> _followers = [];
    private MirrorState? _current;
    private TaskCompletionSource _changed = New();
    private TaskCompletionSource _acted = New();

    /// <summary>Null until it was read for the first time.</summary>
    public MirrorState? Current
    {
        get
        {
            lock (_gate) return _current;
        }
    }

    /// <summary>The revision by which all followers act; of the state itself while there is none; 0 before the first read.</summary>
    public long AppliedRevision
    {
        get
        {
            lock (_gate) return AppliedLocked();
        }
    }

    /// <summary>A new follower, which has acted by nothing yet: until it has, the host acknowledges nothing new.</summary>
    public MirrorFollower Follow(string name)
    {
        var follower = new MirrorFollower(this, name);
        lock (_gate) _followers.Add(follower);
        return follower;
    }

    /// <summary>Completes when a state is there that satisfies the condition, at once if it is.</summary>
    public async Task<MirrorState> WhenAsync(Func<MirrorState, bool> condition, CancellationToken ct)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_current is { } state && condition(state)) return state;
                changed = _changed.Task;
            }

            await changed.WaitAsync(ct);
        }
    }

    /// <summary>Completes with the revision as soon as this host is to acknowledge another one than it did: more, or less of an etcd that was put back.</summary>
    public async Task<long> WhenAppliedAsync(long acknowledged, CancellationToken ct)
    {
        while (true)
        {
            Task acted;
            lock (_gate)
            {
                if (AppliedLocked() is var applied && applied != acknowledged) return applied;
                acted = _acted.Task;
            }

            await acted.WaitAsync(ct);
        }
    }

    /// <summary>Reads and watches until it is cancelled. An etcd that does not answer is waited for; what is there stays in use.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        while (true)
        {
            try
            {
                await FollowEtcdAsync(ct);
            }
            catch (EtcdException e)
            {
                log.LogWarning("reading the mirror of Docker's objects: {Reason}; again in {Pause}", e.Message, RetryPause);
                await Task.Delay(RetryPause, time, ct);
            }
        }
    }

    /// <summary>What this host's Docker Engine says of its containers trumps what etcd holds of them, here and at once, also while etcd is away.</summary>
    /// <param name="seen">The state before Docker was asked; null: there was none.</param>
    /// <param name="running">All of this host that run.</param>
    public void Contradict(MirrorState? seen, IReadOnlyCollection<ContainerRecord> running)
    {
        if (seen is not null) Change(state => state?.Contradicted(seen, running));
    }

    /// <summary>A host was found gone; nothing is changed if it was heard of meanwhile, or its record has ended.</summary>
    /// <returns>Whether that is new.</returns>
    internal bool FindGone(string name) => Change(state =>
        state is null || state.Heard.Contains(name) || state.Gone.Contains(name) || !state.Hosts.ContainsKey(name)
            ? state
            : state with { Gone = state.Gone.Add(name) });

    internal void Applied(MirrorFollower follower, MirrorState state, long revision)
    {
        lock (_gate)
        {
            if (state.History != _current?.History || revision <= follower.AppliedRevision) return;
            follower.AppliedRevision = revision;
            Signal(ref _acted);
        }
    }

    internal void Leave(MirrorFollower follower)
    {
        lock (_gate)
        {
            _followers.Remove(follower);
            Signal(ref _acted);
        }
    }

    /// <summary>1. One read. 2. Two watches from it, into one queue. 3. Each batch into the state, until history is lost or a watch fails.</summary>
    private async Task FollowEtcdAsync(CancellationToken ct)
    {
        var read = await etcd.TransactAsync(
            EtcdTransaction.ReadAll(
                new EtcdOperation.Read(EtcdKeys.Under(keys.Docker)),
                new EtcdOperation.Read(EtcdKeys.Under(keys.Hosts))),
            ct);
        var fresh = MirrorState.Read(keys, read.Revision, read.Ranges.SelectMany(range => range.Entries)) with { Here = host };
        Change(before => before is null ? fresh : fresh.After(before));

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var batches = Channel.CreateBounded<EtcdWatchBatch>(new BoundedChannelOptions(64) { SingleReader = true });
        var watches = Task.WhenAll(
            PumpAsync(EtcdKeys.Under(keys.Docker), read.Revision + 1, batches.Writer, stop.Token),
            PumpAsync(EtcdKeys.Under(keys.Hosts), read.Revision + 1, batches.Writer, stop.Token));
        try
        {
            await foreach (var batch in batches.Reader.ReadAllAsync(ct))
            {
                if (batch is not EtcdChanges changes) return;
                Change(state => state!.With(keys, changes));
            }
        }
        finally
        {
            await stop.CancelAsync();
            await watches.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task PumpAsync(EtcdKeys prefix, long fromRevision, ChannelWriter<EtcdWatchBatch> batches, CancellationToken ct)
    {
        try
        {
            await foreach (var batch in etcd.WatchAsync(prefix, fromRevision, ct)) await batches.WriteAsync(batch, ct);
            batches.TryComplete();
        }
#pragma warning disable CA1031 // handed to the reader, whatever it is: one that was not told would wait for ever, and the mirror stand still in silence
        catch (Exception e)
#pragma warning restore CA1031
        {
            batches.TryComplete(e);
        }
    }

    /// <returns>False: it is as it was.</returns>
    private bool Change(Func<MirrorState?, MirrorState?> change)
    {
        lock (_gate)
        {
            // A change of what hosts tell of their workflows is none of the mirror's: nobody is woken for it.
            if (change(_current) is not { } state || ReferenceEquals(state, _current)) return false;
            foreach (var key in state.Unreadable.Except(_current?.Unreadable ?? []))
                log.LogWarning("{Key} in etcd is no record of this version, it counts as absent", key);
            if (_current is { } before && before.History != state.History)
            {
                log.LogWarning("etcd was put back from revision {Before} to {Now}: all is compared and acknowledged anew", before.Revision, state.Revision);
                foreach (var follower in _followers) follower.AppliedRevision = 0;
                Signal(ref _acted);
            }

            _current = state;
            Signal(ref _changed);
            if (_followers.Count == 0) Signal(ref _acted);
            return true;
        }
    }

    private long AppliedLocked() => _followers.Count == 0 ? _current?.Revision ?? 0 : _followers.Min(follower => follower.AppliedRevision);

    private static void Signal(ref TaskCompletionSource source)
    {
        source.TrySetResult();
        source = New();
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
