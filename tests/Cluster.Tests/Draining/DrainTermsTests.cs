using FlannelFlow.Cluster.Draining;

namespace FlannelFlow.Cluster.Tests.Draining;

public sealed class DrainTermsTests
{
    [Fact]
    public void Limit_IsGraceAndHoldAndSlack()
    {
        Assert.Equal(TimeSpan.FromSeconds(17), DrainTerms.Default.LimitFor(stopGrace: null));
        Assert.Equal(TimeSpan.FromSeconds(37), DrainTerms.Default.LimitFor(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void Labels_GoOverOptions()
    {
        var terms = DrainTerms.Default.With(new Dictionary<string, string>
        {
            [DrainTerms.LimitLabel] = "90",
            [DrainTerms.UdpGraceLabel] = "1.5",
            [DrainTerms.PollLabel] = "0.1",
            [DrainTerms.MinimumGraceLabel] = "0",
        });

        Assert.Equal(
            DrainTerms.Default with { FixedLimit = TimeSpan.FromSeconds(90), UdpGrace = TimeSpan.FromSeconds(1.5), Poll = TimeSpan.FromSeconds(0.1), MinimumGrace = TimeSpan.Zero },
            terms);
        Assert.Equal(TimeSpan.FromSeconds(90), terms.LimitFor(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void Labels_ThatAreWrong_AreRefusedInWordsAndIgnored()
    {
        var terms = DrainTerms.Default.With(new Dictionary<string, string> { [DrainTerms.LimitLabel] = "soon", [DrainTerms.PollLabel] = "0" });

        Assert.Equal(
            [
                "label flannelflow.drain.poll=\"0\" is not a number of seconds from 0.05 to 10; it is ignored",
                "label flannelflow.drain.limit=\"soon\" is not a number of seconds from 0 to 86400; it is ignored",
            ],
            terms.Refused);
        Assert.Equal(DrainTerms.Default, terms with { Refused = DrainTerms.Default.Refused });
    }
}
