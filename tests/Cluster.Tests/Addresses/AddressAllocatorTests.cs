using System.Collections.Concurrent;
using System.Diagnostics;
using CsCheck;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Cluster.Tests.Support;

namespace FlannelFlow.Cluster.Tests.Addresses;

/// <summary>Pool 10.1.0.0/24: service range /27 (.0 to .31), host subnets of /28, of which n1 has .32 and n2 .48.</summary>
[Trait("Needs", "etcd")]
public sealed class AddressAllocatorTests(EtcdProcess etcd) : IClassFixture<EtcdProcess>, IAsyncLifetime
{
    private static readonly AddressSpace Space =
        new AddressSpaceOptions { AvailableSubnets = "10.1.0.0/16", NetworkSubnetSize = 24, DefaultHostSubnetSize = 28 }.ToAddressSpace();

    private static readonly IPv4Network Pool = IPv4Network.Parse("10.1.0.0/24");
    private static readonly AddressRange Service = AddressRange.Service(Space.Layout(Pool));
    private static readonly AddressRange Node1 = AddressRange.Host(Pool, IPv4Network.Parse("10.1.0.32/28"));
    private static readonly AddressRange Node2 = AddressRange.Host(Pool, IPv4Network.Parse("10.1.0.48/28"));

    private ClusterKeys _keys = null!;
    private AddressAllocator _addresses = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        (_keys, _addresses) = await NewClusterAsync();
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Request_HostSubnet_GoesRoundAndFillsToTheLastAddress()
    {
        Assert.Equal("10.1.0.34", await TakeAsync(Node1));
        Assert.Equal("10.1.0.35", await TakeAsync(Node1));
        for (var i = 36; i <= 46; i++) Assert.Equal($"10.1.0.{i}", await TakeAsync(Node1));
        await RefusedAsync("host subnet 10.1.0.32/28 of n1 is full: 13 addresses in use (DEFAULT_HOST_SUBNET_SIZE)", Node1, null);
        Assert.Equal(13, Node1.Capacity);

        // Other ranges are not touched by it.
        Assert.Equal("10.1.0.50", await TakeAsync(Node2));
        Assert.Equal("10.1.0.2", await TakeAsync(Service));
    }

    [Fact]
    public async Task Record_InEtcd_IsTheContractsJson()
    {
        await _addresses.RequestAsync(new AddressRequest(Node1, AddressKind.Container, null, "r1", "n1"), Ct);
        await _addresses.ClaimAsync(Node1, Ip(34), "ep1", Ct);
        var entry = (await etcd.Store.RangeAsync(EtcdKeys.One($"{_keys.Prefix}/addresses/10.1.0.0-24/10.1.0.32-28/10.1.0.34"), Ct)).Entries[0];
        Assert.StartsWith(
            """{"kind":"container","state":"claimed","owner":"ep1","host":"n1","requestId":"r1","since":"20""", entry.Value, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_AfterRelease_GoesOnBehindTheLast_AlsoInANewProcess()
    {
        await TakeAsync(Node1);
        await TakeAsync(Node1);
        await _addresses.ReleaseAsync(Node1, Ip(34), Ct);

        Assert.Equal("10.1.0.36", (await NewProcess().RequestAsync(Any(Node1), Ct)).Address.ToString());
        Assert.Equal("10.1.0.37", await TakeAsync(Node1));
    }

    [Fact]
    public async Task Request_SameRequest_IsTheSameAddress()
    {
        var request = Any(Node1);
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => (i % 2 == 0 ? _addresses : NewProcess()).RequestAsync(request, Ct)));
        Assert.Single(answers.Select(answer => answer.Address).Distinct());
        await _addresses.ClaimAsync(Node1, answers[0].Address, "ep1", Ct);
        Assert.Equal(answers[0].Address, (await _addresses.RequestAsync(request, Ct)).Address);
        Assert.Single(await _addresses.ListRangeAsync(Node1, Ct));
    }

