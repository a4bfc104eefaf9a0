using System.Net;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Host.LoadBalancing;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Host.Tests;

public sealed class BalancingPlanTests
{
    private static readonly ServiceInNetwork Web = new("web", "net1");
    private static readonly NetworkFrame Frame = new("ffvip.6514", IPv4Prefix.Parse("10.128.18.128/25", null));
    private static readonly Dictionary<string, NetworkFrame> Frames = new() { ["net1"] = Frame };
    private static readonly Dictionary<int, ServiceInNetwork> Marks = new() { [7] = Web };

    [Fact]
    public void Nothing_WhereTheKernelIsAsWanted() =>
        Assert.Equal("", Plan([Wanted("10.128.16.2", ("c1", "10.128.18.130", 1))], Held("10.128.16.2", 7, Backend.Active(Ip("10.128.18.130")))));

    [Fact]
    public void Service_ThatIsMissing_IsPublishedWhole() =>
        Assert.Equal("service-publish/web/net1", Plan([Wanted("10.128.16.2", ("c1", "10.128.18.130", 1))]));

    [Fact]
    public void Backends_ComeGoAndChange_OneByOne() => Assert.Equal(
        """
        backend-add/web/net1/10.128.18.131
        backend-add/web/net1/10.128.18.132
        backend-remove/web/net1/10.128.18.133
        """,
        Plan(
            [Wanted("10.128.16.2", ("c1", "10.128.18.130", 1), ("c2", "10.128.18.131", 1), ("c3", "10.128.18.132", 5))],
            Held("10.128.16.2", 7, Backend.Active(Ip("10.128.18.130")), Backend.Active(Ip("10.128.18.132")), Backend.Active(Ip("10.128.18.133")))));

    [Fact]
    public void Backend_ThatDrainedAndIsReadyAgain_IsAddedInItsPlace() => Assert.Equal(
        "backend-add/web/net1/10.128.18.130",
        Plan([Wanted("10.128.16.2", ("c1", "10.128.18.130", 1))], Held("10.128.16.2", 7, Backend.Draining(Ip("10.128.18.130")))));

    [Fact]
    public void Scheduler_OrHostSubnet_ThatDiffers_IsPublishedAnew()
    {
        var wanted = Wanted("10.128.16.2") with { Scheduler = "rr" };
        Assert.Equal("service-publish/web/net1", Plan([wanted], Held("10.128.16.2", 7)));
        var moved = Held("10.128.16.2", 7) with { Frame = Frame with { HostSubnet = IPv4Prefix.Parse("10.128.20.0/25", null) } };
        Assert.Equal("service-publish/web/net1", Plan([Wanted("10.128.16.2")], moved));
    }

    [Fact]
    public void Vip_ThatChanged_IsWithdrawnFirst_AndPublishedWithTheNextLook() =>
        Assert.Equal("service-withdraw/ffvip.6514/10.128.16.9/7", Plan([Wanted("10.128.16.2")], Held("10.128.16.9", 7)));

    [Fact]
    public void Service_ThatIsNotWanted_OrNobodys_OrOnAnothersDevice_IsWithdrawn()
    {
        Assert.Equal("service-withdraw/ffvip.6514/10.128.16.2/7", Plan([], Held("10.128.16.2", 7)));
        Assert.Equal("service-withdraw/ffvip.6514/10.128.16.2/8", Plan([], Held("10.128.16.2", 8)));
        var elsewhere = Held("10.128.16.2", 7) with { Frame = Frame with { Device = "ffvip.9" } };
        Assert.Equal("service-publish/web/net1\nservice-withdraw/ffvip.9/10.128.16.2/7", Plan([Wanted("10.128.16.2")], elsewhere));
    }

    [Fact]
    public void Vip_OfAnotherServiceNow_HasTheOldServicesMarks_AndIsWithdrawn() => Assert.Equal(
        "service-publish/web/net1\nservice-withdraw/ffvip.6514/10.128.16.2/8",
        Plan([Wanted("10.128.16.2")], Held("10.128.16.2", 8)));

    [Fact]
    public void Strays_AndEmptyDevices_AreMended_WhenNothingElseIsToBeDone_AndAlone()
    {
        var empty = new BalancedNetwork(Frame, []);
        Assert.Equal("balancing-mend", Plan([], empty));
        Assert.Equal("service-publish/web/net1", Plan([Wanted("10.128.16.2")], empty));
        var steps = BalancingPlan.Of(Dictionary([]), Frames, new LoadBalancerTables([], ["a rule"]), Marks, service => service.Scheduler, NoneLingers);
        var mend = Assert.Single(steps);
        Assert.False(mend.MayRunBeside("any"));
        Assert.False(new BalancingStep("k", "s", mend.Start).MayRunBeside(mend.Scope));
        Assert.True(new BalancingStep("k", "s", mend.Start).MayRunBeside("other"));
    }

    [Fact]
    public void Progress_IsHeldBackByWhatIsNotMended_AndGoesOnOverWhatIs()
    {
        var progress = new BalancingProgress();
        Assert.Equal(3, progress.Seen([], State(3)));
        Assert.Equal(4, progress.Seen(["a"], State(5)));
        Assert.Equal(4, progress.Seen(["a", "b"], State(8)));
        progress.Mended("a");
        Assert.Equal(7, progress.Seen(["b"], State(9)));

        // Mended as of 9 or later, and different again: it holds back what is newer only.
        progress.Mended("b");
        Assert.Equal(11, progress.Seen(["b"], State(12)));
        Assert.Equal(13, progress.Seen([], State(13)));
    }

    [Fact]
    public void Progress_AfterEtcdWasPutBack_CountsAnew()
    {
        var progress = new BalancingProgress();
        Assert.Equal(99, progress.Seen(["a"], State(100)));
        Assert.Equal(49, progress.Seen(["a"], State(50)));
        Assert.Equal(49, progress.Seen(["a"], State(60)));
        Assert.Equal(61, progress.Seen([], State(61)));
    }

    private static HashSet<ServiceInNetwork> NoneLingers => [];

    private static MirrorState State(long revision) => MirrorState.Empty with { Revision = revision };

    private static IPAddress Ip(string text) => IPAddress.Parse(text);

    private static DesiredLoadBalancer Wanted(string vip, params (string Container, string Address, int Weight)[] backends) => new(
        Web, "web", IPv4Address.Parse(vip), "wrr", [.. backends.Select(backend => new DesiredBackend(backend.Container, IPv4Address.Parse(backend.Address), backend.Weight))]);

    private static BalancedNetwork Held(string vip, int marks, params Backend[] backends) =>
        new(Frame, [new VirtualService { Vip = Ip(vip), Marks = FwMarkPair.Of(marks), Backends = backends }]);

    private static Dictionary<ServiceInNetwork, DesiredLoadBalancer> Dictionary(DesiredLoadBalancer[] wanted) => wanted.ToDictionary(balancer => balancer.Service);

    private static string Plan(DesiredLoadBalancer[] wanted, params BalancedNetwork[] held) => string.Join('\n', BalancingPlan
        .Of(Dictionary(wanted), Frames, new LoadBalancerTables(held, []), Marks, service => service.Scheduler, NoneLingers)
        .Select(step => step.Key).Order(StringComparer.Ordinal));
}
