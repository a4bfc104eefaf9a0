using System.Collections.Immutable;
using FlannelFlow.Activities.LoadBalancing;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Host.Mirror;
using FlannelFlow.Host.Reconcile;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Operations.Reconcile;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.LoadBalancing;

/// <summary>
/// Keeps the load balancers in this host's kernel as the mirror wants them. Each mending is a workflow; this loop only compares and decides.
/// </summary>
/// <remarks>
/// <list type="number">
/// <item>A state of the mirror is taken, and what it wants on the networks of this host. As long as that is what was wanted before and the
/// kernel held it, nothing is read.</item>
/// <item>The kernel is read and compared; each difference starts its workflow, unless one in its scope is under way.</item>
/// <item>Where none is left, this host acts by the state, and says so to the others.</item>
/// </list>
/// Nothing is awaited in the loop but the next reason to look: one workflow that cannot go on holds up no other. Every SYNC_INTERVAL the
/// kernel is read anyhow, and what drifted is mended. What failed is tried again with that.
/// </remarks>
public sealed class LoadBalancerLoop(
    DockerMirror mirror,
    HostNetworks networks,
    HostBalancing balancing,
    ILoadBalancer balancer,
    KnownMarks marks,
    WorkflowRuntime runtime,
    BalancingLooks looks,
    DriftBook drift,
    FlannelFlowOptions options,
    TimeProvider time,
    ILogger<LoadBalancerLoop> logger) : BackgroundService
{
    /// <summary>A network that comes to this host, or gets its subnet, is seen within this.</summary>
    private static readonly TimeSpan NetworkCheck = TimeSpan.FromSeconds(1);

    /// <summary>Changes come in handfuls, and each look may read the kernel: it waits this long for the rest of one.</summary>
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(20);

    private readonly Demand _look = new();
    private readonly Dictionary<string, (string Scope, Task Done)> _underWay = new(StringComparer.Ordinal);
    private readonly BalancingProgress _progress = new();
    private readonly UnreadableTables _unreadable = new(runtime);

    /// <summary>Not tried again before the next full look.</summary>
    private readonly HashSet<string> _failed = new(StringComparer.Ordinal);
    private readonly HashSet<string> _saidSchedulers = new(StringComparer.Ordinal);
    private string? _settled;

    /// <summary>What the kernel held at the last look that found nothing: what differs with this still wanted has drifted.</summary>
    private string? _held;

    /// <summary>True at first: an incident of the daemon before may stand.</summary>
    private bool _mayBeUnreadable = true;
    private bool _trouble;

    public override void Dispose()
    {
        _look.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var follower = mirror.Follow("load balancers");
        var state = await follower.NextAsync(stoppingToken);
        var states = WakeOnChangesAsync(stoppingToken);
        var fullLook = time.GetUtcNow();
        while (true)
        {
            var (now, wanted) = (time.GetUtcNow(), looks.Wanted);
            if (now >= fullLook || fullLook - now > options.Reconcile.Interval || looks.IsDue)
            {
                _settled = null;
                _failed.Clear();
                fullLook = now + options.Reconcile.Interval;
            }

            state = mirror.Current ?? state;
            await GuardedAsync(
                async () =>
                {
                    follower.Applied(state, await LookAsync(state, stoppingToken));
                    looks.Done(wanted);
                },
                stoppingToken);
            if (await _look.WaitAsync(NetworkCheck, stoppingToken)) await Task.Delay(Settle, time, stoppingToken);
            if (states.IsCompleted) await states;
        }
    }

    /// <summary>The follower's states raise the same demand as workflows that end.</summary>
    private async Task WakeOnChangesAsync(CancellationToken ct)
    {
        for (var seen = mirror.Current; ; _look.Raise())
            seen = await mirror.WhenAsync(state => !ReferenceEquals(state, seen), ct);
    }

    /// <summary>One comparison; returns the revision that the kernel acts by.</summary>
    private async Task<long> LookAsync(MirrorState state, CancellationToken ct)
    {
        foreach (var ended in _underWay.Where(step => step.Value.Done.IsCompleted).ToList()) await EndAsync(ended.Key, ended.Value.Done);
        var frames = networks.All
            .Select(network => (network.NetworkId, Frame: balancing.FrameOf(network.NetworkId)))
            .Where(network => network.Frame is not null)
            .ToDictionary(network => network.NetworkId, network => network.Frame!, StringComparer.Ordinal);
        var wanted = DesiredLoadBalancers.Of(state, frames.Keys.ToHashSet(StringComparer.Ordinal));
        SaySchedulers(wanted.Values);
        var lingering = DesiredLoadBalancers.Lingering(state);
        var text = TextOf(frames, wanted.Values, lingering);
        if (text == _settled) return _progress.Seen([], state);

        var steps = BalancingPlan.Of(wanted, frames, await balancer.ReadAsync(ct), await marks.ListAsync(ct), balancing.SchedulerOf, lingering);
        drift.LoopLooked(DriftKind.LoadBalancer, text == _held
            ? [.. steps.Select(step => (new Difference(DriftKind.LoadBalancer, step.Key, $"the kernel's load balancers were changed by another hand: {step.Key}"), (string?)step.Start.DefinitionId))]
            : []);
        if (steps.IsEmpty) _held = text;
        foreach (var step in steps.Where(step => !_failed.Contains(step.Key)))
        {
            if (_underWay.Values.All(other => step.MayRunBeside(other.Scope))) _underWay[step.Key] = (step.Scope, RunAsync(step, ct));
        }

        _settled = steps.IsEmpty ? text : null;
        return _progress.Seen([.. steps.Select(step => step.Key)], state);
    }

    private async Task RunAsync(BalancingStep step, CancellationToken ct)
    {
        try
        {
            var answer = await runtime.RunAsync(step.Start, ct);
            if (answer.Outcome is not (WorkflowOutcome.Finished or WorkflowOutcome.Answered))
                throw new WorkflowFailedException($"{step.Key} ({answer.Instance.Value}): {answer.Error ?? answer.Outcome.ToString()}");
        }
        finally
        {
            _look.Raise();
        }
    }

    private async Task EndAsync(string key, Task done)
    {
        _underWay.Remove(key);
        try
        {
            await done;
            _progress.Mended(key);
        }
        catch (Exception e) when (e is WorkflowFailedException or RuntimeStoppedException or JournalFullException)
        {
            logger.LogWarning("{Reason}", e.Message);
            _failed.Add(key);
        }
    }

    /// <summary>Each once: the service's own status cannot name what only this host's plane lacks.</summary>
    private void SaySchedulers(IEnumerable<DesiredLoadBalancer> wanted)
    {
        foreach (var service in wanted)
        {
            var scheduler = balancing.SchedulerOf(service);
            if (scheduler != service.Scheduler && _saidSchedulers.Add($"{service.Service} {service.Scheduler}"))
            {
                logger.LogWarning(
                    "service {Service}: this host's load balancer ({Plane}) has no scheduler {Wanted}; {Scheduler} stands",
                    service.ServiceName,
                    balancer.Plane,
                    service.Scheduler,
                    scheduler);
            }
        }
    }

    private static string TextOf(
        IReadOnlyDictionary<string, NetworkFrame> frames, IEnumerable<DesiredLoadBalancer> wanted, IEnumerable<ServiceInNetwork> lingering) => string.Join('\n',
        frames.Select(frame => $"{frame.Key} {frame.Value}")
            .Concat(lingering.Select(service => $"lingers: {service}"))
            .Concat(wanted.Select(service =>
                $"{service.Service} {service.Vip} {service.Scheduler} {string.Join(' ', service.Backends.Select(backend => $"{backend.Address}*{backend.Weight}"))}"))
            .Order(StringComparer.Ordinal));

    /// <summary>etcd away, or a kernel that refuses, is no reason to stop looking; it is said once until it is over.</summary>
    private async Task GuardedAsync(Func<Task> look, CancellationToken ct)
    {
        try
        {
            await look();
            if (_mayBeUnreadable) await _unreadable.ResolveAsync(ct);
            _mayBeUnreadable = false;
            if (_trouble) logger.LogInformation("load balancers: works again");
            _trouble = false;
        }
        catch (Exception e) when (e is EtcdException or NetlinkException or CommandException && !ct.IsCancellationRequested)
        {
            _settled = null;
            if (e is not EtcdException)
            {
                _mayBeUnreadable = true;
                _unreadable.Report(ct);
            }

            if (!_trouble) logger.LogWarning("load balancers: {Reason}", e.Message);
            _trouble = true;
        }
    }

    private sealed class WorkflowFailedException(string message) : Exception(message);
}
