using System.Collections.Immutable;
using System.Net;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Host.Draining;
using FlannelFlow.Host.LoadBalancing;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Host.Tests;

public sealed class DrainPlanTests
{
    private static readonly ServiceInNetwork Web = new("web", "net1");
    private static readonly NetworkFrame Frame = new("ffvip.1", IPv4Prefix.Parse("10.1.2.0/25", null));
    private static readonly DrainRecord Drain = new("d1", DrainReason.DesiredState, DateTimeOffset.UnixEpoch);

    [Theory]
    // What the kernel holds of c1, what is wanted of it, and the steps.
    [InlineData("1/1", "0 drains", "connection-drain/web/net1/c1/d1")]
    [InlineData("0/-", "0 drains", "")]
    [InlineData("0/0", "0 drains", "")]
    [InlineData("0/1", "0 drains", "connection-drain/web/net1/c1/d1")]
    [InlineData("none", "0 drains", "")] // its drain is over, or it never was a backend here
    [InlineData("1/1", "1 drains", "")] // held open
    [InlineData("0/-", "1 drains", "backend-add/web/net1/10.1.2.3")]
    [InlineData("0/-", "1", "backend-add/web/net1/10.1.2.3")] // called off: by its weight
    [InlineData("1/1", "1", "")]
    [InlineData("0/-", "gone", "backend-remove/web/net1/10.1.2.3")]
    [InlineData("none", "gone", "")]
    public void Plan_OfABackend_IsTheStepThatIsMissing(string held, string wanted, string steps) =>
        Assert.Equal(steps, string.Join(' ', Plan([Held(held)], wanted == "gone" ? [] : [Wanted(wanted)], isWanted: true, lingering: []).Select(step => step.Key)));

    [Fact]
    public void Drain_CarriesAllThatItNeedsWhileEtcdIsAway()
    {
        var input = Plan([Held("1/1")], [Wanted("0 drains")], isWanted: true, lingering: []).Single().Start.Input;

        Assert.Equal(
            """{"ServiceId":"web","NetworkId":"net1","ContainerId":"c1","DrainId":"d1","Reason":"DesiredState","Address":"10.1.2.3","Vip":"10.1.0.2","Marks":7}""",
            input.ToJsonString());
    }

    [Fact]
    public void ServiceThatIsRemoved_StaysUntilItsTasksAreGone()
    {
        Assert.Empty(Plan([Held("1/1")], [], isWanted: false, lingering: [Web]));
        Assert.Equal("service-withdraw/ffvip.1/10.1.0.2/7", Plan([Held("1/1")], [], isWanted: false, lingering: []).Single().Key);
    }

    [Theory]
    [InlineData("stopping 4f5e 15", "4f5e")]
    [InlineData("stopping 4f5e", null)]
    [InlineData("stopping 4f5e TERM", null)]
    [InlineData("stopping ../x 15", null)]
    [InlineData("stopping  15", null)]
    [InlineData("GET / HTTP/1.1", null)]
    [InlineData("", null)]
    public void StopSocket_TakesOneKindOfLine(string line, string? container) => Assert.Equal(container, StopSocket.Parse(line));

    private static ImmutableArray<BalancingStep> Plan(Backend?[] held, DesiredBackend[] wanted, bool isWanted, HashSet<ServiceInNetwork> lingering)
    {
        var balancers = new Dictionary<ServiceInNetwork, DesiredLoadBalancer>();
        if (isWanted) balancers[Web] = new DesiredLoadBalancer(Web, "web", IPv4Address.Parse("10.1.0.2"), "wrr", [.. wanted]);
        var service = new VirtualService { Vip = IPAddress.Parse("10.1.0.2"), Marks = FwMarkPair.Of(7), Backends = [.. held.OfType<Backend>()] };
        return BalancingPlan.Of(
            balancers,
            new Dictionary<string, NetworkFrame> { ["net1"] = Frame },
            new LoadBalancerTables([new BalancedNetwork(Frame, [service])], []),
            new Dictionary<int, ServiceInNetwork> { [7] = Web },
            balancer => balancer.Scheduler,
            lingering);
    }

    private static Backend? Held(string weights)
    {
        if (weights == "none") return null;
        var (tcp, udp) = (weights.Split('/')[0], weights.Split('/')[1]);
        return new Backend(IPAddress.Parse("10.1.2.3"), tcp[0] - '0', udp == "-" ? null : udp[0] - '0');
    }

    private static DesiredBackend Wanted(string text) =>
        new("c1", IPv4Address.Parse("10.1.2.3"), text[0] - '0', text.EndsWith("drains", StringComparison.Ordinal) ? Drain : null);
}
