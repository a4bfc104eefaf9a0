using System.Collections.Concurrent;
using CsCheck;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Cluster.Tests.Support;

namespace FlannelFlow.Cluster.Tests.Pools;

[Trait("Needs", "etcd")]
public sealed class PoolAllocatorTests : IClassFixture<EtcdProcess>
{
    private static readonly AddressSpace Space = new AddressSpaceOptions { AvailableSubnets = "192.168.0.0/16" }.ToAddressSpace();
    private readonly EtcdProcess _etcd;
    private readonly ClusterKeys _keys;
    private readonly PoolAllocator _pools;

    public PoolAllocatorTests(EtcdProcess etcd)
    {
        _etcd = etcd;
        _keys = etcd.NewKeys();
        _pools = NewAllocator();
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Allocate_NoCidr_TakesTheFirstFreePool()
    {
        var first = await AllocateAsync();
        var second = await AllocateAsync();
        await _pools.ReleaseAsync(first.Cidr, Ct);

        Assert.Equal("192.168.0.0/20 192.168.16.0/20", $"{first.Cidr} {second.Cidr}");
        Assert.Equal("192.168.0.0/20", $"{(await AllocateAsync()).Cidr}");
        Assert.Equal("192.168.16.0/23 25", $"{second.ServiceRange} {second.HostSubnetSize}");
    }

    [Fact]
    public async Task Record_InEtcd_IsTheContractsJson()
    {
        var pool = await _pools.AllocateAsync(new PoolRequest(null, "blue", "r1"), Ct);
        await new VniAllocator(_etcd.Store, _keys, Space).AllocateAsync(pool.Cidr, null, Ct);
        await _pools.LinkAsync(pool.Cidr, "n1", Ct);

        var entry = (await _etcd.Store.RangeAsync(EtcdKeys.One($"{_keys.Prefix}/address-space/pools/192.168.0.0-20"), Ct)).Entries[0];
        Assert.StartsWith(
            """{"cidr":"192.168.0.0/20","serviceRange":"192.168.0.0/23","hostSubnetSize":25,"vni":6514,"networkId":"n1","flannelId":"blue","requestId":"r1","state":"linked","since":"20""",
            entry.Value,
            StringComparison.Ordinal);
        var vni = (await _etcd.Store.RangeAsync(EtcdKeys.One($"{_keys.Prefix}/address-space/vnis/6514"), Ct)).Entries[0];
        Assert.Equal("""{"pool":"192.168.0.0/20"}""", vni.Value);
    }

    /// <summary>etcd came back without the pool, Docker has its network: subnets and addresses that are in use stay.</summary>
    [Fact]
    public async Task Adopt_KeepsWhatHostsHoldOfIt_AndIsRefusedWhereAnotherPoolIs()
    {
        var pool = IPv4Network.Parse("192.168.32.0/20");
        await _etcd.Store.PutAsync(_keys.Network(pool).Subnet(IPv4Network.Parse("192.168.34.0/25")), "{}", EtcdLeaseId.None, Ct);
        await _etcd.Store.PutAsync($"{_keys.AddressesOf(pool)}192.168.34.0-25/192.168.34.2", "{}", EtcdLeaseId.None, Ct);

        var adopted = await _pools.AdoptAsync(pool, "n1", Ct);

        Assert.Equal((PoolState.Linked, "n1", (int?)null), (adopted!.State, adopted.NetworkId, adopted.Vni));
        Assert.Null(await _pools.AdoptAsync(pool, "n2", Ct));
        Assert.Single((await _etcd.Store.RangeAsync(EtcdKeys.Under(_keys.AddressesOf(pool)), Ct)).Entries);
        Assert.Single((await _etcd.Store.RangeAsync(EtcdKeys.Under(_keys.Network(pool).Subnets), Ct)).Entries);
        var overlap = await Assert.ThrowsAsync<AddressRefusedException>(() => _pools.AdoptAsync(IPv4Network.Parse("192.168.32.0/21"), "n2", Ct));
        Assert.Contains("overlaps pool 192.168.32.0/20 of network n1", overlap.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<AddressRefusedException>(() => _pools.AdoptAsync(IPv4Network.Parse("192.168.48.0/20"), "n1", Ct));

        // Its VNI, as flannel.env has it, and all the rest follow.
        Assert.Equal(7000, await new VniAllocator(_etcd.Store, _keys, Space).AllocateAsync(pool, 7000, Ct));
        var records = await FabricRecords.ReadAsync(_etcd.Store, _keys, Ct);
        Assert.Equal((pool, pool, 0), (records.Pools.Values.Single().Cidr, records.Vnis[7000], records.Configured.Count));
    }

    [Fact]
    public async Task Allocate_SameRequest_JoinsItsPool()
    {
        var first = await _pools.AllocateAsync(new PoolRequest(null, null, "same"), Ct);
        using var other = NewAllocator();
        var again = await other.AllocateAsync(new PoolRequest("", null, "same"), Ct);
        Assert.Equal(first, again);
        Assert.Single(await _pools.ListAsync(Ct));
    }

    [Fact]
    public async Task Allocate_SameRequestAtOnceFromManyProcesses_IsOnePool()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(async _ =>
        {
            using var process = NewAllocator();
            return await process.AllocateAsync(new PoolRequest(null, null, "same"), Ct);
        }));
        Assert.Single(answers.Distinct());
        Assert.Single(await _pools.ListAsync(Ct));
    }

