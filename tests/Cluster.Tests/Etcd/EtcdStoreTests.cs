using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Tests.Support;

namespace FlannelFlow.Cluster.Tests.Etcd;

[Trait("Needs", "etcd")]
public sealed class EtcdStoreTests(EtcdProcess etcd) : IClassFixture<EtcdProcess>
{
    private readonly EtcdStore _store = etcd.Store;
    private readonly string _prefix = etcd.NewKeys().Prefix;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Range_PrefixAndPastRevision_ReturnsWhatWasThere()
    {
        await _store.PutAsync($"{_prefix}/a", "1", EtcdLeaseId.None, Ct);
        var second = await _store.PutAsync($"{_prefix}/b", "ü€", EtcdLeaseId.None, Ct);
        await _store.PutAsync($"{_prefix}/a", "3", EtcdLeaseId.None, Ct);
        await _store.PutAsync($"{_prefix}0", "sibling", EtcdLeaseId.None, Ct);

        var now = await _store.RangeAsync(EtcdKeys.Under($"{_prefix}/"), Ct);
        var then = await _store.RangeAsync(EtcdKeys.Under($"{_prefix}/"), second, Ct);

        Assert.Equal(["3", "ü€"], now.Entries.Select(e => e.Value));
        Assert.Equal(["1", "ü€"], then.Entries.Select(e => e.Value));
        Assert.Equal(2, now.Entries[0].Version);
        Assert.Equal(2, await _store.DeleteAsync(EtcdKeys.Under($"{_prefix}/"), Ct));
        Assert.Single((await _store.RangeAsync(EtcdKeys.One($"{_prefix}0"), Ct)).Entries);
    }

    [Fact]
    public async Task Transaction_EachCondition_HoldsAndFails()
    {
        var (a, under) = ($"{_prefix}/a", $"{_prefix}/");
        async Task<bool> Holds(params EtcdCompare[] when) => (await _store.TransactAsync(new EtcdTransaction(when, []), Ct)).Succeeded;

        Assert.True(await Holds(EtcdCompare.Absent(a), new EtcdCompare.NothingUnder(under), new EtcdCompare.NothingModifiedUnder(under, 1)));
        Assert.False(await Holds(new EtcdCompare.KeyExists(a)));
        Assert.False(await Holds(new EtcdCompare.Value(a, "")));
        var created = await _store.PutAsync(a, "1", EtcdLeaseId.None, Ct);
        var changed = await _store.PutAsync(a, "2", EtcdLeaseId.None, Ct);

        Assert.True(await Holds(
            new EtcdCompare.KeyExists(a), new EtcdCompare.CreateRevision(a, created), new EtcdCompare.ModRevision(a, changed), new EtcdCompare.Value(a, "2")));
        Assert.False(await Holds(EtcdCompare.Absent(a)));
        Assert.False(await Holds(new EtcdCompare.ModRevision(a, created)));
        Assert.False(await Holds(new EtcdCompare.Value(a, "1")));
        Assert.False(await Holds(new EtcdCompare.NothingUnder(under)));
        Assert.True(await Holds(new EtcdCompare.NothingModifiedUnder(under, changed)));
        Assert.False(await Holds(new EtcdCompare.NothingModifiedUnder(under, changed - 1)));
        Assert.True(await Holds(new EtcdCompare.NothingCreatedUnder(under, created)));
        Assert.False(await Holds(new EtcdCompare.NothingCreatedUnder(under, created - 1)));
    }

    [Fact]
    public async Task Transaction_Otherwise_ReadsWhatStoodInTheWay()
    {
        var key = $"{_prefix}/a";
        await _store.PutAsync(key, "theirs", EtcdLeaseId.None, Ct);

        var result = await _store.TransactAsync(
            new EtcdTransaction([EtcdCompare.Absent(key)], [new EtcdOperation.Put(key, "mine")], [new EtcdOperation.Read(EtcdKeys.One(key))]), Ct);

        Assert.False(result.Succeeded);
        Assert.Equal("theirs", Assert.Single(Assert.Single(result.Ranges).Entries).Value);
    }

    [Fact]
    public async Task Lease_KeptAlive_HasItsFullTimeAgain_AndAGoneOneSaysSo()
    {
        var lease = await _store.GrantLeaseAsync(TimeSpan.FromSeconds(60), Ct);
        Assert.Equal(TimeSpan.FromSeconds(60), await _store.KeepLeaseAliveAsync(lease.Id, Ct));
        await _store.RevokeLeaseAsync(lease.Id, Ct);
        Assert.Null(await _store.KeepLeaseAliveAsync(lease.Id, Ct));
    }

