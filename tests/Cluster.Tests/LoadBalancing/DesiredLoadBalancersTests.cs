using System.Collections.Immutable;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Mirror;
using static FlannelFlow.Cluster.Tests.Mirror.Records;

namespace FlannelFlow.Cluster.Tests.LoadBalancing;

public sealed class DesiredLoadBalancersTests
{
    private static readonly ServiceRecord Web = Service("web", ("blue", "10.2.0.2"), ("red", "10.1.0.2"));

    [Fact]
    public void Service_OnTwoNetworks_HasABalancerInEach_WithTheAddressesOfThatNetwork()
    {
        Assert.Equal(
            """
            web blue 10.2.0.2 wrr: 10.2.2.3*1
            web red 10.1.0.2 wrr: 10.1.2.3*1 10.1.3.3*1
            """,
            Text(State(
                [Web],
                Container("c1", "n1", "web", ("blue", "10.2.2.3", null), ("red", "10.1.2.3", null)),
                Container("c2", "n2", "web", ("red", "10.1.3.3", null)),
                Container("other", "n2", "another", ("red", "10.1.3.4", null)),
                Container("plain", "n2", null, ("red", "10.1.3.5", null)))));
    }

    [Fact]
    public void Service_WithoutTasks_HasABalancerWithoutBackends() =>
        Assert.Equal("web blue 10.2.0.2 wrr:\nweb red 10.1.0.2 wrr:", Text(State([Web])));

    [Fact]
    public void Network_ThatTheHostDoesNotCarry_HasNone() =>
        Assert.Equal("web red 10.1.0.2 wrr:", Text(State([Web]), "red"));

    [Fact]
    public void Service_WithDnsrr_OrWithoutAVipYet_HasNone() =>
        Assert.Equal("", Text(State([
            Web with { Mode = EndpointMode.Dnsrr },
            Service("new", ("red", null)) with { Mode = EndpointMode.Vip },
        ])));

    [Theory]
    [InlineData(ContainerHealth.None, true)]
    [InlineData(ContainerHealth.Healthy, true)]
    [InlineData(ContainerHealth.Starting, false)]
    [InlineData(ContainerHealth.Unhealthy, false)]
    public void Task_IsABackend_WhenItIsHealthyAsFarAsItIsAsked(ContainerHealth health, bool isBackend) =>
        Assert.Equal(
            isBackend ? "web red 10.1.0.2 wrr: 10.1.2.3*1" : "web red 10.1.0.2 wrr:",
            Text(State([Web], Container("c1", "n1", "web", ("red", "10.1.2.3", null)) with { Health = health }), "red"));

    [Fact]
    public void Task_ThatIsOpening_IsNoBackend_AndTakesNothingFromOthers()
    {
        var opening = Container("c1", "n1", "web", ("red", "10.1.2.3", null)) with { IsOpening = true };
        var other = Container("c2", "n2", "web", ("red", "10.1.3.3", null));
        Assert.Equal("web red 10.1.0.2 wrr:", Text(State([Web], opening) with { Here = "n1" }, "red"));
        Assert.Equal("web red 10.1.0.2 wrr: 10.1.3.3*1", Text(State([Web], opening, other) with { Heard = ["n1"] }, "red"));
        Assert.Equal("web red 10.1.0.2 wrr: 10.1.3.3*1", Text(State([Web], opening, other) with { Heard = ["n1"], Gone = ["n2"] }, "red"));
    }

    [Fact]
    public void Task_ThatIsOpening_OfADaemonThatIsSilent_IsABackend() =>
        Assert.Equal("web red 10.1.0.2 wrr: 10.1.2.3*1", Text(State([Web], Container("c1", "n1", "web", ("red", "10.1.2.3", null)) with { IsOpening = true }) with { Here = "n2" }, "red"));

    [Fact]
    public void LastOne_ThatDrains_IsHeldOpen_UntilTheNextHasOpened()
    {
        var old = ContainerDrain.Draining(Container("c1", "n1", "web", ("red", "10.1.2.3", null)), DrainRecord.Begin(DrainReason.DesiredState, DateTimeOffset.UnixEpoch));
        var next = Container("c2", "n2", "web", ("red", "10.1.3.3", null));
        Assert.Equal("web red 10.1.0.2 wrr: 10.1.2.3*1", Text(State([Web], old, next with { IsOpening = true }) with { Heard = ["n2"] }, "red"));
        Assert.Equal("web red 10.1.0.2 wrr: 10.1.2.3*0 10.1.3.3*1", Text(State([Web], old, next) with { Heard = ["n2"] }, "red"));
    }

