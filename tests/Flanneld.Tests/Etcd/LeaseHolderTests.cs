using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Flanneld.CommandLine;
using FlannelFlow.Flanneld.Leases;
using FlannelFlow.Flanneld.Networks;
using FlannelFlow.Flanneld.Tests.Support;
using FlannelFlow.Linux.Netlink;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace FlannelFlow.Flanneld.Tests.Etcd;

/// <summary>Leases in a real etcd on loopback, with a clock that the test turns.</summary>
[Trait("Needs", "etcd")]
public sealed class LeaseHolderTests : IAsyncLifetime
{
    private static readonly TimeSpan Margin = TimeSpan.FromHours(1);
    private static readonly MacAddress Mac = MacAddress.Parse("02:00:00:00:00:01");
    private readonly LoopbackEtcd _process = new();
    private readonly FakeTimeProvider _time = new();
    private readonly FlannelKeys _keys = new("/ff/n1");
    private EtcdStore _etcd = null!;

    public async ValueTask InitializeAsync()
    {
        await _process.StartAsync();
        _etcd = new EtcdStore(new EtcdOptions { Endpoints = [_process.Endpoint] }, TimeProvider.System, NullLogger<EtcdStore>.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        await _etcd.DisposeAsync();
        await _process.DisposeAsync();
    }

    private LeaseHolder Holder(string publicIP = "192.0.2.1", VxlanNetwork? network = null, int seed = 1) =>
        new(_etcd, _keys, network ?? Support.Leases.Network, IPv4Address.Parse(publicIP), Margin, _time, new Random(seed), NullLogger.Instance);

    private async Task<EtcdEntry?> ReadAsync(string key) => (await _etcd.RangeAsync(EtcdKeys.One(key), default)).Entries is [var entry] ? entry : null;

    [Fact]
    public async Task Lease_IsFor24Hours_AndRenewedAtTheMargin_NotBefore()
    {
        using var holder = Holder();
        var held = await holder.AcquireAsync(Mac, null, default);
        Assert.InRange((await _etcd.TimeToLiveAsync(held.EtcdLease, default))!.Value.TotalSeconds, 86390, 86400);
        using var end = new CancellationTokenSource();
        var renewing = holder.RenewAsync(end.Token);

        _time.Advance(TimeSpan.FromHours(23) - TimeSpan.FromSeconds(1));
        Assert.Equal(held.ModRevision, (await ReadAsync(held.Key))!.ModRevision);
        Assert.Same(held, holder.Held);
        _time.Advance(TimeSpan.FromSeconds(2));
        await Wait.UntilAsync("renewed", async () => (await ReadAsync(held.Key))!.Lease != held.EtcdLease);
        var renewed = (await ReadAsync(held.Key))!;
        Assert.Equal(held.Value, renewed.Value);
        Assert.InRange((await _etcd.TimeToLiveAsync(renewed.Lease, default))!.Value.TotalSeconds, 86390, 86400);
        await end.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => renewing);
    }

    [Fact]
    public async Task Renewal_OfALeaseThatAnotherHasTaken_Fails_AndOverwritesNothing()
    {
        using var holder = Holder();
        var held = await holder.AcquireAsync(Mac, null, default);
        var theirs = Support.Leases.Value("192.0.2.2", "02:00:00:00:00:02");
        await _etcd.PutAsync(held.Key, theirs, EtcdLeaseId.None, default);
        var renewing = holder.RenewAsync(default);
        _time.Advance(TimeSpan.FromHours(23.5));
        var lost = await Assert.ThrowsAsync<FlanneldException>(() => renewing);
        Assert.Equal(ExitCodes.LeaseLost, lost.ExitCode);
        Assert.Contains("overwritten by the host with the public address 192.0.2.2", lost.Message, StringComparison.Ordinal);
        Assert.Equal(theirs, (await ReadAsync(held.Key))!.Value);
    }

    [Fact]
    public async Task Renewal_OfALeaseThatIsGone_Fails_AndMakesNoNewOne()
    {
        using var holder = Holder();
        var held = await holder.AcquireAsync(Mac, null, default);
        await _etcd.DeleteAsync(EtcdKeys.One(held.Key), default);
        var renewing = holder.RenewAsync(default);
        _time.Advance(TimeSpan.FromHours(23.5));
        Assert.Contains("is gone", (await Assert.ThrowsAsync<FlanneldException>(() => renewing)).Message, StringComparison.Ordinal);
        Assert.Null(await ReadAsync(held.Key));
    }

