using System.Diagnostics;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using static FlannelFlow.Cluster.Tests.Mirror.Records;

namespace FlannelFlow.Cluster.Tests.Mirror;

[Trait("Needs", "etcd")]
public sealed class HostPresenceTests(EtcdProcess etcd) : IClassFixture<EtcdProcess>, IAsyncLifetime
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(60);
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _running = [];
    private ClusterKeys _keys = null!;
    private DockerMirror _mirror = null!;
    private int _drift;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        _keys = etcd.NewKeys();
        _mirror = new DockerMirror(etcd.Store, _keys, "here", TimeProvider.System, NullLogger<DockerMirror>.Instance);
        _running.Add(_mirror.RunAsync(_stop.Token));
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    [Fact]
    public async Task Host_IsThere_AndAcknowledgesWhatItActsBy()
    {
        using var balancers = _mirror.Follow("load balancers");
        Start("n1");
        var state = await UntilAsync(state => state.Hosts.ContainsKey("n1"));
        Assert.Equal(new HostRecord("n1", "1.2", "10.77.0.11", 0), state.Hosts["n1"]);

        var revision = await etcd.Store.PutAsync(_keys.DockerNetwork("net1"), MirrorJson.Write(Network("net1", "10.1.0.0/20")), EtcdLeaseId.None, Ct);
        balancers.Applied(state, revision);
        // The network comes by another watch than the acknowledgement, and may come after it.
        state = await UntilAsync(state => state.Hosts["n1"].AppliedRevision == revision && state.Revision >= revision);
        Assert.Equal(revision, state.AcknowledgedRevision);

        // Its own acknowledgement is no change that would have to be acknowledged.
        Assert.Equal(revision, state.Revision);
    }

    [Fact]
    public async Task Host_SaysHowManyDifferencesStandThere()
    {
        Start("n1");
        await UntilAsync(state => state.Hosts.GetValueOrDefault("n1")?.Drift == 0);
        _drift = 3;
        await UntilAsync(state => state.Hosts["n1"].Drift == 3);
        _drift = 0;
        await UntilAsync(state => state.Hosts["n1"].Drift == 0);
    }

    [Fact]
    public async Task Host_WhoseLeaseIsTakenAway_ComesBack()
    {
        Start("n1");
        await UntilAsync(state => state.Hosts.ContainsKey("n1"));
        var entry = (await etcd.Store.RangeAsync(EtcdKeys.One(_keys.Host("n1")), Ct)).Entries[0];
        await etcd.Store.RevokeLeaseAsync(entry.Lease, Ct);
        Assert.False((await UntilAsync(state => state.Hosts.IsEmpty)).IsPresent("n1"));

        // Its signs of life have not been missed: none is given anew that would tell of its return.
        await UntilAsync(state => state.IsPresent("n1"));
    }

    /// <summary>Found by tests/campaigns/soak: of a full etcd the record of each host that had something to acknowledge ended, and its tasks got nothing new any more.</summary>
    [Fact]
    public async Task Host_WhoseAcknowledgementIsRefused_KeepsItsRecord()
    {
        await using var full = new EtcdProcess { Quota = 4_000_000 };
        await full.InitializeAsync();
        var presence = new HostPresence(
            full.Store, _keys, _mirror, () => _drift, new HostPresenceOptions("n1", "1.2", "10.77.0.11", TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(1)), TimeProvider.System,
            NullLogger<HostPresence>.Instance);
        _running.Add(presence.RunAsync(_ => Task.CompletedTask, _stop.Token));
        while ((await RecordAsync()).Count == 0) await Task.Delay(TimeSpan.FromMilliseconds(50), Ct);
        await Assert.ThrowsAsync<EtcdUnavailableException>(async () =>
        {
            for (var i = 0; i < 100; i++) await full.Store.PutAsync($"/junk/{i}", new string('x', 1_000_000), EtcdLeaseId.None, Ct);
        });
        _drift = 1;
        for (var began = Stopwatch.StartNew(); began.Elapsed < TimeSpan.FromSeconds(10);)
        {
            Assert.Single(await RecordAsync());
            await Task.Delay(TimeSpan.FromMilliseconds(200), Ct);
        }

        async Task<IReadOnlyList<EtcdEntry>> RecordAsync() => [.. (await full.Store.RangeAsync(EtcdKeys.One(_keys.Host("n1")), Ct)).Entries];
    }

    [Fact]
    public async Task Host_GivesASignOfLife_OnlyOnceItsContainersAreRight()
    {
        var refreshed = new TaskCompletionSource();
        _running.Add(Presence("n1").RunAsync(_ => refreshed.Task, _stop.Token));
        var state = await UntilAsync(state => state.Hosts.ContainsKey("n1"));
        Assert.Empty(state.Heard);
        refreshed.SetResult();
        await UntilAsync(state => state.Heard.Contains("n1"));
    }

    [Fact]
    public async Task Host_ThatEnds_IsWaitedForUntilItsLeaseEnds_AndNoLonger()
    {
        using var alone = new CancellationTokenSource();
        Task[] ending = [Presence("short", seconds: 1).RunAsync(_ => Task.CompletedTask, alone.Token), Presence("long", seconds: 600).RunAsync(_ => Task.CompletedTask, alone.Token)];
        await UntilAsync(state => state.Hosts.Count == 2);
        await alone.CancelAsync();
        foreach (var presence in ending) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => presence);
        Assert.Equal(["long"], (await UntilAsync(state => !state.Hosts.ContainsKey("short"))).Hosts.Keys);
    }

    private void Start(string host) => _running.Add(Presence(host).RunAsync(_ => Task.CompletedTask, _stop.Token));

    private HostPresence Presence(string host, int seconds = 30) => new(
        etcd.Store,
        _keys,
        _mirror,
        () => _drift,
        new HostPresenceOptions(host, "1.2", "10.77.0.11", TimeSpan.FromSeconds(seconds), TimeSpan.FromMilliseconds(1)),
        TimeProvider.System,
        NullLogger<HostPresence>.Instance);

    private Task<MirrorState> UntilAsync(Func<MirrorState, bool> condition) => _mirror.WhenAsync(condition, Ct).WaitAsync(Long, Ct);
}
