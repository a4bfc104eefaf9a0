using System.Collections.Immutable;
using FlannelFlow.Activities.LoadBalancing;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Tests;

public sealed class LoadBalancingTests : IDisposable
{
    private const string Device = "ffvip.6514";
    private const string Subnet = "10.128.18.128/25";
    private static readonly IPv4Network Pool = IPv4Network.Parse("10.128.16.0/20");
    private static readonly ActivityExecution Execution = new(new InstanceId("i"), "a", 1, "k");
    private static readonly ImmutableSortedDictionary<string, string> NoLabels = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);
    private readonly string _state = Directory.CreateTempSubdirectory("ff-load-balancing-").FullName;
    private readonly HostNetworks _networks;
    private readonly FakeLoadBalancer _kernel = new();
    private readonly HostBalancing _balancing;
    private MirrorState? _mirror;

    public LoadBalancingTests()
    {
        _networks = new HostNetworks(_state);
        _networks.Write(new HostNetwork("net1", Pool, 6514, 0, IdleSince: null), new Dictionary<string, string>());
        File.WriteAllText(_networks.SubnetFileOf(Pool), "FLANNEL_SUBNET=10.128.18.129/25\nFLANNEL_MTU=1450\n");
        _balancing = new HostBalancing(() => _mirror, _networks, _kernel.Schedulers);
        _mirror = State("wrr", Task("c1", "10.128.18.130"), Task("c2", "10.128.19.2"));
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _kernel.Dispose();
        Directory.Delete(_state, recursive: true);
    }

    [Fact]
    public async Task Publish_IsTheServiceWithItsBackendsOfThisMoment()
    {
        await PublishAsync();
        Assert.Equal(
            """
            network ffvip.6514 10.128.18.128/25
              10.128.16.2 0x1000000e/0x1000000f wrr
                10.128.18.130 tcp 1 udp 1
                10.128.19.2 tcp 1 udp 1

            """,
            _kernel.ToString());
    }

    [Fact]
    public async Task Publish_SchedulerThatThePlaneLacks_IsTheDefault()
    {
        _mirror = State("mh", Task("c1", "10.128.18.130"));
        await PublishAsync();
        Assert.Contains("10.128.16.2 0x1000000e/0x1000000f wrr", _kernel.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Publish_OfWhatIsNotWantedAnyMore_OrOnANetworkThatIsNotHere_DoesNothing()
    {
        await new PublishService(_balancing, _kernel).ExecuteAsync(new PublishService.In("other", "net1", 7), Execution, Ct);
        _networks.Delete("net1", Pool);
        await PublishAsync();
        Assert.Equal("", _kernel.ToString());
    }

    [Fact]
    public async Task Steps_BeforeTheMirrorIsRead_AreTriedAgain()
    {
        _mirror = null;
        var unread = await Assert.ThrowsAsync<MirrorUnreadException>(PublishAsync);
        Assert.Equal(FaultKind.Retryable, ActivitySet.Classify(unread));
    }

    [Fact]
    public async Task AddBackend_HasTheWeightOfThisMoment_AndOneThatIsGoneIsNotAdded()
    {
        _mirror = State("wrr", Task("c1", "10.128.18.130"));
        await PublishAsync();
        _mirror = State("wrr", Task("c1", "10.128.18.130"), Task("c2", "10.128.19.2") with { Labels = NoLabels.Add("flannelflow.weight", "4") });
        Assert.Equal(new AddBackend.Out("10.128.19.2", 4), await AddAsync("c2"));
        Assert.Equal(new AddBackend.Out("", 0), await AddAsync("c3"));
        Assert.Equal(2, _kernel.ToString().Split("tcp").Length - 1);
        Assert.Contains("10.128.19.2 tcp 4 udp 4", _kernel.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AddBackend_OfAServiceThatIsWithdrawn_IsNoFault() => Assert.Equal(new AddBackend.Out("", 0), await AddAsync("c1"));

    [Fact]
    public async Task RemoveBackend_ThatIsOneAgain_StaysAndOneThatIsGoneGoes()
    {
        await PublishAsync();
        Assert.False((await RemoveAsync("10.128.19.2")).Removed);
        _mirror = State("wrr", Task("c1", "10.128.18.130"));
        Assert.True((await RemoveAsync("10.128.19.2")).Removed);
        Assert.DoesNotContain("10.128.19.2", _kernel.ToString(), StringComparison.Ordinal);
        Assert.Contains("10.128.18.130", _kernel.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Withdraw_TheLast_TakesTheDevice_OneOfTwoDoesNot()
    {
        await PublishAsync();
        await _kernel.EnsureServiceAsync(
            _balancing.FrameOf("net1")!,
            new Linux.LoadBalancing.VirtualService { Vip = System.Net.IPAddress.Parse("10.128.16.9"), Marks = Linux.LoadBalancing.FwMarkPair.Of(8) },
            Ct);
        var withdraw = new WithdrawService(_kernel);
        await withdraw.ExecuteAsync(new WithdrawService.In(Device, Subnet, "10.128.16.2", 7), Execution, Ct);
        Assert.Equal("network ffvip.6514 10.128.18.128/25\n  10.128.16.9 0x10000010/0x10000011 wrr\n", _kernel.ToString());
        await withdraw.ExecuteAsync(new WithdrawService.In(Device, Subnet, "10.128.16.9", 8), Execution, Ct);
        await withdraw.ExecuteAsync(new WithdrawService.In(Device, Subnet, "10.128.16.9", 8), Execution, Ct);
        Assert.Equal("", _kernel.ToString());
    }

    [Fact]
    public async Task WithdrawNetwork_TakesAllOfIt_AndIsDoneTwice()
    {
        await PublishAsync();
        await new WithdrawNetwork(_kernel).ExecuteAsync(new WithdrawNetwork.In(0), Execution, Ct);
        Assert.NotEqual("", _kernel.ToString());
        await new WithdrawNetwork(_kernel).ExecuteAsync(new WithdrawNetwork.In(6514), Execution, Ct);
        await new WithdrawNetwork(_kernel).ExecuteAsync(new WithdrawNetwork.In(6514), Execution, Ct);
        Assert.Equal("", _kernel.ToString());
    }

    [Fact]
    public async Task Mend_TakesStrays_AndLeavesServices()
    {
        await PublishAsync();
        var before = _kernel.ToString();
        _kernel.Strays.Add("mark 0x10000044");
        await new MendLoadBalancers(_kernel).ExecuteAsync(new MendLoadBalancers.In(), Execution, Ct);
        Assert.Empty(_kernel.Strays);
        Assert.Equal(before, _kernel.ToString());
    }

    private Task<PublishService.Out> PublishAsync() => new PublishService(_balancing, _kernel).ExecuteAsync(new PublishService.In("web", "net1", 7), Execution, Ct);

    private Task<AddBackend.Out> AddAsync(string container) =>
        new AddBackend(_balancing, _kernel).ExecuteAsync(new AddBackend.In("web", "net1", container, 7), Execution, Ct);

    private Task<RemoveBackend.Out> RemoveAsync(string address) =>
        new RemoveBackend(_balancing, _kernel).ExecuteAsync(new RemoveBackend.In("web", "net1", address, "10.128.16.2", 7), Execution, Ct);

    private static MirrorState State(string scheduler, params ContainerRecord[] containers) => MirrorState.Of(
        1,
        [new NetworkRecord("net1", "net1", Pool, IsInternal: false, IsAttachable: true, NoLabels)],
        [new ServiceRecord(
            "web", "web", EndpointMode.Vip, [new ServiceNetwork("net1", [], IPv4Address.Parse("10.128.16.2"))], NoLabels.Add("flannelflow.scheduler", scheduler), [])],
        containers);

    private static ContainerRecord Task(string id, string address) => new(
        id, "n1", id, id, ContainerHealth.None, ContainerState.Ready, [new ContainerNetwork("net1", "ep", IPv4Address.Parse(address), [], [])], NoLabels,
        new ContainerTask("t", "web", "web", "node"));
}
