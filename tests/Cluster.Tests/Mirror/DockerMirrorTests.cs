using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using static FlannelFlow.Cluster.Tests.Mirror.Records;

namespace FlannelFlow.Cluster.Tests.Mirror;

[Trait("Needs", "etcd")]
public sealed class DockerMirrorTests(EtcdProcess etcd) : IClassFixture<EtcdProcess>, IAsyncLifetime
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(60);
    private readonly CancellationTokenSource _stop = new();
    private ClusterKeys _keys = null!;
    private DockerMirror _mirror = null!;
    private Task _running = Task.CompletedTask;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        _keys = etcd.NewKeys();
        _mirror = new DockerMirror(etcd.Store, _keys, "here", TimeProvider.System, NullLogger<DockerMirror>.Instance);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    [Fact]
    public async Task Mirror_BeforeItsFirstRead_HasNoState()
    {
        Assert.Null(_mirror.Current);
        Assert.Equal(0, _mirror.AppliedRevision);
        await PutAsync(Network("net1", "10.1.0.0/20"));
        Start();
        Assert.Equal(["net1"], (await UntilAsync(_ => true)).Networks.Keys);
    }

    [Fact]
    public async Task Mirror_FollowsEveryChange_AndItsRevisionIsThatOfTheChange()
    {
        Start();
        await UntilAsync(_ => true);
        var put = await PutAsync(Container("c1", "n1", null, ("net1", "10.1.2.3", null)));
        Assert.Equal(put, (await UntilAsync(state => state.Containers.ContainsKey("c1"))).Revision);
        await etcd.Store.DeleteAsync(EtcdKeys.One(_keys.DockerContainer("n1", "c1")), Ct);
        Assert.Equal(put + 1, (await UntilAsync(state => state.Containers.IsEmpty)).Revision);
    }

    /// <summary>Many, since what matters is the moment of their watches' opening at which it dies.</summary>
    [Fact]
    public async Task Mirrors_AfterAnEtcdRestart_GoOn()
    {
        await PutAsync(Network("net1", "10.1.0.0/20"));
        var mirrors = Enumerable.Range(0, 40).Select(_ => new DockerMirror(etcd.Store, _keys, "here", TimeProvider.System, NullLogger<DockerMirror>.Instance)).ToList();
        _running = Task.WhenAll(mirrors.Select(mirror => mirror.RunAsync(_stop.Token)));
        await mirrors[0].WhenAsync(state => state.Networks.Count == 1, Ct).WaitAsync(Long, Ct);
        await etcd.KillAsync();
        await etcd.StartAsync();
        await etcd.Store.DeleteAsync(EtcdKeys.One(_keys.DockerNetwork("net1")), Ct);
        await PutAsync(Network("net2", "10.2.0.0/20"));
        foreach (var mirror in mirrors)
            Assert.Equal(["net2"], (await mirror.WhenAsync(state => state.Networks.ContainsKey("net2"), Ct).WaitAsync(Long, Ct)).Networks.Keys);
    }

    [Fact]
    public async Task Mirror_WhoseWatchLostHistory_ReadsAnew()
    {
        // The range of the first read is long past when the watch begins, and compacted away.
        var first = await PutAsync(Network("net1", "10.1.0.0/20"));
        await etcd.Store.DeleteAsync(EtcdKeys.One(_keys.DockerNetwork("net1")), Ct);
        var last = await PutAsync(Network("net2", "10.2.0.0/20"));
        await etcd.EtcdctlAsync("compact", last.ToString(System.Globalization.CultureInfo.InvariantCulture));
        var old = new EtcdOfThePast(etcd.Store, new EtcdRange(first, [new EtcdEntry(
            _keys.DockerNetwork("net1"), MirrorJson.Write(Network("net1", "10.1.0.0/20")), first, first, 1, EtcdLeaseId.None)]));
        _mirror = new DockerMirror(old, _keys, "here", TimeProvider.System, NullLogger<DockerMirror>.Instance);
        Start();
        Assert.Equal(["net2"], (await UntilAsync(state => state.Networks.ContainsKey("net2"))).Networks.Keys);
    }

    [Fact]
    public async Task Acknowledgement_IsTheLeastOfTheFollowers()
    {
        Start();
        var state = await UntilAsync(_ => true);
        Assert.Equal(state.Revision, _mirror.AppliedRevision);
        var balancers = _mirror.Follow("load balancers");
        var names = _mirror.Follow("names");
        var revision = await PutAsync(Network("net1", "10.1.0.0/20"));
        do state = await balancers.NextAsync(Ct);
        while (state.Revision < revision);
        balancers.Applied(state, state.Revision);
        Assert.Equal(0, _mirror.AppliedRevision);

        var acknowledged = _mirror.WhenAppliedAsync(0, Ct);
        names.Applied(state, revision - 1);
        Assert.Equal(revision - 1, await acknowledged.WaitAsync(Long, Ct));
        names.Applied(state, revision);
        Assert.Equal(revision, await _mirror.WhenAppliedAsync(revision - 1, Ct).WaitAsync(Long, Ct));
        names.Applied(state, 1);
        Assert.Equal(revision, _mirror.AppliedRevision);

        var next = await PutAsync(Network("net2", "10.2.0.0/20"));
        await UntilAsync(state => state.Networks.Count == 2);
        Assert.Equal(revision, _mirror.AppliedRevision);
        names.Dispose();
        balancers.Applied(state, next);
        Assert.Equal(next, _mirror.AppliedRevision);
    }

    [Fact]
    public async Task Mirror_OfAnEtcdThatWasPutBack_IsReadAnew_AndNobodyHasActedByIt()
    {
        await PutAsync(Network("net1", "10.1.0.0/20"));
        var snapshot = Path.Combine(etcd.Folder, "snapshot");
        await etcd.EtcdctlAsync("snapshot", "save", snapshot);
        var names = _mirror.Follow("names");
        Start();
        for (var i = 0; i < 20; i++) await PutAsync(Network("net2", "10.2.0.0/20"));
        var late = await PutAsync(Network("net3", "10.3.0.0/20"));
        var before = await UntilAsync(state => state.Revision >= late);
        names.Applied(before, late);
        Assert.Equal(late, _mirror.AppliedRevision);
        var acknowledged = _mirror.WhenAppliedAsync(late, Ct);

        await etcd.KillAsync();
        await etcd.RestoreAsync(snapshot);
        await etcd.StartAsync();

        var state = await UntilAsync(state => !state.Networks.ContainsKey("net3"));
        Assert.Equal(["net1"], state.Networks.Keys);
        Assert.True(state.Revision < late);
        Assert.Equal(0, await acknowledged.WaitAsync(Long, Ct));

        // By what was, nothing of what is.
        names.Applied(before, late + 1);
        Assert.Equal(0, _mirror.AppliedRevision);
        names.Applied(state, state.Revision);
        Assert.Equal(state.Revision, _mirror.AppliedRevision);
        await PutAsync(Network("net4", "10.4.0.0/20"));
        await UntilAsync(now => now.Networks.ContainsKey("net4"));
    }

    /// <summary>Answers the first read with what was; all else is the real store.</summary>
    private sealed class EtcdOfThePast(IEtcd real, EtcdRange past) : IEtcd
    {
        private int _reads;

        public Task<EtcdTransactionResult> TransactAsync(EtcdTransaction transaction, CancellationToken ct) => Interlocked.Increment(ref _reads) == 1
            ? Task.FromResult(new EtcdTransactionResult(true, past.Revision, [past, new EtcdRange(past.Revision, [])]))
            : real.TransactAsync(transaction, ct);

        public IAsyncEnumerable<EtcdWatchBatch> WatchAsync(EtcdKeys keys, long fromRevision, CancellationToken ct) => real.WatchAsync(keys, fromRevision, ct);

        public Task<EtcdRange> RangeAsync(EtcdKeys keys, CancellationToken ct) => throw new NotSupportedException();

        public Task<EtcdRange> RangeAsync(EtcdKeys keys, long revision, CancellationToken ct) => throw new NotSupportedException();

        public Task<long> PutAsync(string key, string value, EtcdLeaseId lease, CancellationToken ct) => throw new NotSupportedException();

        public Task<long> DeleteAsync(EtcdKeys keys, CancellationToken ct) => throw new NotSupportedException();

        public Task<EtcdLease> GrantLeaseAsync(TimeSpan timeToLive, CancellationToken ct) => throw new NotSupportedException();

        public Task RevokeLeaseAsync(EtcdLeaseId lease, CancellationToken ct) => throw new NotSupportedException();

        public Task<TimeSpan?> KeepLeaseAliveAsync(EtcdLeaseId lease, CancellationToken ct) => throw new NotSupportedException();

        public Task<TimeSpan?> TimeToLiveAsync(EtcdLeaseId lease, CancellationToken ct) => throw new NotSupportedException();
    }

    private void Start() => _running = _mirror.RunAsync(_stop.Token);

    private Task<MirrorState> UntilAsync(Func<MirrorState, bool> condition) => _mirror.WhenAsync(condition, Ct).WaitAsync(Long, Ct);

    private Task<long> PutAsync(NetworkRecord record) =>
        etcd.Store.PutAsync(_keys.DockerNetwork(record.Id), MirrorJson.Write(record), EtcdLeaseId.None, Ct);

    private Task<long> PutAsync(ContainerRecord record) =>
        etcd.Store.PutAsync(_keys.DockerContainer(record.Host, record.Id), MirrorJson.Write(record), EtcdLeaseId.None, Ct);
}