    [Fact]
    public async Task Allocate_ExplicitHeld_IsAReplayAndKeepsTheLink()
    {
        var pool = await AllocateAsync();
        var linked = await _pools.LinkAsync(pool.Cidr, "n1", Ct);
        var replay = await _pools.AllocateAsync(new PoolRequest("192.168.0.0/20", null, "replay"), Ct);
        Assert.Equal(linked, replay);
        Assert.Equal(linked, await _pools.LinkAsync(pool.Cidr, "n1", Ct));
    }

    [Fact]
    public async Task Allocate_Impossible_IsRefusedWithTheNumbers()
    {
        await _pools.AllocateAsync(new PoolRequest("192.168.16.0/20", null, "a"), Ct);
        await _pools.LinkAsync(IPv4Network.Parse("192.168.16.0/20"), "n1", Ct);

        await RefusedAsync("10.0.0.0/20 is not in the available subnets 192.168.0.0/16 (AVAILABLE_SUBNETS)", "10.0.0.0/20");
        await RefusedAsync("192.168.16.0/21 overlaps pool 192.168.16.0/20 of network n1", "192.168.16.0/21");
        await RefusedAsync("192.168.0.0/16 overlaps pool 192.168.16.0/20 of network n1", "192.168.0.0/16");
        await RefusedAsync(
            "192.168.0.0/24 is too small: with DEFAULT_HOST_SUBNET_SIZE=25 a network needs a service range, host subnets and at least a /23", "192.168.0.0/24");
        await RefusedAsync("--subnet: 'fd00::/64' is an IPv6 network; only IPv4 networks such as 10.1.0.0/20 are supported", "fd00::/64");
        await RefusedAsync("--subnet: '192.168.0.1/20' has host bits set: the network is 192.168.0.0/20", "192.168.0.1/20");
        var foreign = await Assert.ThrowsAsync<AddressRefusedException>(() => _pools.LinkAsync(IPv4Network.Parse("10.0.1.0/24"), "n1", Ct));
        Assert.Equal("10.0.1.0/24 is not a pool of FlannelFlow: create the network with FlannelFlow as its IPAM driver, too", foreign.Message);
    }

    [Fact]
    public async Task Allocate_ExplicitOddSize_BlocksWhatItOverlaps()
    {
        await _pools.AllocateAsync(new PoolRequest("192.168.0.0/19", null, "a"), Ct);
        Assert.Equal("192.168.32.0/20", $"{(await AllocateAsync()).Cidr}");
    }

