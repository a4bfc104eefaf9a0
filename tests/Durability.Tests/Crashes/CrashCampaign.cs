using System.Globalization;
using FlannelFlow.Durability.Tests.Kit;

namespace FlannelFlow.Durability.Tests.Crashes;

/// <summary>A scenario with the process dying at every point, then at every pair of points (run, recovery).</summary>
/// <remarks>
/// The end must be, as text, that of the life without a crash: same statuses, answers and outputs, same kernel. The recovery's points are
/// those that the second process passes after that very crash; the world between is copied, so each pair is played from there.
/// </remarks>
internal sealed class CrashCampaign(Scenario scenario, int parallel)
{
    private int _points;
    private int _ambiguous;
    private int _pairs;

    /// <param name="Points">Crashes at one point, each followed by a recovery to the end.</param>
    /// <param name="Ambiguous">How many of them are commits that SQLite calls failed.</param>
    /// <param name="Pairs">Crashes in the recovery from a crash, each followed by another recovery to the end.</param>
    public sealed record Count(int Points, int Ambiguous, int Pairs)
    {
        public static Count operator +(Count a, Count b) => new(a.Points + b.Points, a.Ambiguous + b.Ambiguous, a.Pairs + b.Pairs);

        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Points} points ({Ambiguous} ambiguous commits), {Pairs} pairs");
    }

    /// <param name="everyNth">1: all pairs; n: each nth, beginning with another at each point; 0: none.</param>
    public async Task<Count> RunAsync(int everyNth)
    {
        (string expected, IReadOnlyList<Crash> crashes) = await CalmAsync();
        await Parallel.ForEachAsync(
            crashes.Index(), new ParallelOptions { MaxDegreeOfParallelism = parallel },
            async (crash, _) => await CrashAsync(expected, crash.Item, crash.Index, everyNth));
        return new Count(_points, _ambiguous, _pairs);
    }

    /// <summary>One point, or one pair.</summary>
    public async Task ReplayAsync(Crash first, Crash? second)
    {
        (string expected, _) = await CalmAsync();
        using World world = await DieAsync(first);
        if (second is not null) await EndAsync(world, first, second);
        await AssertEndAsync(expected, world, first, second);
    }

    private async Task<(string Outcome, IReadOnlyList<Crash> Crashes)> CalmAsync()
    {
        using World calm = World.Fresh(scenario.Kernel());
        Life.Story story = await Life.LiveAsync(scenario, calm, crash: null);
        return (story.Outcome!, story.Crashes);
    }

    private async Task CrashAsync(string expected, Crash crash, int index, int everyNth)
    {
        using World world = await DieAsync(crash);
        IReadOnlyList<Crash> recovery;
        using (World after = world.Copy()) recovery = await AssertEndAsync(expected, after, crash, null);
        Interlocked.Increment(ref _points);
        if (crash.Ambiguous) Interlocked.Increment(ref _ambiguous);
        for (int i = everyNth == 0 ? recovery.Count : index % everyNth; i < recovery.Count; i += everyNth)
        {
            using World again = world.Copy();
            await EndAsync(again, crash, recovery[i]);
            await AssertEndAsync(expected, again, crash, recovery[i]);
            Interlocked.Increment(ref _pairs);
        }
    }

    private async Task<World> DieAsync(Crash crash)
    {
        World world = World.Fresh(scenario.Kernel());
        await EndAsync(world, crash, null);
        return world;
    }

    private async Task EndAsync(World world, Crash first, Crash? second)
    {
        try
        {
            Life.Story story = await Life.LiveAsync(scenario, world, second ?? first);
            if (!story.Crashed) throw new BrokenInvariantException("the point was not passed this time");
        }
        catch (BrokenInvariantException e)
        {
            throw Failure(first, second, e.Message);
        }
    }

    private async Task<IReadOnlyList<Crash>> AssertEndAsync(string expected, World world, Crash first, Crash? second)
    {
        try
        {
            Life.Story story = await Life.LiveAsync(scenario, world, crash: null);
            return story.Outcome == expected
                ? story.Crashes
                : throw new BrokenInvariantException($"it ended otherwise than without a crash\n--- without\n{expected}--- with\n{story.Outcome}");
        }
        catch (BrokenInvariantException e)
        {
            throw Failure(first, second, e.Message);
        }
    }

    private BrokenInvariantException Failure(Crash first, Crash? second, string what) => new(
        $"{scenario.Name}, crash at {first}{(second is null ? "" : $", then at {second}")}: {what}\n" +
        $"again: tests/campaigns/crash --scenario '{scenario.Name}' --at '{first}'{(second is null ? "" : $" --then '{second}'")}");
}