    [Fact]
    public async Task Gateway_WhoeverAsks_IsOneRecordInTheServiceRange()
    {
        var leader = await _addresses.RequestAsync(new AddressRequest(Service, AddressKind.Gateway, null, "a", "m1"), Ct);
        var node = await _addresses.RequestAsync(new AddressRequest(Node1, AddressKind.Gateway, Ip(1), "b", "n1"), Ct);
        var replay = await _addresses.RequestAsync(new AddressRequest(Service, AddressKind.Gateway, Ip(1), "c", "m2"), Ct);

        Assert.Equal("10.1.0.1", leader.Address.ToString());
        Assert.Equal(leader, node);
        Assert.Equal(leader, replay);
        Assert.Equal(AddressRelease.GatewayStays, (await _addresses.ReleaseAsync(Service, Ip(1), Ct)).Outcome);
        Assert.Equal(AddressRelease.Released, (await _addresses.ReleaseAsync(Node1, Ip(1), Ct)).Outcome);
        Assert.Equal("/address-space/pools/10.1.0.0-24\n/addresses/10.1.0.0-24/service/10.1.0.1", await etcd.DumpAsync(_keys));
        Assert.Equal("10.1.0.34", await TakeAsync(Node1));
    }

    [Fact]
    public async Task Gateway_Explicit_MustBeInTheServiceRangeAndFree()
    {
        Assert.Equal("10.1.0.9", (await _addresses.RequestAsync(new AddressRequest(Service, AddressKind.Gateway, Ip(9), "a", "m1"), Ct)).Address.ToString());
        await _addresses.RequestAsync(new AddressRequest(Service, AddressKind.Provisional, Ip(10), "b", "m1"), Ct);
        await RefusedAsync(
            "gateway 10.1.0.40 cannot be: it must be in the service range 10.1.0.0/27 of pool 10.1.0.0/24 (10.1.0.1 to 10.1.0.30), or left out",
            Service,
            Ip(40),
            AddressKind.Gateway);
        await RefusedAsync("gateway 10.1.0.10 cannot be: the address is in use (reserved by request b)", Service, Ip(10), AddressKind.Gateway);
        await RefusedAsync("address 10.1.0.9 is the gateway address of pool 10.1.0.0/24", Service, Ip(9));
    }

    [Fact]
    public async Task Request_LeaderExplicit_IsReplayedAndMayBeAnyAddressOfThePool()
    {
        var vip = await _addresses.RequestAsync(Any(Service), Ct);
        var replay = await NewProcess().RequestAsync(new AddressRequest(Service, AddressKind.Provisional, vip.Address, "replay", "m2"), Ct);
        Assert.Equal(vip, replay);
        await _addresses.ClaimAsync(Service, vip.Address, "svc1", Ct);
        Assert.Equal(vip.Address, (await _addresses.RequestAsync(new AddressRequest(Service, AddressKind.Provisional, vip.Address, "replay2", "m2"), Ct)).Address);

        // docker run --ip of a node's subnet: promised by the leader, given by the node.
        var promised = await _addresses.RequestAsync(new AddressRequest(Service, AddressKind.Provisional, Ip(40), "x", "m1"), Ct);
        var given = await _addresses.RequestAsync(new AddressRequest(Node1, AddressKind.Container, Ip(40), "y", "n1"), Ct);
        Assert.Equal(("service", "10.1.0.32-28"), (promised.RangePath, given.RangePath));
        Assert.Equal("10.1.0.3", await TakeAsync(Service));

        await RefusedAsync("address 10.2.0.9 is not in pool 10.1.0.0/24", Service, IPv4Address.Parse("10.2.0.9"));
        await RefusedAsync("address 10.1.0.1 is the gateway address of pool 10.1.0.0/24", Service, Ip(1));
        await RefusedAsync("address 10.1.0.255 is the network or broadcast address of pool 10.1.0.0/24", Service, Ip(255));
    }

    [Fact]
    public async Task Request_NodeExplicit_FreshForProvisional_RefusedElsewhere()
    {
        Assert.Equal("10.1.0.34", (await _addresses.RequestAsync(new AddressRequest(Node1, AddressKind.Container, Ip(5), "a", "n1"), Ct)).Address.ToString());
        await _addresses.ClaimAsync(Node1, Ip(34), "ep1", Ct);

        await RefusedAsync("address 10.1.0.50 is in another host's subnet: n1 holds 10.1.0.32/28 and gives 10.1.0.34 to 10.1.0.46 only", Node1, Ip(50));
        await RefusedAsync("address 10.1.0.33 is the bridge's address in host subnet 10.1.0.32/28", Node1, Ip(33));
        await RefusedAsync("address 10.1.0.32 is the network or broadcast address of host subnet 10.1.0.32/28", Node1, Ip(32));
        await RefusedAsync("address 10.1.0.47 is the network or broadcast address of host subnet 10.1.0.32/28", Node1, Ip(47));
        await RefusedAsync("address 10.9.0.1 is not in pool 10.1.0.0/24", Node1, IPv4Address.Parse("10.9.0.1"));
        await RefusedAsync("address 10.1.0.34 is in use on n1 (claimed by ep1)", Node1, Ip(34));
    }

