using System.Diagnostics;
using System.Text.RegularExpressions;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace FlannelFlow.Cluster.Tests.Etcd;

/// <summary>etcd is killed, restarted and frozen under our feet. One etcd per test: they end it.</summary>
[Trait("Needs", "etcd")]
public sealed class EtcdFaultTests : IAsyncLifetime
{
    private const string Key = "/t/a";

    /// <summary>How a call ends after the kill: on a new connection, or on the old one, whose end the client has not seen yet.</summary>
    private const string Gone = "(ConnectionRefused: Connection refused|ConnectionReset: Connection reset by peer|.*response ended prematurely.*)";

    private readonly EtcdProcess _etcd = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => _etcd.InitializeAsync();

    public ValueTask DisposeAsync() => _etcd.DisposeAsync();

    [Fact]
    public async Task Calls_EtcdDown_RefusedAtOnceInWords_AndServedAfterRestart()
    {
        await _etcd.Store.PutAsync(Key, "1", EtcdLeaseId.None, Ct);
        await _etcd.KillAsync();
        var took = Stopwatch.StartNew();

        var read = await Assert.ThrowsAsync<EtcdUnavailableException>(() => _etcd.Store.RangeAsync(EtcdKeys.Under("/t/"), Ct));
        var write = await Assert.ThrowsAsync<EtcdUnavailableException>(() => _etcd.Store.PutAsync(Key, "2", EtcdLeaseId.None, Ct));

        Assert.InRange(took.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(3));
        Assert.Matches($"^reading /t/\\* from {Regex.Escape(_etcd.Endpoint)}: {Gone}$", read.Message);
        Assert.Matches($"^writing {Key} to {Regex.Escape(_etcd.Endpoint)}: {Gone}$", write.Message);
        await _etcd.StartAsync();
        Assert.Equal("1", (await EventuallyAsync(() => _etcd.Store.RangeAsync(EtcdKeys.One(Key), Ct))).Entries[0].Value);
    }

    [Fact]
    public async Task Calls_EtcdFrozen_EndAtTheDeadline_AndGoOnAfterThaw()
    {
        await using var store = _etcd.Open(new EtcdOptions { Endpoints = [_etcd.Endpoint], CallTimeout = TimeSpan.FromSeconds(1) });
        await store.PutAsync(Key, "1", EtcdLeaseId.None, Ct);
        await _etcd.FreezeAsync();
        var took = Stopwatch.StartNew();

        var read = await Assert.ThrowsAsync<EtcdUnavailableException>(() => store.RangeAsync(EtcdKeys.One(Key), Ct));
        var write = await Assert.ThrowsAsync<EtcdUnavailableException>(() => store.TransactAsync(
            new EtcdTransaction([EtcdCompare.Absent(Key)], [new EtcdOperation.Put(Key, "2")]), Ct));

        Assert.InRange(took.Elapsed.TotalSeconds, 1.9, 4);
        Assert.Equal($"reading {Key} from {_etcd.Endpoint}: deadline exceeded (1 s)", read.Message);
        Assert.Equal($"a transaction on {Key} at {_etcd.Endpoint}: deadline exceeded (1 s)", write.Message);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        stop.CancelAfter(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.RangeAsync(EtcdKeys.One(Key), stop.Token));
        _etcd.Thaw();
        Assert.Equal("1", (await EventuallyAsync(() => store.RangeAsync(EtcdKeys.One(Key), Ct))).Entries[0].Value);
    }

    [Fact]
    public async Task Calls_FirstEndpointDead_GoToTheSecondAndStayThere()
    {
        var dead = "http://127.0.0.1:1";
        await using var store = _etcd.Open(new EtcdOptions { Endpoints = [dead, _etcd.Endpoint] });
        await store.PutAsync(Key, "1", EtcdLeaseId.None, Ct);
        Assert.Single((await store.RangeAsync(EtcdKeys.One(Key), Ct)).Entries);

        await _etcd.KillAsync();
        var read = await Assert.ThrowsAsync<EtcdUnavailableException>(() => store.RangeAsync(EtcdKeys.One(Key), Ct));

        Assert.Matches($"^reading {Key} from {Regex.Escape(_etcd.Endpoint)}: {Gone}; from {dead}: ConnectionRefused: Connection refused$", read.Message);
    }

