using System.Globalization;
using FlannelFlow.Durability.Tests.Kit;
using FlannelFlow.Workflows;
using FlannelFlow.Workflows.Tests.Kit;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Durability.Tests.PowerLoss;

/// <summary>What a journal is after power losses that a real disk allows.</summary>
internal static class PowerLossCampaign
{
    /// <summary>sqlite.org/fileformat2.html#walformat: the header of the log, and of each frame in it, before a page.</summary>
    private const int LogHeader = 32, FrameHeader = 24, Page = 4096;

    /// <summary>
    /// The log of one load, cut at every boundary of a frame and at so many random bytes: each cut opens, as a prefix of history; a longer cut
    /// never as a shorter one.
    /// </summary>
    public static async Task<(int Frames, int Random)> CutAsync(int instances, int randomCuts, int seed, CancellationToken ct)
    {
        using World left = World.Fresh(new FakeKernel());
        using RecordedLoad load = await RecordedLoad.RunAsync(instances, world =>
        {
            File.Copy(world.JournalPath, left.JournalPath);
            File.Copy(world.JournalPath + "-wal", left.JournalPath + "-wal");
        }, ct);
        byte[] file = await File.ReadAllBytesAsync(left.JournalPath, ct), log = await File.ReadAllBytesAsync(left.JournalPath + "-wal", ct);
        if (file.Length > Page) throw new BrokenHistoryException($"the log was folded in at {instances} instances: too long a load for this test");

        var random = new Random(seed);
        int[] boundaries = [.. Enumerable.Range(0, ((log.Length - LogHeader) / (FrameHeader + Page)) + 1).Select(n => LogHeader + (n * (FrameHeader + Page)))];
        int[] cuts = [.. boundaries, .. Enumerable.Range(0, randomCuts).Select(_ => random.Next(log.Length + 1))];
        var lengths = new int[cuts.Length];
        await Parallel.ForEachAsync(cuts.Index(), ct, async (cut, token) =>
        {
            using World world = World.Fresh(new FakeKernel());
            await File.WriteAllBytesAsync(world.JournalPath, file, token);
            await File.WriteAllBytesAsync(world.JournalPath + "-wal", log[..cut.Item], token);
            lengths[cut.Index] = await CheckAsync(world, load, told: 0, $"log cut at byte {cut.Item} of {log.Length}", opens: cut.Index % 20 == 0, token);
        });
        int before = 0;
        foreach ((int cut, int length) in cuts.Zip(lengths).OrderBy(c => c.First))
        {
            if (length < before) throw new BrokenHistoryException($"log cut at byte {cut}: {length} events, a shorter one had {before}");
            before = length;
        }
        // The whole log is the whole history: nothing that was told is missing.
        if (before != load.History.Length) throw new BrokenHistoryException($"the whole log has {before} of {load.History.Length} events");
        return (boundaries.Length, randomCuts);
    }

    /// <summary>
    /// Power losses at random moments of a load that folds its log in: of what was written since a file's last sync, any part is left, by
    /// sectors. All that was told by then is there.
    /// </summary>
    /// <returns>How many of the images had lost something.</returns>
    public static async Task<int> LoseAsync(int instances, int images, int seed, CancellationToken ct)
    {
        using RecordedLoad load = await RecordedLoad.RunAsync(instances, logLeft: null, ct);
        int lost = 0;
        await Parallel.ForEachAsync(Enumerable.Range(0, images), ct, async (n, token) =>
        {
            var random = new Random(unchecked((seed * 397) ^ n));
            int moment = random.Next(load.Disk.Moment + 1);
            using World world = World.Fresh(new FakeKernel());
            int mode = random.Next(4);
            load.Disk.WriteImage(world.Folder, moment, sectors => mode switch
            {
                0 => 0,
                1 => random.Next(sectors + 1),
                2 => random.Next(2) * sectors,
                _ => sectors,
            });
            string what = string.Create(CultureInfo.InvariantCulture, $"image {n} of seed {seed}, power lost after write {moment} of {load.Disk.Moment}");
            int length = await CheckAsync(world, load, load.ToldAt(moment), what, opens: n % 10 == 0, token);
            if (length < load.History.Length) Interlocked.Increment(ref lost);
        });
        return lost;
    }

    /// <param name="opens">Whether the engine goes on from there too: every instance comes to its end.</param>
    /// <returns>The number of events that are left.</returns>
    private static async Task<int> CheckAsync(World world, RecordedLoad load, long told, string what, bool opens, CancellationToken ct)
    {
        try
        {
            if (opens && File.Exists(world.JournalPath)) return await GoOnAsync(world, load, told, ct);
            History history = File.Exists(world.JournalPath) ? History.Read(world.JournalPath) : new History();
            history.CheckPrefixOf(load.History, told);
            return history.Length;
        }
        catch (Exception e) when (e is SqliteException or BrokenHistoryException or JournalUnusableException)
        {
            throw new BrokenHistoryException($"{what}: {e.Message}");
        }
    }

    private static async Task<int> GoOnAsync(World world, RecordedLoad load, long told, CancellationToken ct)
    {
        ActivityCatalog catalog = RecordedLoad.Catalog();
        int length;
        await using (WorkflowRuntime runtime = await WorkflowRuntime.OpenAsync(
            new WorkflowRuntimeOptions { JournalPath = world.JournalPath }, catalog, DefinitionLoader.Load(RecordedLoad.Definitions, catalog),
            TimeProvider.System, NullLoggerFactory.Instance, ct))
        {
            History history = History.Read(world.JournalPath);
            history.CheckPrefixOf(load.History, told);
            length = history.Length;
            runtime.Resume();
            foreach (InstanceRow instance in runtime.Instances(new InstanceFilter(null, null, Limit: int.MaxValue)))
            {
                await foreach (JournalEvent e in runtime.FollowAsync(0, ct))
                {
                    if (e.Instance == instance.Id && e.Kind is JournalEventKind.Finished or JournalEventKind.Compensated) break;
                }
            }
        }
        return length;
    }
}
