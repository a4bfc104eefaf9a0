using FlannelFlow.Workflows;
using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Durability.Tests.Disks;

/// <summary>A disk that fails at one sync, or is full at one write, at each in turn.</summary>
public sealed class DiskFaultTests
{
    /// <summary>The commit is ambiguous: SQLite says it failed; what is on the disk only the next start can tell.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task SyncFails_AtEachOne_TheEngineStops_AndTheNextStartEndsWhatBegan(bool isSyncedAllTheSame)
    {
        int failures = 0;
        for (int at = 1; await RunAsync(new FaultyDisk { FailingSync = at, SyncsAllTheSame = isSyncedAllTheSame }); at++) failures++;
        Assert.InRange(failures, 4, 50);
    }

    [Fact]
    public async Task DiskFull_AtEachWrite_NothingIsLost_AndItGoesOnWithoutARestart()
    {
        int failures = 0;
        for (int at = 1; await RunAsync(new FaultyDisk { FullAtWrite = at }); at++) failures++;
        Assert.InRange(failures, 10, 500);
    }

    /// <summary>A caller that asks again until it has its answer; false if the fault never came.</summary>
    private static async Task<bool> RunAsync(FaultyDisk disk)
    {
        await using var engine = new Engine();
        string folder = Path.GetDirectoryName(engine.Options.JournalPath)!;
        DiskShim.Watch(folder, disk);
        try
        {
            engine.Definitions.Add(Definition.Of("three", "", Definition.Ensure("a"), Definition.Respond, Definition.Ensure("b"), Definition.Ensure("c")));
            await engine.RunAsync();
            disk.IsArmed = true;
            WorkflowAnswer? answer = await AskAsync(engine);
            bool stopped = engine.Stops.Count > 0;
            if (stopped) await engine.RestartAsync();
            answer ??= await AskAsync(engine) ?? await AskAsync(engine);
            await engine.EventsUntil(e => e.Kind == JournalEventKind.Finished);

            Assert.Equal(WorkflowOutcome.Answered, answer!.Outcome);
            Assert.Equal("a b c", engine.Kernel.Text);
            Assert.Equal(InstanceStatus.Finished, Assert.Single(engine.Runtime.Instances(new InstanceFilter(null, null))).Status);
            Assert.All(engine.Kernel.EffectsByKey.Values, effects => Assert.InRange(effects, 1, stopped ? 2 : 1));
            Assert.True(engine.Stops.Count <= 1, string.Join("; ", engine.Stops));
            Assert.Equal(disk.Failed && disk.FailingSync > 0, stopped);
            return disk.Failed;
        }
        finally
        {
            DiskShim.Forget(folder);
        }
    }

    private static async Task<WorkflowAnswer?> AskAsync(Engine engine)
    {
        try
        {
            WorkflowAnswer answer = await engine.RunAsync("three", "key");
            // Answered after the first step: what comes then may still stop.
            await engine.EventsUntil(e => e.Kind == JournalEventKind.Finished || engine.Stops.Count > 0);
            return answer;
        }
        catch (Exception e) when (e is RuntimeStoppedException or JournalFullException)
        {
            return null;
        }
    }

    private sealed class FaultyDisk : Disk
    {
        private int _syncs;
        private int _writes;

        public int FailingSync { get; init; }
        public bool SyncsAllTheSame { get; init; }
        public int FullAtWrite { get; init; }
        public bool IsArmed { get; set; }
        public bool Failed { get; private set; }

        public override int Sync(string file, Func<int> really)
        {
            if (!IsArmed || ++_syncs != FailingSync) return really();
            Failed = true;
            if (SyncsAllTheSame) really();
            return SyncFailed;
        }

        public override int Write(string file, long offset, ReadOnlySpan<byte> data)
        {
            if (!IsArmed || ++_writes != FullAtWrite) return 0;
            Failed = true;
            return Full;
        }
    }
}