    [Fact]
    public async Task Request_PoolUnknown_IsRefused()
    {
        var other = AddressRange.Host(IPv4Network.Parse("10.1.7.0/24"), IPv4Network.Parse("10.1.7.32/28"));
        await RefusedAsync("pool 10.1.7.0/24 is not allocated, so it has no addresses to give", other, null);
    }

    [Fact]
    public async Task Service_Full_IsRefusedWithTheNumbers()
    {
        await _addresses.RequestAsync(new AddressRequest(Service, AddressKind.Gateway, null, "g", "m1"), Ct);
        for (var i = 2; i <= 30; i++) Assert.Equal($"10.1.0.{i}", await TakeAsync(Service));
        await RefusedAsync("service range 10.1.0.0/27 of pool 10.1.0.0/24 is full: 29 addresses in use (SERVICE_SUBNET_SIZE)", Service, null);
    }

    [Fact]
    public async Task Quarantine_HandsOutOldestOnlyWhenNothingElseIsFree_AndEnds()
    {
        var (keys, addresses) = await NewClusterAsync(quarantine: TimeSpan.FromSeconds(600));
        for (var i = 34; i <= 44; i++) await addresses.RequestAsync(Any(Node1), Ct);
        await addresses.ReleaseAsync(Node1, Ip(40), Ct);
        await addresses.ReleaseAsync(Node1, Ip(36), Ct);

        var got = new List<string>();
        for (var i = 0; i < 4; i++) got.Add((await addresses.RequestAsync(Any(Node1), Ct)).Address.ToString());
        Assert.Equal(["10.1.0.45", "10.1.0.46", "10.1.0.40", "10.1.0.36"], got);
        var other = NewProcess(keys, quarantine: true);
        await other.ReleaseAsync(Node1, Ip(34), Ct);
        var tombstone = (await other.FindAsync(Node1, Ip(34), Ct))!;
        Assert.Equal(AddressState.Quarantined, tombstone.Value.State);
        Assert.Equal(AddressRelease.Released, (await other.ReleaseAsync(Node1, Ip(34), Ct)).Outcome);
        Assert.True(await other.EndQuarantineAsync(tombstone, Ct));
        Assert.Null(await other.FindAsync(Node1, Ip(34), Ct));
        Assert.False(await other.EndQuarantineAsync(tombstone, Ct));
    }

    [Fact]
    public async Task Quarantine_WhoseAddressWasTakenMeanwhile_IsNotEnded()
    {
        var (_, addresses) = await NewClusterAsync(quarantine: TimeSpan.FromSeconds(600));
        for (var i = 34; i <= 46; i++) await addresses.RequestAsync(Any(Node1), Ct);
        await addresses.ReleaseAsync(Node1, Ip(40), Ct);
        var tombstone = (await addresses.FindAsync(Node1, Ip(40), Ct))!;
        Assert.Equal("10.1.0.40", (await addresses.RequestAsync(Any(Node1), Ct)).Address.ToString());
        Assert.False(await addresses.EndQuarantineAsync(tombstone, Ct));
        Assert.True((await addresses.FindAsync(Node1, Ip(40), Ct))!.IsHeld);
    }

