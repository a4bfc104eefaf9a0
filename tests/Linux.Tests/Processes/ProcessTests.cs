using System.Diagnostics;
using System.Globalization;
using FlannelFlow.Linux.Processes;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Linux.Tests.Processes;

/// <summary>A directory of its own and arguments nobody else uses; kills at its end whatever still runs with them.</summary>
public sealed class ChildScope : IAsyncDisposable
{
    /// <summary>sleep takes fractions: an argv that is unique on this machine.</summary>
    public string Unique { get; } = "3600." + Random.Shared.NextInt64(1L << 50).ToString(CultureInfo.InvariantCulture);

    public string Directory { get; } = System.IO.Directory.CreateTempSubdirectory("fft-").FullName;
    public string Log => Path.Combine(Directory, "logs", "child.log");
    public string Socket => Path.Combine(Directory, "notify");

    public ChildConfig Sleeper => new() { File = "/bin/sleep", Arguments = [Unique], LogFile = Log };

    /// <summary>A shell whose argv[3] is the unique one.</summary>
    public ChildConfig Shell(string script) => new() { File = "/bin/sh", Arguments = ["-c", script, Unique], LogFile = Log };

    public IReadOnlyList<RunningProcess> Running => ProcessTable.Find(argv => argv.Contains(Unique) && !argv.Contains("supervise"));

    public static ProcessSupervisor NewSupervisor() => new(TimeProvider.System, NullLogger<ProcessSupervisor>.Instance);

    public static async Task UntilAsync(Func<bool> condition, string what)
    {
        for (var deadline = Stopwatch.StartNew(); !condition(); await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, TestContext.Current.CancellationToken))
            Assert.True(deadline.Elapsed < TimeSpan.FromSeconds(8), "not within 8 s: " + what);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var found in Running)
        {
            using var process = SupervisedProcess.Adopt(found.Identity);
            if (process is not null) await process.StopAsync(TimeSpan.Zero, TimeProvider.System, CancellationToken.None);
        }
        System.IO.Directory.Delete(Directory, recursive: true);
    }
}

