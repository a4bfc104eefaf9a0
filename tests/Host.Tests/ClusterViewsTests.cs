using System.Collections.Immutable;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Operations.Cluster;

namespace FlannelFlow.Host.Tests;

public sealed class ClusterViewsTests
{
    [Theory]
    [InlineData(EndpointMode.Vip, true, BackendCondition.Starting, 0)]
    [InlineData(EndpointMode.Vip, false, BackendCondition.Serving, 1)]
    [InlineData(EndpointMode.Dnsrr, true, BackendCondition.Serving, 0)] // its name is answered
    public void Task_ThatIsOpening_IsShownAsStarting_WhereItIsBalanced(EndpointMode mode, bool isOpening, BackendCondition condition, int weight)
    {
        var service = new ServiceRecord("web", "web", mode, [new ServiceNetwork("red", [], mode == EndpointMode.Vip ? IPv4Address.Parse("10.1.0.2") : null)], NoLabels, []);
        var task = new ContainerRecord(
            "c1", "n1", "web.1.t1", "c1", ContainerHealth.None, ContainerState.Ready,
            [new ContainerNetwork("red", "e1", IPv4Address.Parse("10.1.2.3"), [], [])], NoLabels, new ContainerTask("t1", "web", "web", "node1"), IsOpening: isOpening);
        var network = new NetworkRecord("red", "red", IPv4Network.Parse("10.1.0.0/20"), IsInternal: false, IsAttachable: true, NoLabels);
        var view = ClusterViews.Service(MirrorState.Of(1, [network], [service], [task]) with { Here = "n1" }, "web")!;
        var backend = Assert.Single(Assert.Single(view.Networks).Backends);
        Assert.Equal((condition, weight), (backend.Condition, backend.Weight));
    }

    private static ImmutableSortedDictionary<string, string> NoLabels => ImmutableSortedDictionary<string, string>.Empty;
}