    [Fact]
    public async Task Spare_IsGivenAgainWhenNothingElseIsFree_AndTheLeadersTwoReleasesAreBothAwaited()
    {
        for (var i = 1; i <= 29; i++) await TakeAsync(Service);
        await SpareAsync(5);
        await SpareAsync(3);

        // It stays the leader's: a replay is the same address.
        Assert.Equal("10.1.0.5", (await _addresses.RequestAsync(new AddressRequest(Service, AddressKind.Provisional, Ip(5), "replay", "m2"), Ct)).Address.ToString());
        Assert.Equal("spare", await StateAsync(5, Service));
        Assert.Equal(["10.1.0.3", "10.1.0.5"], (string[])[await TakeAsync(Service), await TakeAsync(Service)]);
        Assert.Equal("reserved", await StateAsync(5, Service));
        await RefusedAsync("service range 10.1.0.0/27 of pool 10.1.0.0/24 is full: 29 addresses in use (SERVICE_SUBNET_SIZE)", Service, null);

        Assert.Equal(AddressRelease.Released, (await _addresses.ReleaseAsync(Service, Ip(5), Ct)).Outcome);
        Assert.Equal("reserved", await StateAsync(5, Service));
        Assert.Equal(AddressRelease.Released, (await _addresses.ReleaseAsync(Service, Ip(5), Ct)).Outcome);
        Assert.Equal("quarantined", await StateAsync(5, Service));
    }

    [Fact]
    public async Task Spare_ThatTheLeaderReleases_IsQuarantined()
    {
        await TakeAsync(Service);
        await SpareAsync(2);
        await _addresses.ReleaseAsync(Service, Ip(2), Ct);
        Assert.Equal("quarantined", await StateAsync(2, Service));
    }

    [Fact]
    public async Task Release_ClaimedByALivingEndpoint_WaitsForItsLeaving()
    {
        await TakeAsync(Node1);
        await _addresses.ClaimAsync(Node1, Ip(34), "ep1", Ct);
        await _addresses.ClaimAsync(Node1, Ip(34), "ep1", Ct);

        Assert.Equal(new AddressReleaseResult(AddressRelease.OwnerLives, "ep1"), await _addresses.ReleaseAsync(Node1, Ip(34), Ct));
        Assert.Equal(new AddressReleaseResult(AddressRelease.OwnerLives, "ep1"), await _addresses.ReleaseAsync(Node1, Ip(34), Ct));
        Assert.Equal("claimed, release requested", await StateAsync(34));
        Assert.Empty(await _addresses.MarkLeavingAsync(Node1, "ep1", Ct));
        Assert.Equal("quarantined", await StateAsync(34));
        Assert.Empty(await _addresses.MarkLeavingAsync(Node1, "ep1", Ct));
    }

    [Fact]
    public async Task Release_LeavingOrReservedOrUnknown_ReleasesAtOnce()
    {
        await TakeAsync(Node1);
        await TakeAsync(Node1);
        await _addresses.ClaimAsync(Node1, Ip(34), "ep1", Ct);

        Assert.Equal("10.1.0.34", Assert.Single(await _addresses.MarkLeavingAsync(Node1, "ep1", Ct)).Address.ToString());
        Assert.Single(await _addresses.MarkLeavingAsync(Node1, "ep1", Ct));
        Assert.Equal("leaving", await StateAsync(34));
        foreach (var last in new uint[] { 34, 35, 36 })
            Assert.Equal(new AddressReleaseResult(AddressRelease.Released, ""), await _addresses.ReleaseAsync(Node1, Ip(last), Ct));
        Assert.Equal("quarantined", await StateAsync(34));
        Assert.Equal("quarantined", await StateAsync(35));
        Assert.Equal("absent", await StateAsync(36));
    }

    [Fact]
    public async Task Claim_ReleasedOrForeign_IsRefused()
    {
        await TakeAsync(Node1);
        await TakeAsync(Node1);
        await _addresses.ClaimAsync(Node1, Ip(34), "ep1", Ct);
        await _addresses.ReleaseAsync(Node1, Ip(35), Ct);

        await ClaimRefusedAsync("address 10.1.0.34 for endpoint ep2 is in use by endpoint ep1 (claimed)", 34);
        await ClaimRefusedAsync("address 10.1.0.35 for endpoint ep2 is not reserved any more: Docker has released it", 35);
        await ClaimRefusedAsync("address 10.1.0.36 for endpoint ep2 is not reserved any more: Docker has released it", 36);

        async Task ClaimRefusedAsync(string expected, uint last) => Assert.Equal(
            expected, (await Assert.ThrowsAsync<AddressRefusedException>(() => _addresses.ClaimAsync(Node1, Ip(last), "ep2", Ct))).Message);
    }

