using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Linux.Processes;

/// <summary>One desired child: restarted on any unrequested exit, at once the first time, then after 0.25 s, doubling to 2 s.</summary>
/// <remarks>
/// One loop owns the process and is the only writer of the state: launch → notifications → exit → delay → launch. It ends when the
/// child is stopped (then the process is gone) or released (then the process goes on without us).
/// </remarks>
#pragma warning disable CA1001 // _end holds nothing to be freed: it has no timer, and what is linked to it is disposed by its users
public sealed class SupervisedChild
#pragma warning restore CA1001
{
    /// <summary>Exits in a row after which <see cref="EnsureReadyAsync"/> gives up before its time.</summary>
    private const int FailedStartsTolerated = 3;

    /// <summary>How long an adopted process that no daemon has heard to be ready may take, before it is replaced.</summary>
    internal static readonly TimeSpan AdoptedReadyTimeout = TimeSpan.FromSeconds(10);

    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _end = new();
    private readonly Lock _gate = new();
    private readonly Task _loop;
    private ChildState _state;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _ended;
    private volatile bool _stopWanted;

    private SupervisedChild(string name, ChildConfig config, SupervisedProcess process, ReadinessSocket? socket, TimeProvider time, ILogger logger)
    {
        Name = name;
        Config = config;
        _time = time;
        _logger = logger;
        _state = new ChildState { Status = ChildStatus.Starting }.Launched(process, IsKnownReady(process), time.GetUtcNow());
        _loop = SuperviseAsync(process, socket);
    }

    /// <exception cref="ChildFailedException">It could not be started.</exception>
    internal static async Task<SupervisedChild> LaunchAsync(string name, ChildConfig config, TimeProvider time, ILogger logger, CancellationToken ct)
    {
        ReadinessSocket? socket = null;
        try
        {
            socket = config.NotifySocket is null ? null : ReadinessSocket.Bind(config.NotifySocket);
            var process = await ChildLauncher.AdoptOrStartAsync(config, time, logger, ct);
            return new SupervisedChild(name, config, process, socket, time, logger);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            socket?.Dispose();
            throw new ChildFailedException($"{name}: {e.Message}", null);
        }
        catch
        {
            socket?.Dispose();
            throw;
        }
    }

    public string Name { get; }

    /// <summary>The loop is over: stopped, released, or failed in a way it does not know.</summary>
    internal bool HasEnded => _loop.IsCompleted;

    public ChildConfig Config { get; }

    public ChildState State
    {
        get
        {
            lock (_gate) return _state;
        }
    }

    /// <summary>The present state, then each change (slow readers skip to the latest). Ends when the supervision does.</summary>
    public async IAsyncEnumerable<ChildState> FollowAsync([EnumeratorCancellation] CancellationToken ct)
    {
        while (true)
        {
            ChildState state;
            Task changed;
            bool ended;
            lock (_gate) (state, changed, ended) = (_state, _changed.Task, _ended);
            yield return state;
            if (ended) yield break;
            await changed.WaitAsync(ct);
        }
    }

    /// <summary>Waits for READY=1. The child is kept running, or restarted, also after a failure.</summary>
    /// <exception cref="ChildFailedException">Not ready within <paramref name="timeout"/>, or exited three times in a row meanwhile.</exception>
    public async Task EnsureReadyAsync(TimeSpan timeout, CancellationToken ct)
    {
        using var bound = new CancellationTokenSource(timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, bound.Token);
        int? before = null;
        try
        {
            await foreach (var state in FollowAsync(either.Token))
            {
                if (state.Status == ChildStatus.Ready) return;
                before ??= state.FailedStarts;
                if (state.FailedStarts - before >= FailedStartsTolerated) throw Failed($"exited {state.FailedStarts} times in a row", state);
            }
            throw Failed("is not supervised any more", State);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw Failed(string.Create(CultureInfo.InvariantCulture, $"was not ready within {timeout.TotalSeconds} s"), State);
        }
    }

    /// <summary>SIGTERM, SIGKILL after <see cref="ChildConfig.StopTimeout"/>; returns when the process is gone. Cancelled, the stop goes on.</summary>
    public async Task StopAsync(CancellationToken ct)
    {
        _stopWanted = true;
        await _end.CancelAsync();
        await _loop.WaitAsync(ct);
    }

    /// <summary>Ends the supervision; the process goes on.</summary>
    internal async Task ReleaseAsync()
    {
        await _end.CancelAsync();
        await _loop;
    }

    private ChildFailedException Failed(string what, ChildState state)
    {
        var message = $"{Name} {what}";
        if (state.LastExit is { } exit) message += $", last {(exit.Code is null ? "" : "with ")}{exit}";
        var log = state.LastLog.Length > 0 || state.Process is null ? state.LastLog : LogFile.Tail(Config.LogFile, state.LogStart);
        if (log.Length > 0) message += $"; it said: {log}";
        return new ChildFailedException(message, state);
    }

    private async Task SuperviseAsync(SupervisedProcess? process, ReadinessSocket? socket)
    {
        try
        {
            while (true)
            {
                if (process is not null)
                {
                    using (process)
                    {
                        var exit = await AwaitExitAsync(process, socket);
                        Apply(s => s.ExitedWith(exit, LogFile.Tail(Config.LogFile, process.LogStart), _time.GetUtcNow()));
                    }
                    _logger.LogWarning("{Child} exited unasked: {Exit}; restart {Exits} after {Delay}", Name, State.LastExit, State.Exits, State.RestartDelay);
                }
                socket?.Dispose();
                (process, socket) = (null, null);
                _end.Token.ThrowIfCancellationRequested();
                if (State.RestartDelay is { Ticks: > 0 } delay) await Task.Delay(delay, _time, _end.Token);
                try
                {
                    socket = Config.NotifySocket is null ? null : ReadinessSocket.Bind(Config.NotifySocket);
                    process = await ChildLauncher.AdoptOrStartAsync(Config, _time, _logger, _end.Token);
                    var launched = process;
                    Apply(s => s.Launched(launched, IsKnownReady(launched), _time.GetUtcNow()));
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    Apply(s => s.ExitedWith(null, e.Message, _time.GetUtcNow()));
                    _logger.LogWarning("{Child} could not be started: {Error}", Name, e.Message);
                }
            }
        }
        catch (OperationCanceledException) when (_end.IsCancellationRequested)
        {
            if (_stopWanted) Apply(s => s with { Status = ChildStatus.Stopped, Process = null, Since = _time.GetUtcNow() });
        }
        finally
        {
            socket?.Dispose();
            lock (_gate)
            {
                _ended = true;
                _changed.TrySetResult();
            }
        }
    }

    /// <summary>Takes notifications until the process exits.</summary>
    /// <exception cref="OperationCanceledException">Stopped (the process is gone by then) or released.</exception>
    private async Task<ProcessExit> AwaitExitAsync(SupervisedProcess process, ReadinessSocket? socket)
    {
        using var watch = CancellationTokenSource.CreateLinkedTokenSource(_end.Token);
        var notifications = socket is null ? Task.CompletedTask : TakeNotificationsAsync(process, socket, watch.Token);
        try
        {
            if (process.IsAdopted && State.Status == ChildStatus.Starting)
            {
                // Ready to one who died before it heard it, or never: only a new one can tell. Its data plane stays meanwhile.
                await Task.WhenAny(process.Exited, UntilReadyAsync(watch.Token), Task.Delay(AdoptedReadyTimeout, _time, watch.Token));
                if (State.Status == ChildStatus.Starting && !process.Exited.IsCompleted && !watch.IsCancellationRequested)
                {
                    _logger.LogWarning("{Child}: adopted process {Pid} was not heard to be ready; it is replaced", Name, process.Identity.Pid);
                    return await process.StopAsync(Config.StopTimeout, _time, watch.Token);
                }
            }
            return await process.Exited.WaitAsync(watch.Token);
        }
        catch (OperationCanceledException) when (_stopWanted)
        {
            Apply(s => s with { Status = ChildStatus.Stopping, Since = _time.GetUtcNow() });
            var exit = await process.StopAsync(Config.StopTimeout, _time, CancellationToken.None);
            Apply(s => s with { LastExit = exit });
            throw;
        }
        finally
        {
            await watch.CancelAsync();
            await notifications;
        }
    }

    private async Task UntilReadyAsync(CancellationToken ct)
    {
        await foreach (var state in FollowAsync(ct))
        {
            if (state.Status != ChildStatus.Starting) return;
        }
    }

    private async Task TakeNotificationsAsync(SupervisedProcess process, ReadinessSocket socket, CancellationToken ct)
    {
        try
        {
            while (true)
            {
                var values = await socket.ReceiveAsync(ct);
                if (values.TryGetValue("READY", out var ready) && ready == "1") MarkReady(process);
                Apply(s => s.Notified(values, _time.GetUtcNow()));
            }
        }
        catch (OperationCanceledException)
        {
            // The process ended, or the supervision did.
        }
    }

    private void MarkReady(SupervisedProcess process)
    {
        try
        {
            ReadinessSocket.MarkReady(Config.NotifySocket!, process.Identity);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _logger.LogWarning("{Child}: that it is ready cannot be written down, so the next daemon will replace it: {Error}", Name, e.Message);
        }
    }

    private bool IsKnownReady(SupervisedProcess process) =>
        Config.NotifySocket is null || (process.IsAdopted && ReadinessSocket.WasHeardReady(Config.NotifySocket, process.Identity));

    private void Apply(Func<ChildState, ChildState> transition)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            _state = transition(_state);
            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        changed.TrySetResult();
    }
}