    [Fact]
    public async Task Lease_Revoked_TakesItsKeysAlong()
    {
        var key = $"{_prefix}/leased";
        var lease = await _store.GrantLeaseAsync(TimeSpan.FromSeconds(60), Ct);
        await _store.PutAsync(key, "x", lease.Id, Ct);
        Assert.Equal(lease.Id, (await _store.RangeAsync(EtcdKeys.One(key), Ct)).Entries[0].Lease);
        Assert.InRange((await _store.TimeToLiveAsync(lease.Id, Ct))!.Value.TotalSeconds, 50, 60);

        await _store.RevokeLeaseAsync(lease.Id, Ct);
        await _store.RevokeLeaseAsync(lease.Id, Ct);

        Assert.Empty((await _store.RangeAsync(EtcdKeys.One(key), Ct)).Entries);
        Assert.Null(await _store.TimeToLiveAsync(lease.Id, Ct));
    }

    [Fact]
    public async Task Watch_FromPastRevision_TellsEverythingInOrder()
    {
        var first = await _store.PutAsync($"{_prefix}/a", "1", EtcdLeaseId.None, Ct);
        await _store.PutAsync($"{_prefix}/a", "2", EtcdLeaseId.None, Ct);
        using var limit = Limit();
        await using var watch = _store.WatchAsync(EtcdKeys.Under($"{_prefix}/"), first, limit.Token).GetAsyncEnumerator(limit.Token);

        var seen = await TakeAsync(watch, 2);
        await _store.TransactAsync(
            new EtcdTransaction([], [new EtcdOperation.Delete(EtcdKeys.One($"{_prefix}/a")), new EtcdOperation.Put($"{_prefix}/b", "3")]), Ct);
        Assert.True(await watch.MoveNextAsync());
        var together = Assert.IsType<EtcdChanges>(watch.Current);

        Assert.Equal(["Put 1", "Put 2"], seen);
        Assert.Equal(["Delete, was 2", "Put 3"], together.Events.Select(Text));
    }

    [Fact]
    public async Task Watch_Compacted_SaysSoAndEnds()
    {
        var first = await _store.PutAsync($"{_prefix}/a", "1", EtcdLeaseId.None, Ct);
        var second = await _store.PutAsync($"{_prefix}/a", "2", EtcdLeaseId.None, Ct);
        await etcd.EtcdctlAsync("compact", $"{second}");
        using var limit = Limit();
        await using var watch = _store.WatchAsync(EtcdKeys.Under($"{_prefix}/"), first, limit.Token).GetAsyncEnumerator(limit.Token);

        Assert.True(await watch.MoveNextAsync());
        Assert.Equal(new EtcdCompacted(second), watch.Current);
        Assert.False(await watch.MoveNextAsync());
        var gone = await Assert.ThrowsAsync<EtcdCompactedException>(() => _store.RangeAsync(EtcdKeys.One($"{_prefix}/a"), first, Ct));
        Assert.Equal($"reading {_prefix}/a from {etcd.Endpoint}: etcdserver: mvcc: required revision has been compacted", gone.Message);
    }

    [Fact]
    public async Task Watch_Cancelled_Throws()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        await using var watch = _store.WatchAsync(EtcdKeys.Under($"{_prefix}/"), 1, stop.Token).GetAsyncEnumerator(stop.Token);
        var waiting = watch.MoveNextAsync();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await waiting);
    }

    [Fact]
    public async Task Call_RequestThatEtcdRefuses_IsNotRetryable()
    {
        var key = $"{_prefix}/a";
        var refused = await Assert.ThrowsAsync<EtcdException>(() => _store.TransactAsync(
            new EtcdTransaction([], [new EtcdOperation.Put(key, "1"), new EtcdOperation.Put(key, "2")]), Ct));
        Assert.Equal($"a transaction on {key} at {etcd.Endpoint}: etcdserver: duplicate key given in txn request", refused.Message);
    }

    private static string Text(EtcdEvent change) => change.Kind switch
    {
        EtcdEventKind.Put => $"Put {change.Entry.Value}",
        EtcdEventKind.Delete => $"Delete, was {change.Previous?.Value}",
    };

    private static async Task<List<string>> TakeAsync(IAsyncEnumerator<EtcdWatchBatch> watch, int count)
    {
        var seen = new List<string>();
        while (seen.Count < count && await watch.MoveNextAsync()) seen.AddRange(Assert.IsType<EtcdChanges>(watch.Current).Events.Select(Text));
        return seen;
    }

    private static CancellationTokenSource Limit()
    {
        var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        limit.CancelAfter(TimeSpan.FromSeconds(20));
        return limit;
    }
}