    [Fact]
    public async Task Unclaim_GoesBack_OrReleasesWhatDockerReleased()
    {
        await TakeAsync(Node1);
        await _addresses.UnclaimAsync(Node1, Ip(34), "ep1", Ct);
        await _addresses.ClaimAsync(Node1, Ip(34), "ep1", Ct);
        await _addresses.UnclaimAsync(Node1, Ip(34), "other", Ct);
        Assert.Equal("claimed", await StateAsync(34));
        await _addresses.UnclaimAsync(Node1, Ip(34), "ep1", Ct);
        Assert.Equal("reserved", await StateAsync(34));

        await _addresses.ClaimAsync(Node1, Ip(34), "ep2", Ct);
        await _addresses.ReleaseAsync(Node1, Ip(34), Ct);
        await _addresses.UnclaimAsync(Node1, Ip(34), "ep2", Ct);
        Assert.Equal("quarantined", await StateAsync(34));
        await _addresses.UnclaimAsync(Node1, Ip(40), "ep2", Ct);
    }

    [Fact]
    public async Task Adopt_DockersTruth_OverridesAllButAnotherClaim()
    {
        var adopted = await _addresses.AdoptAsync(Node1, Ip(40), AddressKind.Container, "ep1", "n1", Ct);
        Assert.Equal(adopted, await _addresses.AdoptAsync(Node1, Ip(40), AddressKind.Container, "ep1", "n1", Ct));
        await _addresses.MarkLeavingAsync(Node1, "ep1", Ct);
        await _addresses.ReleaseAsync(Node1, Ip(40), Ct);
        await _addresses.AdoptAsync(Node1, Ip(40), AddressKind.Container, "ep2", "n1", Ct);
        Assert.Equal("claimed", await StateAsync(40));

        var refused = await Assert.ThrowsAsync<AddressRefusedException>(() => _addresses.AdoptAsync(Node1, Ip(40), AddressKind.Container, "ep3", "n1", Ct));
        Assert.Equal("address 10.1.0.40 of ep3 is in use by ep2 on n1", refused.Message);
        refused = await Assert.ThrowsAsync<AddressRefusedException>(() => _addresses.AdoptAsync(Node1, Ip(50), AddressKind.Container, "ep3", "n1", Ct));
        Assert.Equal("address 10.1.0.50 of ep3 is not in host subnet 10.1.0.32/28", refused.Message);
    }

    [Fact]
    public async Task Lists_ByHostAndPool_TellWhatReconcileNeeds()
    {
        await TakeAsync(Node1);
        await TakeAsync(Node2);
        await TakeAsync(Service);
        Assert.Equal(["10.1.0.34", "10.1.0.50", "10.1.0.2"], (await _addresses.ListPoolAsync(Pool, Ct)).Select(record => record.Address.ToString()));
        Assert.Equal(["10.1.0.50"], (await _addresses.ListHostAsync("n2", Ct)).Select(record => record.Address.ToString()));
    }

    [Fact]
    public async Task Host_WithANewName_HasTheAddressesThatItAskedForUnderItsFormerOne()
    {
        await TakeAsync(Node1);
        await TakeAsync(Node2);
        var before = (await _addresses.ListHostAsync("n2", Ct)).Single();
        await _addresses.RenameHostAsync("n2", "n7", Ct);
        Assert.Empty(await _addresses.ListHostAsync("n2", Ct));
        Assert.Equal(before.Value with { Host = "n7" }, (await _addresses.ListHostAsync("n7", Ct)).Single().Value);
        Assert.Single(await _addresses.ListHostAsync("n1", Ct));
    }

    [Fact]
    public async Task Release_Everything_LeavesNothing()
    {
        var (keys, addresses) = await NewClusterAsync(quarantine: TimeSpan.Zero);
        using var pools = new PoolAllocator(etcd.Store, keys, Space, TimeProvider.System);
        await addresses.RequestAsync(new AddressRequest(Service, AddressKind.Gateway, null, "g", "m1"), Ct);
        var given = await addresses.RequestAsync(Any(Node1), Ct);
        await addresses.ClaimAsync(Node1, given.Address, "ep1", Ct);
        await addresses.MarkLeavingAsync(Node1, "ep1", Ct);
        await addresses.ReleaseAsync(Node1, given.Address, Ct);
        Assert.Equal("/address-space/pools/10.1.0.0-24\n/addresses/10.1.0.0-24/service/10.1.0.1", await etcd.DumpAsync(keys));

        await pools.ReleaseAsync(Pool, Ct);
        Assert.Equal("", await etcd.DumpAsync(keys));
    }