    [Fact]
    public async Task Read_FirstEndpointFrozen_IsAnsweredByTheSecond_AWriteIsNotSentTwice()
    {
        await using var second = new EtcdProcess();
        await second.InitializeAsync();
        await using var store = _etcd.Open(
            new EtcdOptions { Endpoints = [_etcd.Endpoint, second.Endpoint], CallTimeout = TimeSpan.FromSeconds(1) });
        await using var reader = _etcd.Open(
            new EtcdOptions { Endpoints = [_etcd.Endpoint, second.Endpoint], CallTimeout = TimeSpan.FromSeconds(1) });
        await store.RangeAsync(EtcdKeys.One(Key), Ct);
        await reader.RangeAsync(EtcdKeys.One(Key), Ct);
        await second.Store.PutAsync(Key, "of the second", EtcdLeaseId.None, Ct);
        await _etcd.FreezeAsync();

        Assert.Equal("of the second", (await reader.RangeAsync(EtcdKeys.One(Key), Ct)).Entries[0].Value);
        await Assert.ThrowsAsync<EtcdUnavailableException>(() => store.PutAsync(Key, "once", EtcdLeaseId.None, Ct));
        Assert.Equal("of the second", (await store.RangeAsync(EtcdKeys.One(Key), Ct)).Entries[0].Value);
        _etcd.Thaw();
    }

    [Fact]
    public async Task Watch_EtcdRestarted_MissesNothingAndRepeatsNothing()
    {
        var first = await _etcd.Store.PutAsync(Key, "1", EtcdLeaseId.None, Ct);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        limit.CancelAfter(TimeSpan.FromSeconds(25));
        await using var watch = _etcd.Store.WatchAsync(EtcdKeys.Under("/t/"), first, limit.Token).GetAsyncEnumerator(limit.Token);
        Assert.Equal(["1"], await NextAsync(watch));

        await _etcd.KillAsync();
        var waiting = watch.MoveNextAsync();
        await _etcd.StartAsync();
        await using (var other = _etcd.Open(new EtcdOptions { Endpoints = [_etcd.Endpoint] }))
        {
            await other.PutAsync(Key, "2", EtcdLeaseId.None, Ct);
            await other.PutAsync(Key, "3", EtcdLeaseId.None, Ct);
        }

        Assert.True(await waiting);
        var seen = Values(watch.Current);
        while (seen.Count < 2) seen.AddRange(await NextAsync(watch));
        Assert.Equal(["2", "3"], seen);
    }

    [Fact]
    public async Task Watch_CompactedWhileCutOff_EndsWithCompacted()
    {
        var first = await _etcd.Store.PutAsync(Key, "1", EtcdLeaseId.None, Ct);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        limit.CancelAfter(TimeSpan.FromSeconds(25));
        var clock = new FakeTimeProvider();
        var options = new EtcdOptions { Endpoints = [_etcd.Endpoint], CallTimeout = TimeSpan.FromHours(1) };
        await using var store = new EtcdStore(options, clock, NullLogger<EtcdStore>.Instance);
        await using var watch = store.WatchAsync(EtcdKeys.Under("/t/"), first, limit.Token).GetAsyncEnumerator(limit.Token);
        Assert.Equal(["1"], await NextAsync(watch));

        // The watch pauses on a clock that stands still, until the changes and the compaction have happened.
        var waiting = watch.MoveNextAsync();
        await _etcd.KillAsync();
        await _etcd.StartAsync();
        await using var other = _etcd.Open(new EtcdOptions { Endpoints = [_etcd.Endpoint] });
        await other.PutAsync(Key, "2", EtcdLeaseId.None, Ct);
        var last = await other.PutAsync(Key, "3", EtcdLeaseId.None, Ct);
        await _etcd.EtcdctlAsync("compact", $"{last}");

        while (!waiting.IsCompleted)
        {
            clock.Advance(options.WatchBackoffLimit);
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, limit.Token);
        }

