using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Durability.Tests.PowerLoss;

/// <summary>The journal after power losses; tests/campaigns/powerloss is the long form.</summary>
[Trait("Takes", "long")]
public sealed class PowerLossTests
{
    [Fact]
    public async Task LogCutAnywhere_OpensAsAPrefixOfHistory()
    {
        int seed = Random.Shared.Next();
        (int frames, int random) = await Seeded(seed, () => PowerLossCampaign.CutAsync(instances: 30, randomCuts: 1000, seed, Engine.Token));
        TestContext.Current.SendDiagnosticMessage("{0} boundaries of frames, {1} random bytes (seed {2})", frames, random, seed);
        Assert.InRange(frames, 100, 1000);
    }

    [Fact]
    public async Task PowerLostAtAnyMoment_NothingThatWasToldIsMissing()
    {
        int seed = Random.Shared.Next();
        int lost = await Seeded(seed, () => PowerLossCampaign.LoseAsync(instances: 400, images: 200, seed, Engine.Token));
        TestContext.Current.SendDiagnosticMessage("200 power losses (seed {0}), {1} of them lost something", seed, lost);
        Assert.InRange(lost, 100, 200);
    }

    private static async Task<T> Seeded<T>(int seed, Func<Task<T>> campaign)
    {
        try
        {
            return await campaign();
        }
        catch (BrokenHistoryException e)
        {
            throw new BrokenHistoryException($"{e.Message}\nmany more: tests/campaigns/powerloss --seed {seed}");
        }
    }
}