    [Fact]
    public async Task Renewal_AfterTheSameValueWasPutByHand_GoesOn()
    {
        using var holder = Holder();
        var held = await holder.AcquireAsync(Mac, null, default);
        await _etcd.PutAsync(held.Key, held.Value, EtcdLeaseId.None, default);
        using var end = new CancellationTokenSource();
        var renewing = holder.RenewAsync(end.Token);
        _time.Advance(TimeSpan.FromHours(23.5));
        await Wait.UntilAsync("renewed", async () => (await ReadAsync(held.Key))!.Lease != EtcdLeaseId.None);
        await end.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => renewing);
    }

    [Fact]
    public async Task Acquire_Again_WritesNothing_UnlessThereIsNews()
    {
        using var first = Holder();
        var held = await first.AcquireAsync(Mac, null, default);
        using var second = Holder();
        Assert.Equal(held.ModRevision, (await second.AcquireAsync(Mac, null, default)).ModRevision);
        using var third = Holder();
        var other = await third.AcquireAsync(MacAddress.Parse("02:00:00:00:00:77"), null, default);
        Assert.Equal((held.Key, true), (other.Key, other.ModRevision > held.ModRevision));
        Assert.Equal(MacAddress.Parse("02:00:00:00:00:77"), LeaseHolder.PublishedMac([(await ReadAsync(held.Key))!], IPv4Address.Parse("192.0.2.1"), 6514));
    }

    [Fact]
    public async Task Reservation_WithoutEtcdLease_IsTakenUp_AndGetsOne()
    {
        await _etcd.PutAsync("/ff/n1/subnets/10.1.5.0-25", Support.Leases.Value("192.0.2.1", "02:00:00:00:00:05"), EtcdLeaseId.None, default);
        using var holder = Holder();
        var held = await holder.AcquireAsync(Mac, null, default);
        Assert.Equal("10.1.5.0/25", held.Subnet.ToString());
        Assert.NotEqual(EtcdLeaseId.None, (await ReadAsync(held.Key))!.Lease);
    }

    [Fact]
    public async Task OwnLeaseThatDoesNotFit_IsDeleted_AndAnotherLeased()
    {
        await _etcd.PutAsync("/ff/n1/subnets/10.1.0.0-24", Support.Leases.Value("192.0.2.1", "02:00:00:00:00:05"), EtcdLeaseId.None, default);
        using var holder = Holder();
        Assert.Equal(25, (await holder.AcquireAsync(Mac, null, default)).Subnet.Length);
        Assert.Null(await ReadAsync("/ff/n1/subnets/10.1.0.0-24"));
    }

    [Fact]
    public async Task Publish_ChangesTheMac_AndTheOwnEventIsNoLoss()
    {
        using var holder = Holder();
        var held = await holder.AcquireAsync(Mac, null, default);
        var other = MacAddress.Parse("02:00:00:00:00:66");
        await holder.PublishAsync(other, default);
        var entry = (await ReadAsync(held.Key))!;
        Assert.Contains("02:00:00:00:00:66", entry.Value, StringComparison.Ordinal);
        await holder.CheckAsync(entry, entry.ModRevision, default);
        Assert.Equal(other, holder.Held.Mac);
        // The event of the first write, coming late, says nothing.
        await holder.CheckAsync(entry with { Value = held.Value, ModRevision = held.ModRevision }, held.ModRevision, default);
        Assert.Equal(entry.ModRevision, holder.Held.ModRevision);
        Assert.Equal(ExitCodes.LeaseLost, (await Assert.ThrowsAsync<FlanneldException>(() => holder.CheckAsync(null, entry.ModRevision + 5, default))).ExitCode);
    }

    /// <summary>Restored from a backup that is older than the lease: revisions begin again before ours, and the lease is not there.</summary>
    [Fact]
    public async Task EtcdThatWasPutBackToBeforeTheLease_IsALossAtOnce()
    {
        using var holder = Holder();
        var held = await holder.AcquireAsync(Mac, null, default);
        await holder.CheckAsync(null, held.ModRevision - 1, default);
        await _etcd.DeleteAsync(EtcdKeys.One(held.Key), default);
        Assert.Equal(ExitCodes.LeaseLost, (await Assert.ThrowsAsync<FlanneldException>(() => holder.CheckAsync(null, held.ModRevision - 1, default))).ExitCode);
    }

    [Fact]
    public async Task Race_AsManyHostsAsSubnets_EachGetsOne_TheNextIsRefused()
    {
        var network = VxlanNetwork.Parse("""{"Network":"10.9.0.0/24","SubnetLen":29,"Backend":{"Type":"vxlan"}}""");
        var count = network.Addresses.Subnets().Count();
        var holders = Enumerable.Range(1, count).Select(i => Holder($"192.0.2.{i}", network, i)).ToList();
        var held = await Task.WhenAll(holders.Select((h, i) => h.AcquireAsync(MacAddress.Parse($"02:00:00:00:01:{i:x2}"), null, default)));
        Assert.Equal(count, held.Select(h => h.Subnet).Distinct().Count());
        var entries = (await _etcd.RangeAsync(EtcdKeys.Under(_keys.Subnets), default)).Entries;
        Assert.Equal(count, entries.Count);
        Assert.All(entries, e => Assert.Equal(1, e.Version));
        using var late = Holder("192.0.2.200", network);
        Assert.Contains($"all {count} subnets of length 29 are taken", (await Assert.ThrowsAsync<FlanneldException>(() => late.AcquireAsync(Mac, null, default))).Message, StringComparison.Ordinal);
        foreach (var holder in holders) holder.Dispose();
    }
}