        Assert.True(await waiting);
        Assert.Equal(new EtcdCompacted(last), watch.Current);
        Assert.False(await watch.MoveNextAsync());
    }

    [Fact]
    public async Task Watch_EtcdReplacedByAnEmptyOne_EndsWithCompacted()
    {
        for (var i = 0; i < 5; i++) await _etcd.Store.PutAsync(Key, "old", EtcdLeaseId.None, Ct);
        var last = (await _etcd.Store.RangeAsync(EtcdKeys.One(Key), Ct)).Revision;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        limit.CancelAfter(TimeSpan.FromSeconds(25));
        await using var watch = _etcd.Store.WatchAsync(EtcdKeys.Under("/t/"), last, limit.Token).GetAsyncEnumerator(limit.Token);
        Assert.Equal(["old"], await NextAsync(watch));

        var waiting = watch.MoveNextAsync();
        await _etcd.KillAsync();
        _etcd.Wipe();
        await _etcd.StartAsync();

        Assert.True(await waiting);
        Assert.IsType<EtcdCompacted>(watch.Current);
        Assert.Empty((await _etcd.Store.RangeAsync(EtcdKeys.Under("/t/"), Ct)).Entries);
    }

    [Fact]
    public async Task Calls_AuthEnabled_NeedUserAndPassword()
    {
        await _etcd.EtcdctlAsync("user", "add", "root:secret");
        await _etcd.EtcdctlAsync("user", "grant-role", "root", "root");
        await _etcd.EtcdctlAsync("auth", "enable");
        await using var right = _etcd.Open(new EtcdOptions { Endpoints = [_etcd.Endpoint], Credentials = new EtcdCredentials("root", "secret") });
        await using var wrong = _etcd.Open(new EtcdOptions { Endpoints = [_etcd.Endpoint], Credentials = new EtcdCredentials("root", "guess") });

        await right.PutAsync(Key, "1", EtcdLeaseId.None, Ct);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        limit.CancelAfter(TimeSpan.FromSeconds(25));
        await using var watch = right.WatchAsync(EtcdKeys.Under("/t/"), 1, limit.Token).GetAsyncEnumerator(limit.Token);
        Assert.Equal(["1"], await NextAsync(watch));

        var refused = await Assert.ThrowsAsync<EtcdException>(() => wrong.RangeAsync(EtcdKeys.One(Key), Ct));
        Assert.Equal($"reading {Key} from {_etcd.Endpoint}: etcdserver: authentication failed, invalid user ID or password", refused.Message);
        refused = await Assert.ThrowsAsync<EtcdException>(() => _etcd.Store.RangeAsync(EtcdKeys.One(Key), Ct));
        Assert.Equal($"reading {Key} from {_etcd.Endpoint}: etcdserver: user name is empty", refused.Message);

        // Restarted, etcd knows none of the tokens it gave.
        await _etcd.KillAsync();
        await _etcd.StartAsync();
        await EventuallyAsync(() => right.PutAsync(Key, "2", EtcdLeaseId.None, Ct));
    }

    [Fact]
    public async Task Watch_EtcdFrozen_IsNoticedByPing_AndResumes()
    {
        var log = new ListLogger<EtcdStore>();
        var options = new EtcdOptions
        {
            Endpoints = [_etcd.Endpoint],
            CallTimeout = TimeSpan.FromSeconds(1),
            KeepAliveInterval = TimeSpan.FromSeconds(1),
            KeepAliveTimeout = TimeSpan.FromSeconds(1),
        };
        await using var store = new EtcdStore(options, TimeProvider.System, log);
        var first = await store.PutAsync(Key, "1", EtcdLeaseId.None, Ct);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        limit.CancelAfter(TimeSpan.FromSeconds(25));
        await using var watch = store.WatchAsync(EtcdKeys.Under("/t/"), first, limit.Token).GetAsyncEnumerator(limit.Token);
        Assert.Equal(["1"], await NextAsync(watch));

        await _etcd.FreezeAsync();
        var waiting = watch.MoveNextAsync();
        while (log.Lines.IsEmpty) await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, limit.Token);
        _etcd.Thaw();
        await EventuallyAsync(() => store.PutAsync(Key, "2", EtcdLeaseId.None, Ct));

        Assert.True(await waiting);
        Assert.Equal(["2"], Values(watch.Current).Distinct());
        Assert.StartsWith($"watching /t/* from revision {first + 1} at {_etcd.Endpoint}: ", log.Lines.First(), StringComparison.Ordinal);
    }

    private static async Task<List<string>> NextAsync(IAsyncEnumerator<EtcdWatchBatch> watch)
    {
        Assert.True(await watch.MoveNextAsync());
        return Values(watch.Current);
    }

    private static List<string> Values(EtcdWatchBatch batch) => [.. Assert.IsType<EtcdChanges>(batch).Events.Select(e => e.Entry.Value)];

    private static async Task<T> EventuallyAsync<T>(Func<Task<T>> attempt)
    {
        for (var limit = Stopwatch.StartNew(); ;)
        {
            try
            {
                return await attempt();
            }
            catch (EtcdUnavailableException) when (limit.Elapsed < TimeSpan.FromSeconds(15))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Ct);
            }
        }
    }
}
