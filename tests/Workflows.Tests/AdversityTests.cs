using System.Diagnostics;
using FlannelFlow.Workflows.Tests.Kit;
using Microsoft.Extensions.Time.Testing;

namespace FlannelFlow.Workflows.Tests;

/// <summary>Crash loops, many overdue at once, a full disk.</summary>
public sealed class AdversityTests
{
    [Fact]
    public async Task SixthRecoveryWithinAnHour_IsAnIncident_NotResumedByItself_AndARetryBeginsAnew()
    {
        var time = new FakeTimeProvider();
        await using var engine = new Engine { Time = time };
        engine.Definitions.Add(Definition.Of("gated", "", Definition.Gate("g"), Definition.Ensure("a")));
        await engine.RunAsync();
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("gated", "k"), Engine.Token);
        await RecoverAsync(engine, time, 5);
        Assert.Equal(InstanceStatus.Running, engine.Runtime.Instance(id)!.Status);

        await engine.RestartAsync();
        WorkflowAnswer answer = await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience);

        const string incident = "CrashLoop: gate-g was under way at 6 ends of the process within 1 h; not resumed by itself";
        Assert.Equal((WorkflowOutcome.Faulted, incident), (answer.Outcome, answer.Error));
        Assert.Equal(incident, Assert.Single(engine.Runtime.Incidents(new IncidentFilter(OpenOnly: true))).Message);
        await engine.RestartAsync();
        Assert.Equal(InstanceStatus.Suspended, engine.Runtime.Instance(id)!.Status);

        await engine.Runtime.AlterAsync(id, new Alteration.Retry(), "alice", "the kernel is mended", Engine.Token);
        await RecoverAsync(engine, time, 3);
        engine.Gate.Open("g");
        Assert.Equal(WorkflowOutcome.Finished, (await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
    }

    [Fact]
    public async Task RecoveriesOverMoreThanAnHour_AreNoCrashLoop()
    {
        var time = new FakeTimeProvider();
        await using var engine = new Engine { Time = time };
        engine.Definitions.Add(Definition.Of("gated", "", Definition.Gate("g")));
        await engine.RunAsync();
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("gated", "k"), Engine.Token);

        await RecoverAsync(engine, time, 12, minutesBetween: 13);

        Assert.Equal(InstanceStatus.Running, engine.Runtime.Instance(id)!.Status);
    }

    [Fact]
    public async Task ManyOverdueAtStart_AreStaggered()
    {
        var time = new FakeTimeProvider();
        await using var engine = new Engine { Time = time };
        engine.Definitions.Add(Definition.Of(
            "later", "", Definition.Ensure("a", """ "retry": {"initialInterval": "00:10:00", "attempts": 3} """)));
        await engine.RunAsync();
        const int many = 200;
        engine.Kernel.FailNext("+a", [.. Enumerable.Repeat(new IOException("busy"), many)]);
        for (int i = 0; i < many; i++) await engine.Runtime.StartAsync(Engine.Start("later", $"k{i}"), Engine.Token);
        int scheduled = 0;
        await engine.EventsUntil(e => e.Kind == JournalEventKind.RetryScheduled && ++scheduled == many);
        await engine.Runtime.DisposeAsync();
        time.Advance(TimeSpan.FromHours(1));

        await engine.RunAsync();

        // A group at once; the others when the clock, which stands still here, has gone on.
        int done = 0;
        var events = await engine.EventsUntil(e => e.Kind == JournalEventKind.Finished && ++done == 64);
        await WaitAsync(() => engine.Runtime.Instances(new InstanceFilter(null, InstanceStatus.Finished, Limit: 500)).Count >= 64);
        Assert.Equal(64, engine.Kernel.Calls.Count(c => c == "+a#2"));
        Task<List<JournalEvent>> rest = engine.EventsUntil(e => e.Kind == JournalEventKind.Finished && ++done == many, events[^1].Seq);
        while (await Task.WhenAny(rest, Task.Delay(5, Engine.Token)) != rest) time.Advance(TimeSpan.FromMilliseconds(10));
        await rest;
        Assert.Equal(many, engine.Kernel.Calls.Count(c => c == "+a#2"));
    }

    [Fact]
    [Trait("Needs", "kernel")]
    public async Task FullDisk_RefusesStarts_KeepsWhatIsUnderWay_AndGoesOnWithSpace()
    {
        using var disk = new SmallDisk("3m");
        await using var engine = new Engine();
        engine.Options = engine.Options with { JournalPath = Path.Combine(disk.Path, "journal.db") };
        engine.Definitions.Add(Definition.Of("gated", "", Definition.Gate("g"), Definition.Ensure("gate-passed")));
        engine.Definitions.Add(Definition.Of("one", "", Definition.Ensure("a"), Definition.Ensure("b")));
        await engine.RunAsync();
        InstanceId gated = await engine.Runtime.StartAsync(Engine.Start("gated", "g"), Engine.Token);
        await engine.Gate.Arrived("g");
        disk.Fill();

        // The last page of the log may have room for a few.
        var accepted = new List<InstanceId> { gated };
        JournalFullException? refused = null;
        for (int i = 0; refused is null && i < 100; i++)
        {
            try
            {
                accepted.Add(await engine.Runtime.StartAsync(Engine.Start("one", $"k{i}"), Engine.Token).WaitAsync(Engine.Patience));
            }
            catch (JournalFullException e)
            {
                refused = e;
            }
        }
        Assert.StartsWith("the disk of the journal is full, no workflow is accepted: ", refused?.Message, StringComparison.Ordinal);
        engine.Gate.Open("g");
        // Something waits for space by now; what is new is refused all the same.
        await Assert.ThrowsAsync<JournalFullException>(() => engine.Runtime.StartAsync(Engine.Start("one", "later"), Engine.Token).WaitAsync(Engine.Patience));
        Assert.Equal(InstanceStatus.Running, engine.Runtime.Instance(gated)!.Status);
        Assert.Empty(engine.Stops);

        disk.Free();
        foreach (InstanceId id in accepted)
            Assert.Equal(WorkflowOutcome.Finished, (await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
        accepted.Add((await engine.RunAsync("one", "later")).Instance);
        await engine.RestartAsync();

        Assert.Equal(
            accepted.Select(a => (a, InstanceStatus.Finished)),
            engine.Runtime.Instances(new InstanceFilter(null, null, Limit: 500)).Reverse().Select(i => (i.Id, i.Status)));
        var events = await engine.EventsUntil(e => e.Seq == engine.Runtime.CommittedSeq);
        Assert.Equal(Enumerable.Range(1, events.Count).Select(n => (long)n), events.Select(e => e.Seq));
        Assert.Empty(engine.Stops);
        await engine.Runtime.DisposeAsync();
    }

    [Fact]
    [Trait("Needs", "kernel")]
    public async Task FullDisk_DoesNotHoldUpTheEnd_AndWhatWaitedRunsAtTheNextStart()
    {
        using var disk = new SmallDisk("3m");
        await using var engine = new Engine();
        engine.Options = engine.Options with { JournalPath = Path.Combine(disk.Path, "journal.db") };
        engine.Definitions.Add(Definition.Of("gated", "", Definition.Gate("g"), Definition.Ensure("a")));
        engine.Definitions.Add(Definition.Of("one", "", Definition.Ensure("b")));
        await engine.RunAsync();
        InstanceId gated = await engine.Runtime.StartAsync(Engine.Start("gated", "g"), Engine.Token);
        await engine.Gate.Arrived("g");
        disk.Fill();
        await Assert.ThrowsAsync<JournalFullException>(async () =>
        {
            for (int i = 0; i < 100; i++) await engine.Runtime.StartAsync(Engine.Start("one", $"k{i}"), Engine.Token).WaitAsync(Engine.Patience);
        });
        engine.Gate.Open("g");
        await Assert.ThrowsAsync<JournalFullException>(() => engine.Runtime.StartAsync(Engine.Start("one", "later"), Engine.Token).WaitAsync(Engine.Patience));

        await engine.Runtime.DisposeAsync().AsTask().WaitAsync(Engine.Patience);
        Assert.Empty(engine.Stops);
        disk.Free();
        await engine.RunAsync();

        Assert.Equal(WorkflowOutcome.Finished, (await engine.Runtime.AnswerAsync(gated, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
        await engine.Runtime.DisposeAsync();
    }

    private static async Task RecoverAsync(Engine engine, FakeTimeProvider time, int times, int minutesBetween = 1)
    {
        for (int i = 0; i < times; i++)
        {
            time.Advance(TimeSpan.FromMinutes(minutesBetween));
            long seen = engine.Runtime.CommittedSeq;
            await engine.RestartAsync();
            await engine.EventsUntil(e => e.Kind == JournalEventKind.StepStarted, seen);
        }
    }

    private static async Task WaitAsync(Func<bool> holds)
    {
        var waited = Stopwatch.StartNew();
        while (!holds() && waited.Elapsed < Engine.Patience) await Task.Delay(5, Engine.Token);
        Assert.True(holds());
    }

    /// <summary>A file system in memory of a few megabytes, of our own.</summary>
    private sealed class SmallDisk : IDisposable
    {
        private string Filler => System.IO.Path.Combine(Path, "filler");

        public SmallDisk(string size) => Run("mount", "-t", "tmpfs", "-o", $"size={size}", "fft-full", Path);

        public string Path { get; } = Directory.CreateTempSubdirectory("fft-full-").FullName;

        public void Fill()
        {
            using FileStream filler = File.Create(Filler, bufferSize: 0);
            byte[] page = new byte[4096];
            try
            {
                while (true) filler.Write(page);
            }
            catch (IOException)
            {
                // No space left on device.
            }
        }

        public void Free() => File.Delete(Filler);

        public void Dispose()
        {
            Run("umount", Path);
            Directory.Delete(Path);
        }

        private static void Run(string program, params string[] arguments)
        {
            using Process process = Process.Start(program, arguments);
            process.WaitForExit();
            Assert.Equal(0, process.ExitCode);
        }
    }
}