    [Fact]
    public void Weight_IsTheContainersLabel_ElseTheServices()
    {
        var heavy = Web with { Labels = Labels(("flannelflow.weight", "3"), ("flannelflow.scheduler", "wlc")) };
        Assert.Equal(
            "web red 10.1.0.2 wlc: 10.1.2.3*3 10.1.2.4*7 10.1.2.5*3",
            Text(
                State(
                    [heavy],
                    Container("c1", "n1", "web", ("red", "10.1.2.3", null)),
                    Container("c2", "n1", "web", ("red", "10.1.2.4", null)) with { Labels = Labels(("flannelflow.weight", "7")) },
                    Container("c3", "n1", "web", ("red", "10.1.2.5", null)) with { Labels = Labels(("flannelflow.weight", "heavy")) }),
                "red"));
    }

    [Theory]
    [InlineData("n1 n2", "", "10.1.2.3*1 10.1.3.3*1")]
    [InlineData("n1 n2", "n2", "10.1.2.3*1 10.1.3.3*0")]
    [InlineData("n1", "", "10.1.2.3*1 10.1.3.3*0")]
    [InlineData("n1 n2", "n1 n2", "10.1.2.3*1 10.1.3.3*1")]
    [InlineData("", "", "10.1.2.3*1 10.1.3.3*1")]
    public void Task_OfAHostThatIsGone_GetsNothingNew_WhereThereAreOthers(string hosts, string gone, string backends) =>
        Assert.Equal(
            "web red 10.1.0.2 wrr: " + backends,
            Text(
                State(
                    [Web],
                    Container("c1", "n1", "web", ("red", "10.1.2.3", null)),
                    Container("c2", "n2", "web", ("red", "10.1.3.3", null))) with
                {
                    Hosts = hosts.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToImmutableDictionary(host => host, host => new HostRecord(host, "", "", 0)),
                    Gone = [.. gone.Split(' ', StringSplitOptions.RemoveEmptyEntries)],
                },
                "red"));

    [Fact]
    public void Address_OfTwoRecords_IsOneBackend() =>
        Assert.Equal(
            "web red 10.1.0.2 wrr: 10.1.2.3*1",
            Text(State([Web], Container("c2", "n1", "web", ("red", "10.1.2.3", null)), Container("c1", "n1", "web", ("red", "10.1.2.3", null))), "red"));

    [Fact]
    public void One_IsTheSameAsAmongAll()
    {
        var state = State([Web], Container("c1", "n1", "web", ("red", "10.1.2.3", null)));
        var which = new ServiceInNetwork("web", "red");
        Assert.Equal(Line(DesiredLoadBalancers.Of(state, new HashSet<string> { "red" })[which]), Line(DesiredLoadBalancers.Of(state, which)!));
        Assert.Null(DesiredLoadBalancers.Of(state, new ServiceInNetwork("web", "green")));
        Assert.Null(DesiredLoadBalancers.Of(state, new ServiceInNetwork("none", "red")));
    }

    [Theory]
    [InlineData("flannelflow.scheduler", "fastest", "label flannelflow.scheduler=\"fastest\" is none of rr, wrr, lc, wlc, sh, mh, sed, nq; wrr stands")]
    [InlineData("flannelflow.weight", "0", "label flannelflow.weight=\"0\" is not a whole number from 1 to 100; 1 stands")]
    [InlineData("flannelflow.weight", "101", "label flannelflow.weight=\"101\" is not a whole number from 1 to 100; 1 stands")]
    [InlineData("flannelflow.weight", "2.5", "label flannelflow.weight=\"2.5\" is not a whole number from 1 to 100; 1 stands")]
    public void Label_ThatCannotBe_IsRefusedInWords_AndTheDefaultStands(string label, string value, string refusal)
    {
        var settings = ServiceSettings.Of(Labels((label, value)));
        Assert.Equal(refusal, Assert.Single(settings.Refused));
        Assert.Equal(("wrr", 1), (settings.Scheduler, settings.Weight));
    }

    private static MirrorState State(ServiceRecord[] services, params ContainerRecord[] containers) =>
        MirrorState.Of(1, [Network("red", "10.1.0.0/20"), Network("blue", "10.2.0.0/20")], services, containers);

    private static string Text(MirrorState state, params string[] networks) => string.Join('\n', DesiredLoadBalancers
        .Of(state, (networks.Length > 0 ? networks : ["red", "blue"]).ToHashSet()).Values.Select(Line).Order(StringComparer.Ordinal));

    private static string Line(DesiredLoadBalancer balancer) =>
        $"{balancer.Service.ServiceId} {balancer.Service.NetworkId} {balancer.Vip} {balancer.Scheduler}:"
        + string.Concat(balancer.Backends.Select(backend => $" {backend.Address}*{backend.Weight}"));
}
