namespace FlannelFlow.Durability.Tests.Simulation;

/// <summary>Seeds 1 to 500, the same in each run; tests/campaigns/simulate plays 10,000.</summary>
[Trait("Takes", "long")]
public sealed class SimulationTests
{
    [Fact]
    public async Task Seeds_AllInvariantsHold()
    {
        int ends = await Simulation.PlayAsync(from: 1, seeds: 500, Environment.ProcessorCount);
        TestContext.Current.SendDiagnosticMessage("500 seeds, {0} ends of the process", ends);
        Assert.InRange(ends, 200, 1500);
    }
}
