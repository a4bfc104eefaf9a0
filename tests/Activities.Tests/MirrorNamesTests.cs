using System.Collections.Immutable;
using FlannelFlow.Activities.Dns;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Activities.Tests;

public sealed class MirrorNamesTests
{
    private static readonly NetworkRecord Network = new(
        "n1", "shop", IPv4Network.Parse("10.128.0.0/20"), IsInternal: false, IsAttachable: true, ImmutableSortedDictionary<string, string>.Empty);

    private static ServiceRecord Service(EndpointMode mode, string? vip) => new(
        "s1", "web", mode, [new ServiceNetwork("n1", ["www"], vip is null ? null : IPv4Address.Parse(vip))], ImmutableSortedDictionary<string, string>.Empty, []);

    private static ContainerRecord Task(int slot, string host = "h1", ContainerHealth health = ContainerHealth.None, ContainerState state = ContainerState.Ready) => new(
        $"{slot}123456789abcdef",
        host,
        $"web.{slot}.t{slot}",
        "www",
        health,
        state,
        [new ContainerNetwork("n1", $"e{slot}", IPv4Address.Parse($"10.128.2.{slot}"), ["web", "extra"], [])],
        ImmutableSortedDictionary<string, string>.Empty,
        new ContainerTask($"t{slot}", "s1", "web", "node", slot));

    private static MirrorState State(ServiceRecord service, string[] hosts, params ContainerRecord[] containers) =>
        MirrorState.Of(7, [Network], [service], containers) with
        {
            Hosts = hosts.ToImmutableDictionary(host => host, host => new HostRecord(host, "", "", 0)),
        };

    [Fact]
    public void Service_WithVip_AndItsTasks()
    {
        var names = MirrorNames.Of(State(Service(EndpointMode.Vip, "10.128.0.9"), ["h1"], Task(1)));
        var service = Assert.Single(Assert.Single(names.Services).Networks);
        Assert.Equal(("10.128.0.9", "www"), (service.Vip!.ToString(), Assert.Single(service.Aliases)));
        var task = Assert.Single(names.Containers);
        Assert.Equal(("web.1.t1", "s1", true), (task.Name, task.ServiceId, task.Ready));
        // Neither the service's name nor its alias is the task's own, though Docker lists them with it.
        Assert.Equal("10.128.2.1: extra 1123456789ab", string.Join(' ', task.Networks.Select(network => $"{network.Address}: {string.Join(' ', network.Names)}")));
    }

    [Fact]
    public void Service_WhoseVipIsNotAllocatedYet_HasNoNames() =>
        Assert.Empty(Assert.Single(MirrorNames.Of(State(Service(EndpointMode.Vip, null), ["h1"])).Services).Networks);

    [Fact]
    public void Service_Dnsrr_HasNamesWithoutVip() =>
        Assert.Null(Assert.Single(Assert.Single(MirrorNames.Of(State(Service(EndpointMode.Dnsrr, null), ["h1"])).Services).Networks).Vip);

    [Theory]
    [InlineData(ContainerHealth.None, ContainerState.Ready, true)]
    [InlineData(ContainerHealth.Healthy, ContainerState.Ready, true)]
    [InlineData(ContainerHealth.Starting, ContainerState.Ready, false)]
    [InlineData(ContainerHealth.Unhealthy, ContainerState.Ready, false)]
    [InlineData(ContainerHealth.Healthy, ContainerState.Draining, false)]
    public void Ready(ContainerHealth health, ContainerState state, bool ready) => Assert.Equal(
        ready, Assert.Single(MirrorNames.Of(State(Service(EndpointMode.Vip, "10.128.0.9"), ["h1"], Task(1, health: health, state: state))).Containers).Ready);

    [Theory]
    [InlineData("h1 h2", "h1 h2")]
    [InlineData("h1", "h1")]
    [InlineData("", "h1 h2")]
    public void Tasks_OfHostsWithoutDaemon_CountWhereThereAreNoOthers(string daemons, string ready)
    {
        var names = MirrorNames.Of(State(
            Service(EndpointMode.Vip, "10.128.0.9"), daemons.Split(' ', StringSplitOptions.RemoveEmptyEntries), Task(1), Task(2, "h2"), Task(3, health: ContainerHealth.Starting)));
        Assert.Equal(ready, string.Join(' ', names.Containers.Where(task => task.Ready).Select(task => task.Name == "web.1.t1" ? "h1" : "h2").Order()));
    }

    [Fact]
    public void Tasks_OfAHostThatIsGone_AreNotReady_ButOnTheHostItself()
    {
        var state = State(Service(EndpointMode.Vip, "10.128.0.9"), ["h1", "h2"], Task(1), Task(2, "h2")) with { Gone = ["h2"] };
        Assert.Equal("web.1.t1", Assert.Single(MirrorNames.Of(state).Containers, task => task.Ready).Name);
        Assert.All(MirrorNames.Of(state with { Here = "h2" }).Containers, task => Assert.True(task.Ready));
    }

    [Fact]
    public void Acknowledgement_ChangesNoNames_AHostDoes()
    {
        var state = State(Service(EndpointMode.Vip, "10.128.0.9"), ["h1"], Task(1));
        var later = state with { Revision = 8, Hosts = state.Hosts.SetItem("h1", new HostRecord("h1", "", "", 7)) };
        Assert.True(MirrorNames.AreSame(state, later));
        Assert.False(MirrorNames.AreSame(state, later with { Hosts = later.Hosts.Remove("h1") }));
        Assert.False(MirrorNames.AreSame(state, later with { Gone = ["h1"] }));
    }
}
