using FlannelFlow.Durability.Tests.Crashes;
using FlannelFlow.Durability.Tests.Kit;
using FlannelFlow.Workflows;
using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Durability.Tests.Simulation;

/// <summary>Plays plans. A seed gives the same plan every time: shape, faults and ends; how threads interleave is the machine's.</summary>
internal static class Simulation
{
    /// <summary>Throws <see cref="BrokenInvariantException"/> with the seed; the number of ends that came to pass.</summary>
    public static async Task<int> PlayAsync(int seed)
    {
        var plan = new Plan(seed);
        using World world = World.Fresh(new FakeKernel());
        SimulatedActivity? activity = null;
        Scenario scenario = plan.Scenario(kernel => new ActivityCatalog().Add(activity = new SimulatedActivity(kernel, plan.Chances) { IsExclusive = plan.IsExclusive }));
        int ends = 0;
        try
        {
            foreach ((int points, bool ambiguous) in plan.Ends)
            {
                Life.Story story = await Life.LiveAsync(scenario, world, new CrashOnce(ambiguous ? new Crash("", 0, Ambiguous: true) : null, points));
                if (story.Crashed) ends++;
                CheckLanes(activity!);
            }
            Life.Story last = await Life.LiveAsync(scenario, world, crash: null);
            CheckLanes(activity!);
            if (last.Outcome is null) throw new BrokenInvariantException("no end");
            return ends;
        }
        catch (BrokenInvariantException e)
        {
            throw new BrokenInvariantException($"seed {seed}: {e.Message}\nagain: tests/campaigns/simulate --from {seed} --seeds 1\n{plan.Definition}");
        }
    }

    /// <summary>Seeds from one on; the number of ends that came to pass.</summary>
    public static async Task<int> PlayAsync(int from, int seeds, int parallel)
    {
        int ends = 0;
        await Parallel.ForEachAsync(Enumerable.Range(from, seeds), new ParallelOptions { MaxDegreeOfParallelism = parallel }, async (seed, _) => Interlocked.Add(ref ends, await PlayAsync(seed)));
        return ends;
    }

    private static void CheckLanes(SimulatedActivity activity)
    {
        if (activity.Conflicts.TryDequeue(out string? conflict)) throw new BrokenInvariantException(conflict);
    }
}
