using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Tests.Support;
using static FlannelFlow.Cluster.Tests.Mirror.Records;

namespace FlannelFlow.Cluster.Tests.LoadBalancing;

[Trait("Needs", "etcd")]
public sealed class MarkAllocatorTests(EtcdProcess etcd) : IClassFixture<EtcdProcess>
{
    private readonly ClusterKeys _keys = etcd.NewKeys();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Marks_AreOnePairPerServiceAndNetwork_ForEveryoneWhoAsks()
    {
        var hosts = Enumerable.Range(0, 4).Select(_ => Allocator(99)).ToList();
        var services = Enumerable.Range(0, 10).Select(i => new ServiceInNetwork($"s{i / 2}", $"net{i % 2}")).ToList();
        var given = await Task.WhenAll(hosts.SelectMany(host => services.Select(service => host.AllocateAsync(service, Ct))));
        foreach (var service in services) Assert.Single(given.Where(marks => marks.Service == service).Select(marks => marks.Index).Distinct());
        Assert.Equal(10, given.Select(marks => marks.Index).Distinct().Count());
        Assert.Equal(10, (await Allocator(99).ListAsync(Ct)).Count);
    }

    [Fact]
    public async Task Released_IsTheLastToBeGivenAgain()
    {
        var allocator = Allocator(3);
        var first = await allocator.AllocateAsync(Of("a"), Ct);
        Assert.Equal(0, first.Index);
        Assert.Equal(1, (await allocator.AllocateAsync(Of("b"), Ct)).Index);
        await allocator.ReleaseAsync(first, Ct);
        Assert.Equal(2, (await allocator.AllocateAsync(Of("a"), Ct)).Index);
        Assert.Equal(3, (await allocator.AllocateAsync(Of("c"), Ct)).Index);
        Assert.Equal(0, (await allocator.AllocateAsync(Of("d"), Ct)).Index);
        var full = await Assert.ThrowsAsync<AddressRefusedException>(() => allocator.AllocateAsync(Of("e"), Ct));
        Assert.Equal("all 4 pairs of firewall marks are in use", full.Message);
    }

    [Fact]
    public async Task Release_OfWhatIsAnothersByNow_TakesNothing()
    {
        var allocator = Allocator(0);
        var old = await allocator.AllocateAsync(Of("a"), Ct);
        await allocator.ReleaseAsync(old, Ct);
        await allocator.AllocateAsync(Of("b"), Ct);
        await allocator.ReleaseAsync(old, Ct);
        Assert.Equal(Of("b"), Assert.Single(await allocator.ListAsync(Ct)).Service);
    }

    [Fact]
    public async Task Value_ThatIsNoRecord_KeepsItsIndex()
    {
        await etcd.Store.PutAsync(_keys.Mark(0), "?", EtcdLeaseId.None, Ct);
        Assert.Equal(1, (await Allocator(9).AllocateAsync(Of("a"), Ct)).Index);
    }

    [Fact]
    public async Task Marks_OfAServiceThatLeftItsNetwork_AreReleased_WhenEveryLivingHostKnows()
    {
        var allocator = Allocator(9);
        var upkeep = new MarkUpkeep(allocator);
        await allocator.AllocateAsync(Of("web"), Ct);
        var published = State(5, Service("web", ("net1", "10.1.0.2")));
        Assert.Equal(0, await upkeep.LookAsync(Acknowledged(published, 5), Ct));
        var withdrawn = State(6, Service("web", ("net1", null)));
        Assert.Equal(0, await upkeep.LookAsync(Acknowledged(withdrawn, 5), Ct));

        // It comes back: what was seen before counts no more.
        Assert.Equal(0, await upkeep.LookAsync(Acknowledged(State(7, Service("web", ("net1", "10.1.0.2"))), 7), Ct));
        Assert.Equal(0, await upkeep.LookAsync(Acknowledged(State(8), 7), Ct));
        Assert.Equal(1, await upkeep.LookAsync(Acknowledged(State(9), 8), Ct));
        Assert.Empty(await allocator.ListAsync(Ct));
    }

    private static MirrorState State(long revision, params ServiceRecord[] services) => MirrorState.Of(revision, [], services, []);

    private static MirrorState Acknowledged(MirrorState state, long revision) =>
        state with { Hosts = state.Hosts.Add("n1", new HostRecord("n1", "", "", revision)) };

    private static ServiceInNetwork Of(string service) => new(service, "net1");

    private MarkAllocator Allocator(int lastIndex) => new(etcd.Store, _keys, lastIndex);
}