    [Fact]
    public async Task Request_ManyProcessesAtOnce_NeverDoubleAndUseTheLastAddress()
    {
        var processes = Enumerable.Range(0, 4).Select(_ => NewProcess()).ToList();
        var got = await Task.WhenAll(Enumerable.Range(0, 20).Select(async i =>
        {
            try
            {
                return (await processes[i % 4].RequestAsync(Any(Node1), Ct)).Address.ToString();
            }
            catch (AddressRefusedException)
            {
                return null;
            }
        }));
        Assert.Equal(Enumerable.Range(34, 13).Select(i => $"10.1.0.{i}"), got.Where(address => address is not null).Order());
    }

    [Fact]
    public async Task ClaimAndRelease_AtOnce_AgreeOnOneOutcome()
    {
        var (keys, addresses) = await NewClusterAsync(quarantine: TimeSpan.Zero);
        var other = NewProcess(keys, quarantine: false);
        var (lived, went) = (0, 0);
        for (var i = 0; i < 60; i++)
        {
            var given = await addresses.RequestAsync(Any(Node1), Ct);
            var claim = ClaimedAsync(addresses, given.Address, "ep1");
            var rival = i % 2 == 0 ? ClaimedAsync(other, given.Address, "ep2") : Task.FromResult(false);
            var release = other.ReleaseAsync(Node1, given.Address, Ct);
            await Task.WhenAll(claim, rival, release);
            Assert.False(await claim && await rival, "two endpoints claimed one address");
            var record = await addresses.FindAsync(Node1, given.Address, Ct);
            if (await claim || await rival)
            {
                lived++;
                Assert.Equal(new AddressReleaseResult(AddressRelease.OwnerLives, await claim ? "ep1" : "ep2"), await release);
                Assert.True(record!.Value.IsReleaseRequested);
                Assert.Empty(await addresses.MarkLeavingAsync(Node1, record.Value.Owner, Ct));
            }
            else
            {
                went++;
                Assert.Equal(AddressRelease.Released, (await release).Outcome);
            }

            Assert.Null(await addresses.FindAsync(Node1, given.Address, Ct));
        }

        Assert.True(lived > 0 && went > 0, $"both outcomes are needed to prove anything: {lived} lived, {went} went");

        static async Task<bool> ClaimedAsync(AddressAllocator addresses, IPv4Address address, string endpoint)
        {
            try
            {
                await addresses.ClaimAsync(Node1, address, endpoint, Ct);
                return true;
            }
            catch (AddressRefusedException)
            {
                return false;
            }
        }
    }

    /// <summary>
    /// Endpoints come and go on one host subnet through several processes, with re-sent requests, early releases and refused claims: at
    /// no time do two living endpoints have one address, and in the end nothing is left.
    /// </summary>
    [Fact]
    public async Task Lifecycles_RandomInterleavings_NeverHandOutDouble()
    {
        await Gen.Select(Gen.Int[0, 63].Array[10, 30], Gen.Int[2, 3], Gen.Bool).SampleAsync(
            async (scripts, processCount, quarantine) =>
            {
                var (keys, first) = await NewClusterAsync(quarantine ? TimeSpan.FromSeconds(600) : TimeSpan.Zero);
                var processes = Enumerable.Range(1, processCount - 1).Select(_ => NewProcess(keys, quarantine)).Prepend(first).ToList();
                var living = new ConcurrentDictionary<IPv4Address, string>();
                await Task.WhenAll(scripts.Select((script, i) => LiveAsync(script, $"ep{i}", processes[i % processCount], processes[(i + 1) % processCount], living)));
                var left = (await first.ListRangeAsync(Node1, Ct)).Where(record => record.IsHeld).ToList();
                Assert.Empty(left);
                Assert.Empty(living);
            },
            iter: 15,
            threads: 1);
    }