    [Fact]
    public async Task Allocate_FlannelId_JoinsUntilLinked()
    {
        var first = await _pools.AllocateAsync(new PoolRequest(null, "blue", "a"), Ct);
        Assert.Equal(first, await _pools.AllocateAsync(new PoolRequest(null, "blue", "b"), Ct));
        await RefusedAsync("flannel-id 'blue' already has pool 192.168.0.0/20, not 192.168.32.0/20", "192.168.32.0/20", "blue");

        await _pools.LinkAsync(first.Cidr, "n1", Ct);
        await RefusedAsync("flannel-id 'blue' belongs to network n1 (pool 192.168.0.0/20)", null, "blue");
        await RefusedAsync("pool 192.168.0.0/20 carries flannel-id 'blue', not 'red'", "192.168.0.0/20", "red");

        await _pools.MarkFreedAsync("n1", Ct);
        Assert.Equal("192.168.16.0/20", $"{(await _pools.AllocateAsync(new PoolRequest(null, "blue", "c"), Ct)).Cidr}");
    }

    [Fact]
    public async Task Link_SecondNetwork_IsRefused_AndDockersRollbackKeepsThePool()
    {
        var pool = await AllocateAsync();
        await _pools.LinkAsync(pool.Cidr, "n1", Ct);

        var duplicate = await Assert.ThrowsAsync<AddressRefusedException>(() => _pools.LinkAsync(pool.Cidr, "n2", Ct));
        Assert.Equal("pool 192.168.0.0/20 already belongs to network n1", duplicate.Message);
        Assert.Equal(PoolRelease.InUse, await _pools.ReleaseAsync(pool.Cidr, Ct));
        Assert.Equal(PoolRelease.InUse, await _pools.ReleaseIfLastAsync(pool.Cidr, Ct));
        Assert.Equal("n1", (await _pools.FindAsync(pool.Cidr, Ct))!.NetworkId);

        var second = await AllocateAsync();
        var another = await Assert.ThrowsAsync<AddressRefusedException>(() => _pools.LinkAsync(second.Cidr, "n1", Ct));
        Assert.Equal("network n1 already has pool 192.168.0.0/20: a network has one IPv4 pool, 192.168.16.0/20 cannot be added", another.Message);
    }

