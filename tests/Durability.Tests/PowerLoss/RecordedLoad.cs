using System.Text.Json.Nodes;
using FlannelFlow.Durability.Tests.Disks;
using FlannelFlow.Durability.Tests.Kit;
using FlannelFlow.Workflows;
using FlannelFlow.Workflows.Tests.Kit;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Durability.Tests.PowerLoss;

/// <summary>A load on a recording disk: what the disk was told, when, and what the callers were.</summary>
internal sealed class RecordedLoad : IDisposable
{
    private const string Retry = """ "compensate": true, "retry": {"initialInterval": "00:00:00.001", "attempts": 3} """;
    private readonly List<(int Moment, long Seq)> _told = [];

    private RecordedLoad(World world, RecordingDisk disk, History history)
    {
        World = world;
        Disk = disk;
        History = history;
    }

    public World World { get; }
    public RecordingDisk Disk { get; }

    /// <summary>All of it.</summary>
    public History History { get; }

    /// <summary>Where the instances go on: the definitions and activities of the load, on another kernel.</summary>
    public static IReadOnlyList<DefinitionFile> Definitions { get; } =
    [
        new("done.json", Definition.Of("done", "", Definition.Ensure("a"), Definition.Respond, Definition.Ensure("b"), Definition.Ensure("c"))),
        new("undone.json", Definition.Of("undone", "", Definition.Ensure("d"), Definition.Ensure("e", Retry), Definition.Ensure("refused"))),
    ];

    public static ActivityCatalog Catalog()
    {
        var kernel = new FakeKernel();
        kernel.FailNext("+refused", new RefusalException("no"));
        return new ActivityCatalog().Add(new EnsureActivity(kernel));
    }

    /// <summary>The number of events that the callers knew to be durable at that moment.</summary>
    public long ToldAt(int moment) => _told.Where(t => t.Moment <= moment).Select(t => t.Seq).DefaultIfEmpty(0).Max();

    /// <param name="instances">About 2 commits' frames each.</param>
    /// <param name="logLeft">The write-ahead log as it was before the journal was closed, which folds it in.</param>
    public static async Task<RecordedLoad> RunAsync(int instances, Action<World>? logLeft, CancellationToken ct)
    {
        World world = World.Fresh(new FakeKernel());
        var disk = new RecordingDisk();
        DiskShim.Watch(world.Folder, disk);
        var told = new List<(int, long)>();
        ActivityCatalog catalog = Catalog();
        var options = new WorkflowRuntimeOptions { JournalPath = world.JournalPath };
        await using (WorkflowRuntime runtime = await WorkflowRuntime.OpenAsync(
            options, catalog, DefinitionLoader.Load(Definitions, catalog), TimeProvider.System, NullLoggerFactory.Instance, ct))
        {
            runtime.Resume();
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(ct);
            Task listener = ListenAsync(runtime, disk, told, ended.Token);
            await Parallel.ForEachAsync(Enumerable.Range(0, instances), new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = ct }, async (i, token) =>
                await runtime.RunAsync(new StartWorkflow(i % 3 == 0 ? "undone" : "done", $"k{i}", new JsonObject()), token));
            // What was answered early goes on.
            while (!runtime.Instances(new InstanceFilter(null, null, Limit: int.MaxValue)).All(i => i.FinishedAt is not null))
                await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, ct);
            await ended.CancelAsync();
            await listener;
            logLeft?.Invoke(world);
        }
        DiskShim.Forget(world.Folder);
        var load = new RecordedLoad(world, disk, History.Read(world.JournalPath));
        load._told.AddRange(told);
        return load;
    }

    /// <summary>What is told is durable by then, so it was written before this moment.</summary>
    private static async Task ListenAsync(WorkflowRuntime runtime, RecordingDisk disk, List<(int, long)> told, CancellationToken ct)
    {
        try
        {
            await foreach (JournalEvent e in runtime.FollowAsync(0, ct)) told.Add((disk.Moment, e.Seq));
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
        }
    }

    public void Dispose() => World.Dispose();
}
