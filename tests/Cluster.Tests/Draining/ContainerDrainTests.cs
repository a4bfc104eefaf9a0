using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Mirror;
using static FlannelFlow.Cluster.Tests.Mirror.Records;

namespace FlannelFlow.Cluster.Tests.Draining;

public sealed class ContainerDrainTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly ContainerRecord Docker = Container("c1", "n1", "web", ("red", "10.1.2.3", null));

    [Theory]
    [InlineData(null, ContainerHealth.Unhealthy, 0, "ready")] // never was a backend
    [InlineData("starting", ContainerHealth.Unhealthy, 0, "ready")]
    [InlineData("ready", ContainerHealth.Healthy, 0, "ready")]
    [InlineData("ready", ContainerHealth.Unhealthy, 0, "Unhealthy")]
    [InlineData("Unhealthy", ContainerHealth.Unhealthy, 99, "Unhealthy")]
    [InlineData("Unhealthy", ContainerHealth.Starting, 99, "Unhealthy")]
    [InlineData("Unhealthy", ContainerHealth.Healthy, 1, "ready")]
    [InlineData("Stop", ContainerHealth.None, 16.9, "Stop")]
    [InlineData("Stop", ContainerHealth.None, 17, "ready")]
    [InlineData("Stop", ContainerHealth.Unhealthy, 17, "Stop")]
    [InlineData("DesiredState", ContainerHealth.Healthy, 999, "DesiredState")]
    [InlineData("Operator", ContainerHealth.Healthy, 999, "Operator")]
    public void Next_AfterDockerIsReadAnew_IsTheStateThatStillHolds(string? known, ContainerHealth health, double seconds, string expected)
    {
        var record = known switch
        {
            null => null,
            "ready" => Docker,
            "starting" => Docker with { Health = ContainerHealth.Starting },
            _ => ContainerDrain.Draining(Docker, new DrainRecord("d", Enum.Parse<DrainReason>(known), Start)),
        };

        var next = ContainerDrain.Next(record, Docker with { Health = health }, DrainTerms.Default, Start.AddSeconds(seconds));

        Assert.Equal(expected, next.State == ContainerState.Ready ? "ready" : next.Drain!.Reason.ToString());
        Assert.Equal(next.State == ContainerState.Draining, next.Drain is not null);
        Assert.Equal(health, next.Health);
    }

    [Theory]
    [InlineData(null, true, true)]
    [InlineData(true, true, true)]
    [InlineData(true, false, false)]
    [InlineData(false, true, false)] // it closed its port, since it is told to end
    [InlineData(false, false, false)]
    public void OneThatHasOpened_StaysOpen(bool? known, bool seen, bool expected)
    {
        ContainerRecord? record = known is { } was ? Docker with { IsOpening = was } : null;
        var docker = Docker with { IsOpening = seen };
        Assert.Equal(expected, ContainerDrain.Next(record, docker, DrainTerms.Default, Start).IsOpening);
        if (record is not null)
            Assert.Equal(expected, ContainerDrain.Next(ContainerDrain.Draining(record, DrainRecord.Begin(DrainReason.Stop, Start)), docker, DrainTerms.Default, Start).IsOpening);
    }

    [Fact]
    public void Backends_ThatDrain_HaveNoWeight_ButTheLastThatLives()
    {
        var c1 = Container("c1", "n1", "web", ("red", "10.1.2.1", null));
        var c2 = Container("c2", "n1", "web", ("red", "10.1.2.2", null));
        var starting = Container("c3", "n1", "web", ("red", "10.1.2.3", null)) with { Health = ContainerHealth.Starting };

        Assert.Equal("10.1.2.1*1 10.1.2.2*1", Backends(c1, c2, starting));
        Assert.Equal("10.1.2.1*0 10.1.2.2*1", Backends(Drains(c1, 1), c2, starting));
        Assert.Equal("10.1.2.1*0 10.1.2.2*1", Backends(Drains(c1, 1), Drains(c2, 2), starting));
        Assert.Equal("10.1.2.1*1", Backends(Drains(c1, 1), starting));
        Assert.Equal("10.1.2.1*0 10.1.2.2*0 10.1.2.3*1", Backends(Drains(c1, 1), Drains(c2, 2), starting with { Health = ContainerHealth.Healthy }));
        Assert.Equal("10.1.2.2*1", Backends(Drains(c2 with { Health = ContainerHealth.Unhealthy }, 2)));
    }

    private static ContainerRecord Drains(ContainerRecord container, int since) =>
        ContainerDrain.Draining(container, new DrainRecord("d", DrainReason.Stop, Start.AddSeconds(since)));

    private static string Backends(params ContainerRecord[] containers)
    {
        var state = MirrorState.Of(1, [Network("red", "10.1.0.0/20")], [Service("web", ("red", "10.1.0.2"))], containers);
        return string.Join(' ', DesiredLoadBalancers.Of(state, new ServiceInNetwork("web", "red"))!.Backends.Select(backend => $"{backend.Address}*{backend.Weight}"));
    }
}
