using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Cluster.Tests.Support;
using static FlannelFlow.Cluster.Tests.Mirror.Records;

namespace FlannelFlow.Cluster.Tests.Addresses;

/// <summary>Pool 10.1.0.0/24: service range /27, host subnets of /28, of which n1 has .32.</summary>
[Trait("Needs", "etcd")]
public sealed class AddressUpkeepTests(EtcdProcess etcd) : IClassFixture<EtcdProcess>, IAsyncLifetime
{
    private static readonly AddressSpace Space =
        new AddressSpaceOptions { AvailableSubnets = "10.1.0.0/16", NetworkSubnetSize = 24, DefaultHostSubnetSize = 28 }.ToAddressSpace();

    private static readonly IPv4Network Pool = IPv4Network.Parse("10.1.0.0/24");
    private static readonly AddressRange Service = AddressRange.Service(Space.Layout(Pool));
    private static readonly AddressRange Node1 = AddressRange.Host(Pool, IPv4Network.Parse("10.1.0.32/28"));
    private readonly Clock _clock = new();
    private AddressAllocator _addresses = null!;
    private AddressUpkeep _upkeep = null!;
    private int _requests;
    private string _prefix = "";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var keys = etcd.NewKeys();
        using var pools = new PoolAllocator(etcd.Store, keys, Space, TimeProvider.System);
        await pools.AllocateAsync(new PoolRequest($"{Pool}", null, "pool"), Ct);
        var options = new AddressAllocatorOptions { Quarantine = TimeSpan.FromSeconds(10) };
        _addresses = new AddressAllocator(etcd.Store, keys, _clock, options);
        _upkeep = new AddressUpkeep(_addresses, options, "m1", _clock);
        await _addresses.RequestAsync(new AddressRequest(Service, AddressKind.Gateway, null, "gateway", "m1"), Ct);
        _prefix = keys.Prefix;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task LeadersAddresses_BecomeWhatTheMirrorSaysTheyAre()
    {
        for (var i = 2; i <= 4; i++) await TakeAsync(Service, "m1");
        var state = State(7, [Service1("10.1.0.2")], Container("c1", "n1", "web", ("net1", "10.1.0.34", "10.1.0.3")));
        Assert.Equal(2, await _upkeep.LookAsync(state, Ct));
        Assert.Equal("2 vip reserved web\n3 provisional spare \n4 provisional reserved ", await TextAsync());
        Assert.Equal(0, await _upkeep.LookAsync(state, Ct));
    }

    [Fact]
    public async Task Provisional_ThatIsAlsoAVip_OrTheRealAddressOfSomebody_IsNeverSpare()
    {
        for (var i = 2; i <= 3; i++) await TakeAsync(Service, "m1");
        await _upkeep.LookAsync(
            State(
                7,
                [Service1("10.1.0.2")],
                Container("c1", "n1", "web", ("net1", "10.1.0.34", "10.1.0.2")),
                Container("c2", "n1", "web", ("net1", "10.1.0.35", "10.1.0.3")),
                Container("c3", "n1", null, ("net1", "10.1.0.3", null))),
            Ct);
        Assert.Equal("2 vip reserved web\n3 provisional reserved ", await TextAsync());
    }