[Trait("Needs", "kernel")]
public sealed class ProcessTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Start_Child_HasOwnSessionItsEnvironmentNullStdinAndCleanSignals()
    {
        await using var scope = new ChildScope();
        var config = scope.Shell("cat; env | sort; grep -E 'SigBlk|SigIgn' /proc/self/status; echo oops >&2; ls -l /proc/self/fd | grep -v -E ' [012] -> |total|/proc/' | sed 's/^/leaked: /'; exit 7") with
        {
            Environment = new Dictionary<string, string> { ["FFT"] = "wört", ["PATH"] = "/usr/bin:/bin" },
            NotifySocket = scope.Socket,
        };
        using var process = SupervisedProcess.Start(config);
        var exit = await process.Exited.WaitAsync(TimeSpan.FromSeconds(5), Ct);
        Assert.Equal(new ProcessExit(7, null), exit);
        Assert.Equal("exit code 7", exit.ToString());
        var said = await File.ReadAllTextAsync(scope.Log, Ct);
        Assert.Contains("FFT=wört\n", said, StringComparison.Ordinal);
        Assert.Contains($"NOTIFY_SOCKET={scope.Socket}\n", said, StringComparison.Ordinal);
        Assert.DoesNotContain("HOME=", said, StringComparison.Ordinal);
        Assert.Contains("SigBlk:\t0000000000000000\n", said, StringComparison.Ordinal);
        Assert.Contains("SigIgn:\t0000000180000000\n", said, StringComparison.Ordinal);   // 32 and 33 are glibc's own, which it ignores in each child
        Assert.Contains("oops\n", said, StringComparison.Ordinal);
        Assert.DoesNotContain("leaked", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_LongRunning_LeadsItsOwnSession()
    {
        await using var scope = new ChildScope();
        using var process = SupervisedProcess.Start(scope.Sleeper);
        var stat = await File.ReadAllTextAsync($"/proc/{process.Identity.Pid}/stat", Ct);
        var session = stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[3];
        Assert.Equal(process.Identity.Pid.ToString(CultureInfo.InvariantCulture), session);
        Assert.Equal(process.Identity, ProcessTable.Identify(process.Identity.Pid));
        Assert.Equal(new ProcessExit(null, 15), await process.StopAsync(TimeSpan.FromSeconds(5), TimeProvider.System, Ct));
        Assert.Null(ProcessTable.ReadStat(process.Identity.Pid));   // reaped, no zombie
        Assert.False(process.Signal(15));
    }

    [Fact]
    public async Task Start_NoSuchProgram_SaysSo()
    {
        await using var scope = new ChildScope();
        var error = Assert.Throws<IOException>(() => SupervisedProcess.Start(scope.Sleeper with { File = "/nowhere/flanneld" }));
        Assert.Equal("starting /nowhere/flanneld: ENOENT", error.Message);
    }

    [Fact]
    public async Task Start_LogGrewTooLong_IsPutAside()
    {
        await using var scope = new ChildScope();
        Directory.CreateDirectory(Path.GetDirectoryName(scope.Log)!);
        await using (var log = File.Create(scope.Log)) log.SetLength(9 << 20);
        using var process = SupervisedProcess.Start(scope.Shell("echo new"));
        await process.Exited.WaitAsync(TimeSpan.FromSeconds(5), Ct);
        Assert.Equal("new\n", await File.ReadAllTextAsync(scope.Log, Ct));
        Assert.Equal(9 << 20, new FileInfo(scope.Log + ".1").Length);
    }

    [Fact]
    public async Task Stop_ProcessThatIgnoresSigterm_IsKilledAfterTheGrace()
    {
        await using var scope = new ChildScope();
        using var process = SupervisedProcess.Start(scope.Shell("trap '' TERM; echo up; while :; do sleep 0.05; done"));
        await ChildScope.UntilAsync(() => File.ReadAllText(scope.Log).Contains("up", StringComparison.Ordinal), "trap set");
        var clock = Stopwatch.StartNew();
        var exit = await process.StopAsync(TimeSpan.FromMilliseconds(300), TimeProvider.System, Ct);
        Assert.Equal(new ProcessExit(null, 9), exit);
        Assert.InRange(clock.ElapsedMilliseconds, 290, 4000);
    }

    [Fact]
    public async Task Find_ExactArgv_SameNetworkNamespace_NoZombies()
    {
        await using var scope = new ChildScope();
        await using var ns = await TestNamespace.CreateAsync();
        using var one = SupervisedProcess.Start(scope.Sleeper);
        var found = Assert.Single(ProcessTable.Find(["/bin/sleep", scope.Unique]));
        Assert.Equal(one.Identity, found.Identity);
        Assert.Empty(ProcessTable.Find(["/bin/sleep"]));
        Assert.Empty(ProcessTable.Find(["/bin/sleep", scope.Unique, ""]));

        // The same command line in another namespace is another network's.
        using var elsewhere = Process.Start("nsenter", ["--net=" + ns.Handle.Path, "/bin/sleep", scope.Unique]);
        await ChildScope.UntilAsync(() => ProcessTable.ReadCommandLine(elsewhere.Id) is ["/bin/sleep", ..], "nsenter became sleep");
        Assert.Equal(one.Identity, Assert.Single(ProcessTable.Find(["/bin/sleep", scope.Unique])).Identity);
        elsewhere.Kill();
        await elsewhere.WaitForExitAsync(Ct);

        one.Dispose();   // nobody reaps it now
        Process.GetProcessById(one.Identity.Pid).Kill();
        await ChildScope.UntilAsync(() => ProcessTable.ReadStat(one.Identity.Pid) is null or { State: 'Z' }, "killed");
        Assert.Empty(ProcessTable.Find(["/bin/sleep", scope.Unique]));
    }

    [Fact]
    public async Task Find_RightAfterStart_NeverMissesIt()
    {
        await using var scope = new ChildScope();
        for (var i = 0; i < 100; i++)
        {
            using var process = SupervisedProcess.Start(scope.Sleeper);
            Assert.Equal(process.Identity, Assert.Single(ProcessTable.Find(scope.Sleeper.CommandLine)).Identity);
            await process.StopAsync(TimeSpan.FromSeconds(5), TimeProvider.System, Ct);
        }
    }

    [Fact]
    public async Task Find_ForkedChildOfAMatch_IsNotCounted()
    {
        await using var scope = new ChildScope();
        using var process = SupervisedProcess.Start(scope.Shell("(while :; do sleep 0.05; done) & echo up; wait"));   // the subshell keeps our argv
        await ChildScope.UntilAsync(() => File.ReadAllText(scope.Log).Contains("up", StringComparison.Ordinal), "forked");
        Assert.Equal(process.Identity, Assert.Single(ProcessTable.Find(argv => argv.Contains(scope.Unique))).Identity);
        await process.StopAsync(TimeSpan.FromSeconds(5), TimeProvider.System, Ct);
        // Now the subshell is an orphan, and the only one.
        Assert.NotEqual(process.Identity, Assert.Single(scope.Running).Identity);
    }

    [Fact]
    public async Task Adopt_PidOfAnotherStart_IsRefused()
    {
        await using var scope = new ChildScope();
        using var process = SupervisedProcess.Start(scope.Sleeper);
        Assert.Null(SupervisedProcess.Adopt(process.Identity with { StartTicks = process.Identity.StartTicks + 1 }));
        Assert.Null(SupervisedProcess.Adopt(new ProcessIdentity(1 << 22, 1)));   // above PID_MAX_LIMIT
        using var adopted = SupervisedProcess.Adopt(process.Identity);
        Assert.True(adopted is { IsAdopted: true });
    }

    [Fact]
    public async Task Dispose_WatchedProcess_GoesOnAndThreadEnds()
    {
        await using var scope = new ChildScope();
        var process = SupervisedProcess.Start(scope.Sleeper);
        process.Dispose();
        process.Dispose();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => process.Exited.WaitAsync(TimeSpan.FromSeconds(5), Ct));
        Assert.Single(scope.Running);
    }
}