    [Fact]
    public async Task Link_ManyNetworksAtOnce_FirstWins()
    {
        var pool = await AllocateAsync();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 10).Select(async i =>
        {
            using var process = NewAllocator();
            try
            {
                return (await process.LinkAsync(pool.Cidr, $"n{i}", Ct)).NetworkId;
            }
            catch (AddressRefusedException)
            {
                return null;
            }
        }));
        var winner = Assert.Single(outcomes, network => network is not null);
        Assert.Equal(winner, (await _pools.FindByNetworkAsync(winner!, Ct))!.NetworkId);
    }

    [Fact]
    public async Task Release_FreedWithHosts_WaitsForTheLastAndLeavesNothing()
    {
        var pool = await AllocateAsync();
        await new VniAllocator(_etcd.Store, _keys, Space).AllocateAsync(pool.Cidr, null, Ct);
        await new FlannelNetworkConfigs(_etcd.Store, _keys).WriteAsync(pool.Cidr, FlannelNetworkConfig.For(pool.Layout(), 6514), Ct);
        await _pools.LinkAsync(pool.Cidr, "n1", Ct);
        var addresses = new AddressAllocator(_etcd.Store, _keys, TimeProvider.System, new AddressAllocatorOptions());
        await addresses.RequestAsync(new AddressRequest(AddressRange.Service(pool.Layout()), AddressKind.Gateway, null, "g", "m1"), Ct);
        var leases = await LeaseAsync(pool.Cidr, "192.168.2.0/25", "10.0.0.1");
        await LeaseAsync(pool.Cidr, "192.168.2.128/25", "10.0.0.2");

        var freed = await _pools.MarkFreedAsync("n1", Ct);
        Assert.Equal(PoolState.Freed, freed!.State);
        Assert.Equal(freed, await _pools.MarkFreedAsync("n1", Ct));
        Assert.Null(await _pools.MarkFreedAsync("unknown", Ct));
        Assert.Equal(PoolRelease.HostsRemain, await _pools.ReleaseAsync(pool.Cidr, Ct));
        await RefusedAsync("pool 192.168.0.0/20 is being released: 2 hosts still hold a subnet of it", "192.168.0.0/20");
        Assert.Equal("192.168.16.0/20", $"{(await AllocateAsync()).Cidr}");
        Assert.Equal(PoolRelease.Released, await _pools.ReleaseAsync(IPv4Network.Parse("192.168.16.0/20"), Ct));

        Assert.Equal("192.168.2.0/25", $"{Assert.Single(await leases.DeleteOwnAsync(IPv4Address.Parse("10.0.0.1"), Ct))}");
        Assert.Empty(await leases.DeleteOwnAsync(IPv4Address.Parse("10.0.0.1"), Ct));
        Assert.Equal(PoolRelease.HostsRemain, await _pools.ReleaseIfLastAsync(pool.Cidr, Ct));
        await leases.DeleteOwnAsync(IPv4Address.Parse("10.0.0.2"), Ct);
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => _pools.ReleaseIfLastAsync(pool.Cidr, Ct)));

        Assert.All(outcomes, outcome => Assert.Equal(PoolRelease.Released, outcome));
        Assert.Equal("", await _etcd.DumpAsync(_keys));
    }

    [Fact]
    public async Task ReleaseIfLast_PoolAllocatedAnewMeanwhile_Stays()
    {
        var pool = await AllocateAsync();
        Assert.Equal(PoolRelease.InUse, await _pools.ReleaseIfLastAsync(pool.Cidr, Ct));
        Assert.NotNull(await _pools.FindAsync(pool.Cidr, Ct));
    }

    [Fact]
    public async Task Allocate_ExplicitFreedWithoutHosts_TakesItAnew()
    {
        var pool = await AllocateAsync();
        await _pools.LinkAsync(pool.Cidr, "n1", Ct);
        await new VniAllocator(_etcd.Store, _keys, Space).AllocateAsync(pool.Cidr, null, Ct);
        await _pools.MarkFreedAsync("n1", Ct);

        var again = await _pools.AllocateAsync(new PoolRequest($"{pool.Cidr}", null, "new"), Ct);

        Assert.Equal("Allocated   new", $"{again.State} {again.NetworkId} {again.Vni} {again.RequestId}");
        Assert.Equal("/address-space/pools/192.168.0.0-20", await _etcd.DumpAsync(_keys));
    }

    [Fact]
    public async Task Allocate_SubnetsLeftOfAnUnknownPool_AreNotHandedOut()
    {
        await LeaseAsync(IPv4Network.Parse("192.168.0.0/20"), "192.168.2.0/25", "10.0.0.1");
        Assert.Equal("192.168.16.0/20", $"{(await AllocateAsync()).Cidr}");
        await RefusedAsync("pool 192.168.0.0/20 is being released: 1 host still holds a subnet of it", "192.168.0.0/21");
    }

    [Fact]
    public async Task Allocate_Full_IsRefusedWithTheNumbers_AndServedWhenADesertedPoolRemains()
    {
        for (var i = 0; i < 16; i++) await _pools.LinkAsync((await AllocateAsync()).Cidr, $"n{i}", Ct);
        await LeaseAsync(IPv4Network.Parse("192.168.0.0/20"), "192.168.2.0/25", "10.0.0.1");
        await _pools.MarkFreedAsync("n0", Ct);
        await RefusedAsync(
            "all 16 networks of 192.168.0.0/16 are in use: 15 by networks, 1 still being released by hosts (AVAILABLE_SUBNETS, NETWORK_SUBNET_SIZE=20)", null);

        await _pools.MarkFreedAsync("n7", Ct);
        Assert.Equal("192.168.112.0/20", $"{(await AllocateAsync()).Cidr}");
    }

    [Fact]
    public async Task Allocate_RandomInterleavings_NeverOverlapAndFillToTheLast()
    {
        string?[] wishes = [null, null, null, "192.168.0.0/19", "192.168.32.0/20", "192.168.64.0/18", "192.168.240.0/20"];
        await Gen.Select(Gen.Int[0, wishes.Length - 1].Array[8, 20], Gen.Int[2, 4]).SampleAsync(
            async (requests, managers) =>
            {
                var keys = _etcd.NewKeys();
                var allocators = Enumerable.Range(0, managers).Select(_ => NewAllocator(keys)).ToList();
                var live = new ConcurrentDictionary<IPv4Network, string>();
                await Task.WhenAll(requests.Select(async (wish, i) =>
                {
                    var allocator = allocators[i % managers];
                    try
                    {
                        var pool = await allocator.AllocateAsync(new PoolRequest(wishes[wish], null, $"r{i}"), Ct);
                        if (pool.RequestId != $"r{i}") return;   // an explicit one that another holds: joined
                        Assert.DoesNotContain(live.Keys, other => other.Overlaps(pool.Cidr));
                        Assert.True(live.TryAdd(pool.Cidr, pool.RequestId));
                        if (i % 3 != 0) return;
                        live.TryRemove(pool.Cidr, out _);
                        Assert.Equal(PoolRelease.Released, await allocator.ReleaseAsync(pool.Cidr, Ct));
                    }
                    catch (AddressRefusedException)
                    {
                        // Full or overlapping, as the interleaving had it.
                    }
                }));

                var left = (await allocators[0].ListAsync(Ct)).Select(pool => pool.Cidr).Order().ToList();
                Assert.Equal(live.Keys.Order(), left);
                var free = Space.Pools().Count(pool => !left.Any(pool.Overlaps));
                for (var i = 0; i < free; i++) await allocators[i % managers].AllocateAsync(new PoolRequest(null, null, $"fill{i}"), Ct);
                await Assert.ThrowsAsync<AddressRefusedException>(() => allocators[0].AllocateAsync(new PoolRequest(null, null, "more"), Ct));
                foreach (var pool in await allocators[0].ListAsync(Ct)) await allocators[0].ReleaseAsync(pool.Cidr, Ct);
                Assert.Equal("", await _etcd.DumpAsync(keys));
            },
            iter: 15,
            threads: 1);
    }

    [Fact]
    public async Task Vni_ManyPoolsAtOnce_AreUniqueFromTheStart()
    {
        var pools = new List<PoolRecord>();
        for (var i = 0; i < 16; i++) pools.Add(await AllocateAsync());
        var vnis = await Task.WhenAll(pools.Select(pool => new VniAllocator(_etcd.Store, _keys, Space).AllocateAsync(pool.Cidr, null, Ct)));
        Assert.Equal(Enumerable.Range(6514, 16), vnis.Order());

        var again = await Task.WhenAll(pools.Select(pool => new VniAllocator(_etcd.Store, _keys, Space).AllocateAsync(pool.Cidr, null, Ct)));
        Assert.Equal(vnis, again);
        Assert.Equal(vnis.Select(vni => (int?)vni), (await _pools.ListAsync(Ct)).OrderBy(pool => pool.Cidr).Select(pool => pool.Vni));
    }

    [Fact]
    public async Task Vni_Explicit_TrumpsUnlessAnotherPoolHasIt()
    {
        var vnis = new VniAllocator(_etcd.Store, _keys, Space);
        var (first, second) = (await AllocateAsync(), await AllocateAsync());
        Assert.Equal(6514, await vnis.AllocateAsync(first.Cidr, null, Ct));
        Assert.Equal(77, await vnis.AllocateAsync(first.Cidr, 77, Ct));
        Assert.Equal(77, await vnis.AllocateAsync(first.Cidr, null, Ct));
        Assert.Equal(6514, await vnis.AllocateAsync(second.Cidr, null, Ct));

        await RefusesAsync($"VNI 77 for pool {second.Cidr} is in use by pool {first.Cidr}", second.Cidr, 77);
        await RefusesAsync($"VNI 10000000 for pool {first.Cidr}: a VNI is from 1 to 9999999", first.Cidr, 10000000);
        await RefusesAsync("pool 10.0.0.0/20 is not allocated, so it gets no VNI", IPv4Network.Parse("10.0.0.0/20"), null);

        await vnis.ReleaseAsync(first.Cidr, Ct);
        await vnis.ReleaseAsync(first.Cidr, Ct);
        Assert.Equal(77, await vnis.AllocateAsync(second.Cidr, 77, Ct));
        Assert.Equal("/address-space/pools/192.168.0.0-20\n/address-space/pools/192.168.16.0-20\n/address-space/vnis/77", await _etcd.DumpAsync(_keys));

        async Task RefusesAsync(string expected, IPv4Network pool, int? vni) =>
            Assert.Equal(expected, (await Assert.ThrowsAsync<AddressRefusedException>(() => vnis.AllocateAsync(pool, vni, Ct))).Message);
    }

    [Fact]
    public async Task Vni_LastOneTaken_IsRefusedWithTheNumbers()
    {
        var space = new AddressSpaceOptions { AvailableSubnets = "192.168.0.0/16", VniStart = 9999999 }.ToAddressSpace();
        var vnis = new VniAllocator(_etcd.Store, _keys, space);
        Assert.Equal(9999999, await vnis.AllocateAsync((await AllocateAsync()).Cidr, null, Ct));
        var pool = await AllocateAsync();
        var full = await Assert.ThrowsAsync<AddressRefusedException>(() => vnis.AllocateAsync(pool.Cidr, null, Ct));
        Assert.Equal("all 1 VNIs from VNI_START=9999999 to 9999999 are in use", full.Message);
    }

    [Fact]
    public async Task FlannelConfig_WrittenTwice_IsOneRevision()
    {
        var pool = IPv4Network.Parse("192.168.0.0/20");
        var configs = new FlannelNetworkConfigs(_etcd.Store, _keys);
        var config = FlannelNetworkConfig.For(Space.Layout(pool), 7);
        await configs.WriteAsync(pool, config, Ct);
        await configs.WriteAsync(pool, config, Ct);

        Assert.Equal(config, await configs.ReadAsync(pool, Ct));
        Assert.Equal(1, (await _etcd.Store.RangeAsync(EtcdKeys.One($"{_keys.Prefix}/networks/192.168.0.0-20/config"), Ct)).Entries[0].Version);
        await configs.WriteAsync(pool, FlannelNetworkConfig.For(Space.Layout(pool), 8), Ct);
        Assert.Equal(8, (await configs.ReadAsync(pool, Ct))!.Backend!.Vni);
        await configs.DeleteAsync(pool, Ct);
        await configs.DeleteAsync(pool, Ct);
        Assert.Null(await configs.ReadAsync(pool, Ct));
    }

    [Fact]
    public async Task Leases_List_SkipsBadEntriesWithReason()
    {
        var pool = IPv4Network.Parse("192.168.0.0/20");
        var leases = await LeaseAsync(pool, "192.168.2.0/25", "10.0.0.1");
        await _etcd.Store.PutAsync($"{_keys.Network(pool).Subnets}192.168.3.0-25", "{}", EtcdLeaseId.None, Ct);

        var list = await leases.ListAsync(Ct);

        Assert.Equal("192.168.2.0/25 10.0.0.1", string.Join(", ", list.Leases.Select(lease => $"{lease.Subnet} {lease.PublicIP}")));
        Assert.Equal([$"{_keys.Network(pool).Subnets}192.168.3.0-25: PublicIP '' is not an IPv4 address"], list.Ignored);
        Assert.Equal("192.168.2.0/25", $"{(await leases.FindAsync(IPv4Address.Parse("10.0.0.1"), Ct))!.Subnet}");
        Assert.Null(await leases.FindAsync(IPv4Address.Parse("10.0.0.9"), Ct));
    }

    private PoolAllocator NewAllocator(ClusterKeys? keys = null) => new(_etcd.Store, keys ?? _keys, Space, TimeProvider.System);

    private Task<PoolRecord> AllocateAsync() => _pools.AllocateAsync(new PoolRequest(null, null, Guid.NewGuid().ToString()), Ct);

    private async Task RefusedAsync(string expected, string? cidr, string? flannelId = null)
    {
        var refused = await Assert.ThrowsAsync<AddressRefusedException>(
            () => _pools.AllocateAsync(new PoolRequest(cidr, flannelId, Guid.NewGuid().ToString()), Ct));
        Assert.Equal(expected, refused.Message);
    }

    private async Task<SubnetLeases> LeaseAsync(IPv4Network pool, string subnet, string publicIP)
    {
        var keys = _keys.Network(pool);
        var lease = await _etcd.Store.GrantLeaseAsync(TimeSpan.FromHours(24), Ct);
        var attributes = LeaseAttributes.ForVxlan(IPv4Address.Parse(publicIP), new VxlanLeaseData(1, "aa:bb:cc:dd:ee:ff"));
        await _etcd.Store.PutAsync(keys.Subnet(IPv4Network.Parse(subnet)), attributes.ToJson(), lease.Id, Ct);
        return new SubnetLeases(_etcd.Store, keys);
    }
}
