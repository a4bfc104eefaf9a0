using System.Diagnostics;
using FlannelFlow.Linux.Processes;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace FlannelFlow.Linux.Tests.Processes;

[Trait("Needs", "kernel")]
public sealed class SupervisorTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(8);

    private static async Task<ChildState> UntilAsync(SupervisedChild child, Func<ChildState, bool> condition)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        bound.CancelAfter(Soon);
        try
        {
            await foreach (var state in child.FollowAsync(bound.Token))
                if (condition(state)) return state;
        }
        catch (OperationCanceledException)
        {
            // The assertion says it better.
        }
        Assert.Fail($"not within {Soon}; last: {child.State}");
        throw new UnreachableException();
    }

    [Fact]
    public async Task DaemonKilled_ChildLivesOn_NextDaemonAdoptsItAndNeverStartsASecond()
    {
        await using var scope = new ChildScope();
        using var daemon = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["supervise", scope.Log, "/bin/sleep", scope.Unique]) { RedirectStandardOutput = true })!;
        var identity = await daemon.StandardOutput.ReadLineAsync(Ct);
        daemon.Kill();   // SIGKILL
        await daemon.WaitForExitAsync(Ct);
        Assert.Equal(identity, Assert.Single(scope.Running).Identity.ToString());

        await using var next = ChildScope.NewSupervisor();
        var child = await next.EnsureAsync("net", scope.Sleeper, Ct);
        Assert.Equal((true, identity, ChildStatus.Ready), (child.State.IsAdopted, child.State.Process.ToString(), child.State.Status));
        Assert.Single(scope.Running);

        // Its end is seen although it is not our child, and it is restarted.
        using (var process = SupervisedProcess.Adopt(child.State.Process!.Value)) process!.Signal(9);
        var state = await UntilAsync(child, s => s is { Exits: 1, Status: ChildStatus.Ready });
        Assert.Equal((false, new ProcessExit(null, null)), (state.IsAdopted, state.LastExit));
        Assert.Single(scope.Running);
    }

    [Fact]
    public async Task Ensure_RunningWithAnotherEnvironment_IsReplaced()
    {
        await using var scope = new ChildScope();
        ChildConfig With(string password) => scope.Sleeper with { Environment = new Dictionary<string, string> { ["PASSWORD"] = password } };
        await using var first = ChildScope.NewSupervisor();
        var old = (await first.EnsureAsync("net", With("old"), Ct)).State.Process;
        await first.DisposeAsync();

        await using var second = ChildScope.NewSupervisor();
        Assert.Equal(old, (await second.EnsureAsync("net", With("old"), Ct)).State.Process);
        await second.DisposeAsync();

        await using var third = ChildScope.NewSupervisor();
        var child = await third.EnsureAsync("net", With("new"), Ct);
        Assert.False(child.State.IsAdopted);
        Assert.Equal(child.State.Process, Assert.Single(scope.Running).Identity);
        Assert.NotEqual(old, child.State.Process);
    }

    [Fact]
    public async Task DaemonKilledInTheMidstOfStarting_ManyTimes_NeverTwo()
    {
        await using var scope = new ChildScope();
        for (var i = 0; i < 4; i++)
        {
            using var daemon = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["supervise", scope.Log, "/bin/sleep", scope.Unique]) { RedirectStandardOutput = true })!;
            await ChildScope.UntilAsync(() => scope.Running.Count > 0, "the daemon started or found the child");
            daemon.Kill();   // as soon as the child can be seen: about when the daemon learns of it itself
            await daemon.WaitForExitAsync(Ct);
            Assert.Single(scope.Running);
            if (i % 2 == 1) Process.GetProcessById(scope.Running[0].Identity.Pid).Kill();
            if (i % 2 == 1) await ChildScope.UntilAsync(() => scope.Running.Count == 0, "killed");
        }
    }

    [Fact]
    public async Task Ensure_ManyAtOnceFromManySupervisors_OneProcess()
    {
        await using var scope = new ChildScope();
        var supervisors = Enumerable.Range(0, 4).Select(_ => ChildScope.NewSupervisor()).ToList();
        var children = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Task.Run(() => supervisors[i % 4].EnsureAsync("net", scope.Sleeper, Ct), Ct)));
        Assert.Single(scope.Running);
        Assert.Single(children.Select(c => c.State.Process).Distinct());
        Assert.Equal(4, children.Distinct().Count());
        foreach (var supervisor in supervisors)
            await supervisor.DisposeAsync();
        Assert.Single(scope.Running);
    }

    [Fact]
    public async Task RunningWithAnotherConfiguration_IsStoppedByItsMark_WithoutAMarkItIsLeftAlone()
    {
        await using var scope = new ChildScope();
        ChildConfig With(string seconds) => scope.Sleeper with { Arguments = [scope.Unique, seconds] };
        await using (var daemon = ChildScope.NewSupervisor()) await daemon.EnsureAsync("net", With("1"), Ct);

        await using var next = ChildScope.NewSupervisor();
        await next.EnsureAsync("other", With("2"), Ct);
        Assert.Equal(2, scope.Running.Count);
        await next.StopAsync("other", With("2"), Ct);

        var child = await next.EnsureAsync("net", With("3") with { Mark = scope.Unique }, Ct);
        Assert.False(child.State.IsAdopted);
        var running = Assert.Single(scope.Running);
        Assert.Equal(child.State.Process, running.Identity);
        Assert.Equal(With("3").CommandLine, running.CommandLine);

        // A stop finds it, whatever it was started with.
        Assert.True(await next.StopAsync("net", With("4") with { Mark = scope.Unique }, Ct));
        Assert.Empty(scope.Running);
    }

    [Fact]
    public async Task TwoRunning_FromSomewhere_OldestIsAdoptedOtherStopped()
    {
        await using var scope = new ChildScope();
        using var first = SupervisedProcess.Start(scope.Sleeper);
        await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Ct);   // another clock tick (10 ms), so that one is the older
        using var second = SupervisedProcess.Start(scope.Sleeper);
        await using var supervisor = ChildScope.NewSupervisor();
        var child = await supervisor.EnsureAsync("net", scope.Sleeper, Ct);
        Assert.Equal(first.Identity, child.State.Process);
        Assert.Equal(first.Identity, Assert.Single(scope.Running).Identity);
    }

    [Fact]
    public async Task Kill9_Unasked_RestartsAtOnce()
    {
        await using var scope = new ChildScope();
        await using var supervisor = ChildScope.NewSupervisor();
        var child = await supervisor.EnsureAsync("net", scope.Sleeper, Ct);
        var first = child.State.Process!.Value;
        var clock = Stopwatch.StartNew();
        Process.GetProcessById(first.Pid).Kill();
        var state = await UntilAsync(child, s => s.Process is { } p && p != first);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(2), $"restart took {clock.Elapsed}");
        Assert.Equal((1, new ProcessExit(null, 9)), (state.Exits, state.LastExit));
        TestContext.Current.TestOutputHelper?.WriteLine($"restarted after {clock.Elapsed.TotalMilliseconds:F1} ms");
    }

    [Fact]
    public async Task Exit0_Unasked_RestartsToo()
    {
        await using var scope = new ChildScope();
        await using var supervisor = ChildScope.NewSupervisor();
        var child = await supervisor.EnsureAsync("net", scope.Shell("echo revoked; exit 0"), Ct);
        var state = await UntilAsync(child, s => s.Exits >= 2);
        Assert.Equal(("revoked", new ProcessExit(0, null)), (state.LastLog, state.LastExit));
        await child.StopAsync(Ct);
        Assert.Equal(ChildStatus.Stopped, child.State.Status);
    }

    [Fact]
    public async Task Readiness_NotifiedThenRemembered_NextSupervisorTakesItForReady()
    {
        await using var scope = new ChildScope();
        var config = scope.Sleeper with { NotifySocket = scope.Socket };
        ProcessIdentity? identity;
        await using (var supervisor = ChildScope.NewSupervisor())
        {
            var child = await supervisor.EnsureAsync("net", config, Ct);
            Assert.Equal(ChildStatus.Starting, child.State.Status);
            Assert.True(ReadinessNotification.Send(scope.Socket, "STATUS=waiting for a lease"));
            Assert.Equal("waiting for a lease", (await UntilAsync(child, s => s.StatusText is not null)).StatusText);
            var ready = child.EnsureReadyAsync(Soon, Ct);
            Assert.False(ready.IsCompleted);
            Assert.True(ReadinessNotification.Send(scope.Socket, "READY=1\nSTATUS=3 leases\nX_MORE=1"));
            await ready;
            Assert.Equal((ChildStatus.Ready, "3 leases"), (child.State.Status, child.State.StatusText));
            identity = child.State.Process;
        }
        await using var next = ChildScope.NewSupervisor();
        var adopted = await next.EnsureAsync("net", config, Ct);
        await adopted.EnsureReadyAsync(Soon, Ct);
        Assert.Equal((identity, true), (adopted.State.Process, adopted.State.IsAdopted));

        // A restarted one must say so itself.
        Process.GetProcessById(identity!.Value.Pid).Kill();
        var state = await UntilAsync(adopted, s => s.Process is { } p && p != identity);
        Assert.Equal(ChildStatus.Starting, state.Status);
        await UntilAsync(adopted, _ => ReadinessNotification.Send(scope.Socket, "READY=1"));
        await adopted.EnsureReadyAsync(Soon, Ct);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Stop_LeavesNothingOfTheNotifications(bool isOfAnEarlierDaemon)
    {
        await using var scope = new ChildScope();
        var config = scope.Sleeper with { NotifySocket = scope.Socket };
        await using var supervisor = ChildScope.NewSupervisor();
        var child = await supervisor.EnsureAsync("net", config, Ct);
        Assert.True(ReadinessNotification.Send(scope.Socket, "READY=1"));
        await child.EnsureReadyAsync(Soon, Ct);
        Assert.True(File.Exists(scope.Socket + ".ready"));

        await using var next = ChildScope.NewSupervisor();
        if (isOfAnEarlierDaemon) await child.ReleaseAsync();
        Assert.True(await (isOfAnEarlierDaemon ? next : supervisor).StopAsync("net", config, Ct));
        Assert.Empty(scope.Running);
        Assert.DoesNotContain(Directory.GetFiles(Path.GetDirectoryName(scope.Socket)!), file => file.StartsWith(scope.Socket, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Adopted_NeverHeardReady_IsReplacedAfterTenSeconds()
    {
        await using var scope = new ChildScope();
        var config = scope.Sleeper with { NotifySocket = scope.Socket };
        using var old = SupervisedProcess.Start(config);
        var time = new FakeTimeProvider();
        await using var supervisor = new ProcessSupervisor(time, NullLogger<ProcessSupervisor>.Instance);
        var child = await supervisor.EnsureAsync("net", config, Ct);
        Assert.Equal((old.Identity, true, ChildStatus.Starting), (child.State.Process, child.State.IsAdopted, child.State.Status));
        time.Advance(SupervisedChild.AdoptedReadyTimeout - TimeSpan.FromMilliseconds(1));
        Assert.Single(scope.Running, p => p.Identity == old.Identity);
        time.Advance(TimeSpan.FromMilliseconds(1));
        var state = await UntilAsync(child, s => s.Process is { } p && p != old.Identity);
        Assert.Equal((false, ChildStatus.Starting), (state.IsAdopted, state.Status));
        Assert.Equal(state.Process, Assert.Single(scope.Running).Identity);
        Assert.True(ReadinessNotification.Send(scope.Socket, "READY=1"));
        await UntilAsync(child, s => s.Status == ChildStatus.Ready);
    }

    [Fact]
    public async Task EnsureReady_FailingStart_SaysExitCodeAndEndOfLog()
    {
        await using var scope = new ChildScope();
        await using var supervisor = ChildScope.NewSupervisor();
        var config = scope.Shell("echo starting; echo 'no interface named eth9' >&2; exit 1") with { NotifySocket = scope.Socket };
        var child = await supervisor.EnsureAsync("flanneld 10.1.0.0-20", config, Ct);
        var clock = Stopwatch.StartNew();
        var error = await Assert.ThrowsAsync<ChildFailedException>(() => child.EnsureReadyAsync(TimeSpan.FromSeconds(20), Ct));
        Assert.Matches("^flanneld 10\\.1\\.0\\.0-20 exited [3-9] times in a row, last with exit code 1; it said: starting\nno interface named eth9$", error.Message);
        Assert.True(clock.Elapsed < Soon);
        Assert.True(error.State is { LastExit.Code: 1, FailedStarts: >= 3 });

        // It goes on trying, ever slower, and can be stopped while it waits.
        await child.StopAsync(Ct);
        Assert.Empty(scope.Running);
    }

    [Fact]
    public async Task EnsureReady_HangingStart_TimesOutWithTheLog()
    {
        await using var scope = new ChildScope();
        await using var supervisor = ChildScope.NewSupervisor();
        var config = scope.Shell("echo waiting for etcd; exec sleep $0") with { NotifySocket = scope.Socket };
        var child = await supervisor.EnsureAsync("flanneld", config, Ct);
        await ChildScope.UntilAsync(() => File.ReadAllText(scope.Log).Contains("etcd", StringComparison.Ordinal), "it spoke");
        var error = await Assert.ThrowsAsync<ChildFailedException>(() => child.EnsureReadyAsync(TimeSpan.FromMilliseconds(200), Ct));
        Assert.Equal("flanneld was not ready within 0.2 s; it said: waiting for etcd", error.Message);
        await child.StopAsync(Ct);
    }

    [Fact]
    public async Task EnsureReady_CallerCancels_IsCancellationNotFailure()
    {
        await using var scope = new ChildScope();
        await using var supervisor = ChildScope.NewSupervisor();
        var child = await supervisor.EnsureAsync("net", scope.Sleeper with { NotifySocket = scope.Socket }, Ct);
        using var caller = new CancellationTokenSource();
        var ready = child.EnsureReadyAsync(Soon, caller.Token);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ready);
    }

    [Fact]
    public async Task Ensure_NoSuchProgram_FailsInWordsAndCanBeRetried()
    {
        await using var scope = new ChildScope();
        await using var supervisor = ChildScope.NewSupervisor();
        var error = await Assert.ThrowsAsync<ChildFailedException>(() => supervisor.EnsureAsync("net", scope.Sleeper with { File = "/nowhere/flanneld" }, Ct));
        Assert.Equal("net: starting /nowhere/flanneld: ENOENT", error.Message);
        Assert.Null(supervisor.Find("net"));
        Assert.Equal(ChildStatus.Ready, (await supervisor.EnsureAsync("net", scope.Sleeper, Ct)).State.Status);
    }

    [Fact]
    public async Task Ensure_OtherConfig_ReplacesTheProcess_SameConfig_KeepsIt()
    {
        await using var scope = new ChildScope();
        await using var supervisor = ChildScope.NewSupervisor();
        var first = await supervisor.EnsureAsync("net", scope.Sleeper, Ct);
        Assert.Same(first, await supervisor.EnsureAsync("net", scope.Sleeper with { Arguments = [scope.Unique] }, Ct));
        var second = await supervisor.EnsureAsync("net", scope.Sleeper with { Arguments = ["0", scope.Unique] }, Ct);
        Assert.Equal((ChildStatus.Stopped, ChildStatus.Ready), (first.State.Status, second.State.Status));
        Assert.Equal(["/bin/sleep", "0", scope.Unique], Assert.Single(scope.Running).CommandLine);
    }

    [Fact]
    public async Task Stop_Child_GoneForGood_AndTwiceIsFine()
    {
        await using var scope = new ChildScope();
        await using var supervisor = ChildScope.NewSupervisor();
        var child = await supervisor.EnsureAsync("net", scope.Sleeper, Ct);
        Assert.True(await supervisor.StopAsync("net", scope.Sleeper, Ct));
        Assert.Empty(scope.Running);
        Assert.Null(supervisor.Find("net"));
        Assert.Equal((ChildStatus.Stopped, null, 0), (child.State.Status, child.State.Process, child.State.Exits));
        Assert.False(await supervisor.StopAsync("net", scope.Sleeper, Ct));
        await child.StopAsync(Ct);
    }

    [Fact]
    public async Task Stop_LeftByAnEarlierDaemon_IsFoundAndStopped()
    {
        await using var scope = new ChildScope();
        await using (var earlier = ChildScope.NewSupervisor())
            await earlier.EnsureAsync("net", scope.Sleeper, Ct);
        Assert.Single(scope.Running);
        await using var supervisor = ChildScope.NewSupervisor();
        Assert.True(await supervisor.StopAsync("net", scope.Sleeper, Ct));
        Assert.Empty(scope.Running);
    }

    [Fact]
    public async Task Stop_StubbornChild_IsKilled()
    {
        await using var scope = new ChildScope();
        await using var supervisor = ChildScope.NewSupervisor();
        var config = scope.Shell("trap '' TERM; echo up; while :; do sleep 0.05; done") with { StopTimeout = TimeSpan.FromMilliseconds(300) };
        var child = await supervisor.EnsureAsync("net", config, Ct);
        await ChildScope.UntilAsync(() => File.ReadAllText(scope.Log).Contains("up", StringComparison.Ordinal), "trap set");
        var stopping = child.StopAsync(Ct);
        await UntilAsync(child, s => s.Status is ChildStatus.Stopping or ChildStatus.Stopped);
        await stopping;
        Assert.Equal((ChildStatus.Stopped, new ProcessExit(null, 9)), (child.State.Status, child.State.LastExit));
        Assert.Empty(scope.Running);
    }

    [Fact]
    public async Task Stop_RacingWithExits_LeavesNothingRunning()
    {
        await using var scope = new ChildScope();
        await using var supervisor = ChildScope.NewSupervisor();
        for (var i = 0; i < 15; i++)
        {
            var child = await supervisor.EnsureAsync("net", scope.Sleeper, Ct);
            var pid = child.State.Process!.Value.Pid;
            var stop = supervisor.StopAsync("net", scope.Sleeper, Ct);
            try
            {
                Process.GetProcessById(pid).Kill();
            }
            catch (ArgumentException)
            {
                // It was quicker.
            }
            await stop;
            Assert.Empty(scope.Running);
        }
    }

    [Fact]
    public void RestartDelay_CrashLoop_GrowsToTwoSeconds_SettledProcessBeginsAnew()
    {
        var start = DateTimeOffset.UnixEpoch;
        var state = new ChildState { Status = ChildStatus.Starting, StartedAt = start };
        var delays = new List<double>();
        for (var i = 0; i < 7; i++)
        {
            state = (state with { Status = ChildStatus.Ready }).ExitedWith(new ProcessExit(1, null), "", start.AddSeconds(1));
            delays.Add(state.RestartDelay.TotalSeconds);
        }
        Assert.Equal([0, 0.25, 0.5, 1, 2, 2, 2], delays);
        state = (state with { Status = ChildStatus.Ready }).ExitedWith(new ProcessExit(1, null), "", start.AddSeconds(11));
        Assert.Equal((TimeSpan.Zero, 8, 0), (state.RestartDelay, state.Exits, state.FailedStarts));
    }
}