    private static async Task LiveAsync(
        int script, string endpoint, AddressAllocator mine, AddressAllocator other, ConcurrentDictionary<IPv4Address, string> living)
    {
        var request = Any(Node1);
        var resent = (script & 1) != 0 ? TryAsync(other) : null;
        var answer = await TryAsync(mine);
        if (resent is not null)
        {
            var again = await resent;
            if (answer is not null && again is not null) Assert.Equal(answer.Address, again.Address);
            answer ??= again;
        }

        if (answer is not { } given) return;   // full

        if ((script & 2) != 0)
        {
            await other.ReleaseAsync(Node1, given.Address, Ct);   // CreateEndpoint never came
            return;
        }

        await mine.ClaimAsync(Node1, given.Address, endpoint, Ct);
        Assert.True(living.TryAdd(given.Address, endpoint), $"{given.Address} lives twice");
        if ((script & 4) != 0)
        {
            var early = await other.ReleaseAsync(Node1, given.Address, Ct);
            Assert.Equal(new AddressReleaseResult(AddressRelease.OwnerLives, endpoint), early);
        }

        if ((script & 8) != 0) await Task.Yield();
        Assert.True(living.TryRemove(given.Address, out var lived) && lived == endpoint);
        if ((script & 16) != 0) await mine.UnclaimAsync(Node1, given.Address, endpoint, Ct);
        var waiting = await mine.MarkLeavingAsync(Node1, endpoint, Ct);
        if ((script & 4) == 0)
        {
            Assert.Equal((script & 16) == 0 ? 1 : 0, waiting.Count);
            await other.ReleaseAsync(Node1, given.Address, Ct);
        }

        async Task<AddressRecord?> TryAsync(AddressAllocator process)
        {
            try
            {
                return await process.RequestAsync(request, Ct);
            }
            catch (AddressRefusedException)
            {
                return null;
            }
        }
    }

    private static IPv4Address Ip(uint last) => new(Pool.First.Value + last);

    private static AddressRequest Any(AddressRange range) => new(
        range,
        range.IsService ? AddressKind.Provisional : AddressKind.Container,
        Requested: null,
        Guid.NewGuid().ToString(),
        range == Node1 ? "n1" : range == Node2 ? "n2" : "m1");

    private async Task<string> TakeAsync(AddressRange range) => (await _addresses.RequestAsync(Any(range), Ct)).Address.ToString();

    private async Task RefusedAsync(string expected, AddressRange range, IPv4Address? requested, AddressKind? kind = null)
    {
        var any = Any(range);
        var refused = await Assert.ThrowsAsync<AddressRefusedException>(
            () => _addresses.RequestAsync(any with { Requested = requested, Kind = kind ?? any.Kind }, Ct));
        Assert.Equal(expected, refused.Message);
    }

    private async Task SpareAsync(uint last) => Assert.True(await _addresses.MarkSpareAsync((await _addresses.FindAsync(Service, Ip(last), Ct))!, Ct));

    private async Task<string> StateAsync(uint last, AddressRange? range = null) => await _addresses.FindAsync(range ?? Node1, Ip(last), Ct) switch
    {
        null => "absent",
        { Value.IsReleaseRequested: true } record => $"{record.Value.State.ToString().ToLowerInvariant()}, release requested",
        { } record => record.Value.State.ToString().ToLowerInvariant(),
    };

    private AddressAllocator NewProcess() => new(etcd.Store, _keys, TimeProvider.System, new AddressAllocatorOptions());

    private AddressAllocator NewProcess(ClusterKeys keys, bool quarantine) => new(
        etcd.Store, keys, TimeProvider.System, new AddressAllocatorOptions { Quarantine = quarantine ? TimeSpan.FromSeconds(600) : TimeSpan.Zero });

    private async Task<(ClusterKeys Keys, AddressAllocator Addresses)> NewClusterAsync(TimeSpan? quarantine = null)
    {
        var keys = etcd.NewKeys();
        using var pools = new PoolAllocator(etcd.Store, keys, Space, TimeProvider.System);
        await pools.AllocateAsync(new PoolRequest($"{Pool}", null, "pool"), Ct);
        var options = quarantine is { } time ? new AddressAllocatorOptions { Quarantine = time } : new AddressAllocatorOptions();
        return (keys, new AddressAllocator(etcd.Store, keys, TimeProvider.System, options));
    }
}