    [Fact]
    public async Task Spare_ThatWasGivenAgain_StaysItsNewHolders_WhateverTheFirstContainerSays()
    {
        for (var i = 2; i <= 30; i++) await TakeAsync(Service, "m1");
        var first = Container("c1", "n1", "web", ("net1", "10.1.0.34", "10.1.0.9"));
        await _upkeep.LookAsync(State(7, [], first), Ct);
        Assert.Equal("10.1.0.9", await TakeAsync(Service, "m1"));
        Assert.Equal(0, await _upkeep.LookAsync(State(8, [], first), Ct));

        // Its new holder is a container with another address, too: spare once more.
        var second = Container("c2", "n1", "web", ("net1", "10.1.0.35", "10.1.0.9"));
        Assert.Equal(1, await _upkeep.LookAsync(State(9, [], first, second), Ct));
        Assert.Contains("9 provisional spare", await TextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Quarantine_Ends_WhenItsTimeIsOver_NobodyHasTheAddress_AndEveryLivingHostKnows()
    {
        await TakeAsync(Node1, "m1");
        await _addresses.ReleaseAsync(Node1, Ip("10.1.0.34"), Ct);
        var used = State(5, [], Container("c1", "n1", null, ("net1", "10.1.0.34", null)));
        _clock.Now += TimeSpan.FromSeconds(60);
        Assert.Equal(0, await _upkeep.LookAsync(Acknowledged(used, 5), Ct));

        // Gone at revision 6; n2 lags behind.
        Assert.Equal(0, await _upkeep.LookAsync(Acknowledged(State(6, []), 6, 5), Ct));
        Assert.Equal(0, await _upkeep.LookAsync(Acknowledged(State(9, []), 9, 5), Ct));
        Assert.Equal(1, await _upkeep.LookAsync(Acknowledged(State(9, []), 9, 6), Ct));
        Assert.Equal("", await TextAsync());
    }

    [Fact]
    public async Task Quarantine_LastsItsTime_AlsoWhenEverybodyKnows()
    {
        await TakeAsync(Node1, "m1");
        await _addresses.ReleaseAsync(Node1, Ip("10.1.0.34"), Ct);
        Assert.Equal(0, await _upkeep.LookAsync(Acknowledged(State(6, []), 6), Ct));
        _clock.Now += TimeSpan.FromSeconds(9);
        Assert.Equal(0, await _upkeep.LookAsync(Acknowledged(State(6, []), 6), Ct));
        _clock.Now += TimeSpan.FromSeconds(1);
        Assert.Equal(1, await _upkeep.LookAsync(Acknowledged(State(6, []), 6), Ct));
    }

    [Fact]
    public async Task Vip_WhoseServiceIsGone_AndWhichDockerDoesNotRelease_IsReleasedAfterAMinute()
    {
        await TakeAsync(Service, "m1");
        await _upkeep.LookAsync(State(7, [Service1("10.1.0.2")]), Ct);
        Assert.Equal(0, await _upkeep.LookAsync(State(8, []), Ct));
        _clock.Now += TimeSpan.FromSeconds(59);
        Assert.Equal(0, await _upkeep.LookAsync(State(9, []), Ct));
        _clock.Now += TimeSpan.FromSeconds(1);
        Assert.Equal(1, await _upkeep.LookAsync(State(9, []), Ct));
        Assert.Equal("2 vip quarantined web", await TextAsync());
    }

    [Fact]
    public async Task Vip_WhoseServiceWasMissingForAMoment_OrWhichSomebodyIsPromised_IsKept()
    {
        for (var i = 2; i <= 3; i++) await TakeAsync(Service, "m1");
        var both = State(7, [Service1("10.1.0.2"), Service("db", ("net1", "10.1.0.3"))]);
        await _upkeep.LookAsync(both, Ct);
        var promised = Container("c1", "n1", "web", ("net1", "10.1.0.34", "10.1.0.3"));
        for (var half = 0; half < 4; half++)
        {
            await _upkeep.LookAsync(State(8, [], promised), Ct);
            _clock.Now += TimeSpan.FromSeconds(50);
            await _upkeep.LookAsync(State(9, [Service1("10.1.0.2")], promised), Ct);
        }

        Assert.Equal("2 vip reserved web\n3 vip reserved db", await TextAsync());
    }

    /// <summary>etcd lost them (a backup was restored, or another hand deleted them): nobody else may be given what Docker's leader holds.</summary>
    [Fact]
    public async Task LeadersAddresses_ThatEtcdLost_AreWrittenAgain_AfterTwoLooks_AndAreGivenToNobodyElse()
    {
        var state = State(7, [Service1("10.1.0.2")], Container("c1", "n1", "web", ("net1", "10.1.0.34", "10.1.0.3")));
        await etcd.Store.DeleteAsync(EtcdKeys.Under(_prefix + "/addresses/"), Ct);
        Assert.Equal(0, await _upkeep.LookAsync(state, Ct));
        Assert.Equal(2, await _upkeep.LookAsync(state, Ct));
        Assert.Equal("2 vip reserved web", await TextAsync());
        _clock.Now += TimeSpan.FromSeconds(60);
        Assert.Equal(1, await _upkeep.LookAsync(state, Ct));
        Assert.Equal("2 vip reserved web\n3 provisional spare ", await TextAsync());
        Assert.Contains(await _addresses.ListAllAsync(Ct), record => record.Value.Kind == AddressKind.Gateway && record.Address == Ip("10.1.0.1"));
        Assert.Equal(0, await _upkeep.LookAsync(state, Ct));
        Assert.Equal("10.1.0.4", await TakeAsync(Service, "m1"));

        // Docker's release finds it, and of it a tombstone is left, which is no loss.
        await _addresses.ReleaseAsync(Service, Ip("10.1.0.2"), Ct);
        await _upkeep.LookAsync(state, Ct);
        await _upkeep.LookAsync(state, Ct);
        Assert.StartsWith("2 vip quarantined web", await TextAsync(), StringComparison.Ordinal);
    }

    /// <summary>A busy host starts a container whose task was removed meanwhile, and says so when the address has long been released.</summary>
    [Fact]
    public async Task ProvisionalAddress_OfAContainerThatIsReportedAfterItsRelease_IsNotWrittenAgain()
    {
        var late = State(7, [], Container("c1", "n1", "web", ("net1", "10.1.0.34", "10.1.0.3")));
        for (var i = 0; i < 5; i++, _clock.Now += TimeSpan.FromSeconds(10)) Assert.Equal(0, await _upkeep.LookAsync(late, Ct));
        await _upkeep.LookAsync(State(8, []), Ct);
        _clock.Now += TimeSpan.FromSeconds(60);
        for (var i = 0; i < 2; i++) Assert.Equal(0, await _upkeep.LookAsync(late, Ct));
        Assert.Equal("", await TextAsync());
    }

    [Fact]
    public async Task Address_ThatIsMissingInOneLookOnly_IsNotRestored()
    {
        var state = State(7, [Service1("10.1.0.2")]);
        await _upkeep.LookAsync(state, Ct);
        await _upkeep.LookAsync(State(8, []), Ct);
        await _upkeep.LookAsync(state, Ct);
        Assert.Equal("", await TextAsync());
    }

    [Fact]
    public async Task Host_LooksAfterItsOwnAddresses_AndThoseOfHostsThatDoNotLive()
    {
        await TakeAsync(Node1, "host0");
        await TakeAsync(Node1, "gone");
        foreach (var record in await _addresses.ListRangeAsync(Node1, Ct)) await _addresses.ReleaseAsync(Node1, record.Address, Ct);
        _clock.Now += TimeSpan.FromSeconds(60);
        Assert.Equal(1, await _upkeep.LookAsync(Acknowledged(State(6, []), 6), Ct));
        Assert.Equal("34 container quarantined ", await TextAsync());
    }

    private static ServiceRecord Service1(string vip) => Service("web", ("net1", vip));

    private static MirrorState State(long revision, ServiceRecord[] services, params ContainerRecord[] containers) =>
        MirrorState.Of(revision, [Network("net1", "10.1.0.0/24")], services, containers);

    private static MirrorState Acknowledged(MirrorState state, params long[] byHost) => state with
    {
        Hosts = state.Hosts.AddRange(byHost.Select((revision, index) => KeyValuePair.Create($"host{index}", new HostRecord($"host{index}", "", "", revision)))),
    };

    private async Task<string> TakeAsync(AddressRange range, string host) => (await _addresses.RequestAsync(
        new AddressRequest(range, range.IsService ? AddressKind.Provisional : AddressKind.Container, null, $"r{++_requests}", host), Ct)).Address.ToString();

    private async Task<string> TextAsync() => string.Join('\n', (await _addresses.ListAllAsync(Ct)).Where(record => record.Value.Kind != AddressKind.Gateway).OrderBy(record => record.Address).Select(record =>
        $"{record.Address.Value & 0xff} {record.Value.Kind.ToString().ToLowerInvariant()} {record.Value.State.ToString().ToLowerInvariant()} {record.Value.Owner}"));

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
