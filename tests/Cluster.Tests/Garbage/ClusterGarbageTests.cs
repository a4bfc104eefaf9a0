using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Garbage;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Cluster.Tests.Support;

namespace FlannelFlow.Cluster.Tests.Garbage;

/// <summary>What belongs to nobody is taken after its age, once, and only as long as it belongs to nobody.</summary>
[Trait("Needs", "etcd")]
public sealed class ClusterGarbageTests : IClassFixture<EtcdProcess>, IDisposable
{
    private static readonly AddressSpace Space = new AddressSpaceOptions { AvailableSubnets = "192.168.0.0/16" }.ToAddressSpace();
    private static readonly IPv4Network Pool = IPv4Network.Parse("192.168.0.0/20");
    private static readonly IPv4Network Subnet = IPv4Network.Parse("192.168.2.0/25");
    private readonly EtcdProcess _etcd;
    private readonly ClusterKeys _keys;
    private readonly Clock _clock = new();
    private readonly PoolAllocator _pools;
    private readonly VniAllocator _vnis;
    private readonly GarbageCollector _collector;

    public ClusterGarbageTests(EtcdProcess etcd)
    {
        _etcd = etcd;
        _keys = etcd.NewKeys();
        _pools = new PoolAllocator(etcd.Store, _keys, Space, _clock);
        _vnis = new VniAllocator(etcd.Store, _keys, Space);
        _collector = new GarbageCollector(etcd.Store, _keys, _pools, _vnis, new GarbageOptions(TimeSpan.FromMinutes(10)), _clock);
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => _pools.Dispose();

    [Fact]
    public async Task Host_ThatIsGone_LeavesItsRecordsForTenMinutes_AndOneThatIsThereKeepsThem()
    {
        await PutAsync(_keys.Host("n1"), _keys.DockerContainer("n1", "c1"), _keys.DockerContainer("n2", "c2"), _keys.HostWorkflows("n2") + "w1");
        Assert.Equal("", await DueAsync());
        _clock.Now += TimeSpan.FromMinutes(9);
        Assert.Equal("", await DueAsync());
        _clock.Now += TimeSpan.FromMinutes(1);
        Assert.Equal("GoneHost n2", await DueAsync());

        // It comes back in that moment.
        await PutAsync(_keys.Host("n2"));
        Assert.False(await TakeAsync("GoneHost n2"));
        await _etcd.Store.DeleteAsync(EtcdKeys.One(_keys.Host("n2")), Ct);
        Assert.True(await TakeAsync("GoneHost n2"));
        Assert.Equal("docker/containers/n1/c1 hosts/n1", await KeysAsync());
    }

    [Fact]
    public async Task FormerName_IsTakenAtOnce_UnlessAnotherHostMayHaveItNow()
    {
        string[] left = [_keys.HostSign("n2"), _keys.DockerContainer("n2", "c2"), _keys.HostWorkflows("n2") + "w1", _keys.HostRequests("n2") + "r1", _keys.EncryptionOf("n2")];
        await PutAsync([.. left, _keys.DockerContainer("n21", "c3")]);
        await PutRecordAsync("10.77.0.12");
        Assert.False(await _collector.TakeFormerNameAsync("n2", "10.77.0.13", Ct));
        Assert.False(await _collector.TakeFormerNameAsync("n2", "", Ct));
        Assert.Equal(7, (await KeysAsync()).Split(' ').Length);
        Assert.True(await _collector.TakeFormerNameAsync("n2", "10.77.0.12", Ct));
        Assert.Equal("docker/containers/n21/c3", await KeysAsync());

        // Neither host knows its address; the record ends by itself.
        await PutAsync(left);
        await PutRecordAsync("");
        Assert.False(await _collector.TakeFormerNameAsync("n2", "", Ct));
        await _etcd.Store.DeleteAsync(EtcdKeys.One(_keys.Host("n2")), Ct);
        Assert.True(await _collector.TakeFormerNameAsync("n2", "", Ct));
        Assert.Equal("docker/containers/n21/c3", await KeysAsync());

        Task PutRecordAsync(string underlay) => _etcd.Store.PutAsync(_keys.Host("n2"), MirrorJson.Write(new HostRecord("n2", "1", underlay, 1)), EtcdLeaseId.None, Ct);
    }

    [Fact]
    public async Task Keys_OfAHostWhoseDaemonIsAway_StayForADay_AsItsKernelMayGoOn()
    {
        await PutAsync(_keys.EncryptionOf("n2"), _keys.EncryptionOf("n20"), _keys.Host("n20"));
        Assert.Equal("", await DueAsync());
        _clock.Now += TimeSpan.FromHours(23);
        Assert.Equal("", await DueAsync());
        _clock.Now += TimeSpan.FromHours(1);
        Assert.Equal("KeysOfGoneHost n2", await DueAsync());
        Assert.True(await TakeAsync("KeysOfGoneHost n2"));
        Assert.Equal("encryption/n20 hosts/n20", await KeysAsync());
    }

    [Fact]
    public async Task Host_ThatWasSeenAgain_IsCountedAnew()
    {
        await PutAsync(_keys.DockerContainer("n2", "c2"));
        await DueAsync();
        _clock.Now += TimeSpan.FromMinutes(9);
        await PutAsync(_keys.Host("n2"));
        await DueAsync();
        await _etcd.Store.DeleteAsync(EtcdKeys.One(_keys.Host("n2")), Ct);
        await DueAsync();
        _clock.Now += TimeSpan.FromMinutes(9);
        Assert.Equal("", await DueAsync());
    }

    [Fact]
    public async Task Addresses_OfASubnetThatNobodyLeases_AreTaken_ThoseOfALeasedOneAndTheLeadersAreNot()
    {
        await LinkedAsync();
        var leased = IPv4Network.Parse("192.168.2.128/25");
        await PutAsync(_keys.Network(Pool).Subnet(leased), Address(leased, "192.168.2.130"), Address(Subnet, "192.168.2.3"), $"{_keys.AddressesOf(Pool)}service/192.168.0.2");
        await DueAsync(Docker());
        _clock.Now += TimeSpan.FromMinutes(10);
        Assert.Equal("DesertedAddresses 192.168.0.0/20 192.168.2.0/25", await DueAsync(Docker()));
        Assert.True(await TakeAsync("DesertedAddresses 192.168.0.0/20 192.168.2.0/25"));
        Assert.Equal(2, (await _etcd.Store.RangeAsync(EtcdKeys.Under(_keys.Addresses), Ct)).Entries.Count);
        await PutAsync(_keys.Network(Pool).Subnet(Subnet), Address(Subnet, "192.168.2.3"));
        Assert.False(await TakeAsync("DesertedAddresses 192.168.0.0/20 192.168.2.0/25"));
    }

    [Fact]
    public async Task Pools_AreTaken_WhereDockerHasNoNetworkOfThem_AndNotWithoutAskingDocker()
    {
        await LinkedAsync();
        await _pools.AllocateAsync(new PoolRequest("192.168.16.0/20", null, "r2"), Ct);
        await _pools.AllocateAsync(new PoolRequest("192.168.32.0/20", null, "r3"), Ct);
        // A network of another driver that has only its addresses from us.
        DockerNetwork[] docker = [new("n9", null, null, [IPv4Network.Parse("192.168.32.0/20")])];
        await DueAsync(docker);
        _clock.Now += TimeSpan.FromMinutes(10);
        Assert.Equal("PoolWithoutNetwork net1\nUnusedPool 192.168.16.0/20", await DueAsync(docker));
        Assert.True(await TakeAsync("PoolWithoutNetwork net1"));
        Assert.True(await TakeAsync("UnusedPool 192.168.16.0/20"));
        Assert.False(await TakeAsync("PoolWithoutNetwork net1"));
        Assert.Equal("address-space/pools/192.168.32.0-20", await KeysAsync());
        _clock.Now += TimeSpan.FromMinutes(10);
        Assert.Equal("", await DueAsync());
    }

    [Fact]
    public async Task FreedPool_WhoseLastHostDied_IsTaken_OnceItsLeaseIsGone()
    {
        await LinkedAsync();
        await PutAsync(_keys.Network(Pool).Subnet(Subnet));
        await _pools.MarkFreedAsync("net1", Ct);
        await DueAsync();
        _clock.Now += TimeSpan.FromMinutes(10);
        Assert.Equal("", await DueAsync());
        await _etcd.Store.DeleteAsync(EtcdKeys.One(_keys.Network(Pool).Subnet(Subnet)), Ct);
        await DueAsync();
        _clock.Now += TimeSpan.FromMinutes(10);
        Assert.Equal("DesertedPool 192.168.0.0/20", await DueAsync());
        Assert.True(await TakeAsync("DesertedPool 192.168.0.0/20"));
        Assert.Equal("", await KeysAsync());
    }

    [Fact]
    public async Task Vni_AndRecords_OfNoPool_AreTaken_ButNotThoseOfANetworkThatDockerHas()
    {
        await PutAsync(_keys.Network(Pool).Config, Address(Subnet, "192.168.2.3"), _keys.Network(Pool).Subnet(Subnet));
        await _etcd.Store.PutAsync(_keys.Vni(7000), """{"pool":"192.168.0.0/20"}""", EtcdLeaseId.None, Ct);
        Assert.Equal("", await DueAsync());
        _clock.Now += TimeSpan.FromMinutes(10);
        Assert.Equal("", await DueAsync());
        Assert.Equal("", await DueAsync(Docker()));

        // It is Docker's: the record is written anew, and nothing of it is taken.
        Assert.Equal("NetworkWithoutPool net1 192.168.0.0/20 7000", await DueAsync(Docker()));
        Assert.True(await TakeAsync("NetworkWithoutPool net1 192.168.0.0/20 7000"));
        Assert.False(await TakeAsync("NetworkWithoutPool net1 192.168.0.0/20 7000"));
        Assert.Equal((PoolState.Linked, 7000), ((await _pools.FindAsync(Pool, Ct))!.State, (await _pools.FindAsync(Pool, Ct))!.Vni));
        Assert.False(await TakeAsync("Vni 7000 192.168.0.0/20"));

        await _etcd.Store.DeleteAsync(EtcdKeys.One(_keys.Pool(Pool)), Ct);
        await DueAsync([]);
        _clock.Now += TimeSpan.FromMinutes(10);
        Assert.Equal("RecordsWithoutPool 192.168.0.0/20\nVni 7000 192.168.0.0/20", await DueAsync([]));
        Assert.True(await TakeAsync("Vni 7000 192.168.0.0/20"));
        Assert.True(await TakeAsync("RecordsWithoutPool 192.168.0.0/20"));
        Assert.Equal("", await KeysAsync());
    }

    private static DockerNetwork[] Docker() => [new("net1", Pool, 7000, [Pool])];

    private async Task LinkedAsync()
    {
        await _pools.AllocateAsync(new PoolRequest($"{Pool}", null, "r1"), Ct);
        await _vnis.AllocateAsync(Pool, 7000, Ct);
        await _pools.LinkAsync(Pool, "net1", Ct);
    }

    private string Address(IPv4Network subnet, string address) => $"{_keys.AddressesOf(Pool)}{subnet.PathForm}/{address}";

    private async Task PutAsync(params string[] keys)
    {
        foreach (var key in keys) await _etcd.Store.PutAsync(key, "{}", EtcdLeaseId.None, Ct);
    }

    private async Task<string> DueAsync(IReadOnlyCollection<DockerNetwork>? docker = null) => string.Join(
        '\n', _collector.Due(await ClusterPicture.ReadAsync(_etcd.Store, _keys, Ct), docker).Select(garbage => garbage.Key).Order(StringComparer.Ordinal));

    private Task<bool> TakeAsync(string key) => _collector.TakeAsync(FlannelFlow.Cluster.Garbage.Garbage.Parse(key)!, Ct);

    private async Task<string> KeysAsync() =>
        string.Join(' ', (await _etcd.Store.RangeAsync(_keys.All, Ct)).Entries.Select(entry => entry.Key[(_keys.Prefix.Length + 1)..]));

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
