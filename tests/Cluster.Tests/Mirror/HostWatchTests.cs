using System.Net;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Cluster.Tests.Mirror;

/// <summary>Records and signs of life are written by hand; the underlay answers as a test says.</summary>
[Trait("Needs", "etcd")]
public sealed class HostWatchTests(EtcdProcess etcd) : IClassFixture<EtcdProcess>, IAsyncLifetime
{
    private const string Address = "10.77.0.11";
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(60);
    private readonly CancellationTokenSource _stop = new();
    private readonly FakeUnderlay _underlay = new();
    private ClusterKeys _keys = null!;
    private DockerMirror _mirror = null!;
    private Task _running = Task.CompletedTask;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        _keys = etcd.NewKeys();
        _mirror = new DockerMirror(etcd.Store, _keys, "here", TimeProvider.System, NullLogger<DockerMirror>.Instance);
        var watch = new HostWatch(_mirror, _underlay, TimeProvider.System, NullLogger<HostWatch>.Instance);
        _running = Task.WhenAll(_mirror.RunAsync(_stop.Token), watch.RunAsync(_stop.Token));
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    [Fact]
    public async Task Silence_OfASuspect_IsItsEnd_UntilItIsHeardOfAgain()
    {
        _underlay.Answering = true;
        await AppearAsync("n1");
        await _underlay.AskedAsync(1);
        await DeleteAsync(_keys.HostSign("n1"));

        // Its kernel answers: a daemon that restarts.
        await _underlay.AskedAsync(3);
        Assert.True(_mirror.Current!.IsPresent("n1"));

        _underlay.Answering = false;
        var state = await UntilAsync(state => !state.IsPresent("n1"));
        Assert.True(state.Hosts.ContainsKey("n1"), "its record has not ended");
        Assert.Equal(7, state.AcknowledgedRevision);

        // Up again, and its daemon does not speak yet: what ran there may run no more.
        _underlay.Answering = true;
        await PutAsync("n1", revision: 8);
        Assert.False((await UntilAsync(state => state.AcknowledgedRevision == 8)).IsPresent("n1"));
        await etcd.Store.PutAsync(_keys.HostSign("n1"), "n1", EtcdLeaseId.None, Ct);
        await UntilAsync(state => state.IsPresent("n1"));
    }

    [Fact]
    public async Task Silence_OfAHostThatNeverAnswered_SaysNothing()
    {
        await AppearAsync("n1");
        await _underlay.AskedAsync(1);
        await DeleteAsync(_keys.HostSign("n1"));
        await _underlay.AskedAsync(4);
        Assert.True(_mirror.Current!.IsPresent("n1"));
        await DeleteAsync(_keys.Host("n1"));
        await UntilAsync(state => !state.IsPresent("n1"));
    }

    [Fact]
    public async Task Record_ThatEnded_IsNoPresence_UntilTheHostIsHeardOf()
    {
        _underlay.Answering = true;
        await PutAsync("n1", revision: 7);
        await UntilAsync(state => state.IsPresent("n1"));
        await DeleteAsync(_keys.Host("n1"));
        await UntilAsync(state => !state.IsPresent("n1"));
        await PutAsync("n1", revision: 8);
        Assert.False((await UntilAsync(state => state.Hosts.ContainsKey("n1"))).IsPresent("n1"));
        await etcd.Store.PutAsync(_keys.HostSign("n1"), "n1", EtcdLeaseId.None, Ct);
        await UntilAsync(state => state.IsPresent("n1"));
    }

    [Fact]
    public async Task ThisHost_IsAlwaysThereToItself_AndAsksNobodyAboutItself()
    {
        await AppearAsync("here");
        await DeleteAsync(_keys.HostSign("here"));
        await DeleteAsync(_keys.Host("here"));
        Assert.True((await UntilAsync(state => state.Hosts.IsEmpty)).IsPresent("here"));
        Assert.Equal(0, _underlay.Asked);
    }

    /// <summary>The host is there, and has given a sign of life.</summary>
    private async Task AppearAsync(string host)
    {
        await PutAsync(host, revision: 7);
        await etcd.Store.PutAsync(_keys.HostSign(host), host, EtcdLeaseId.None, Ct);
        await UntilAsync(state => state.Heard.Contains(host));
    }

    private Task<long> PutAsync(string host, long revision) =>
        etcd.Store.PutAsync(_keys.Host(host), MirrorJson.Write(new HostRecord(host, "1", Address, revision)), EtcdLeaseId.None, Ct);

    private Task<long> DeleteAsync(string key) => etcd.Store.DeleteAsync(EtcdKeys.One(key), Ct);

    private Task<MirrorState> UntilAsync(Func<MirrorState, bool> condition) => _mirror.WhenAsync(condition, Ct).WaitAsync(Long, Ct);

    private sealed class FakeUnderlay : IUnderlay
    {
        private readonly SemaphoreSlim _asked = new(0);
        private int _count;

        public volatile bool Answering;

        public int Asked => Volatile.Read(ref _count);

        public Task<bool> AnswersAsync(IPAddress address, CancellationToken ct)
        {
            Assert.Equal(Address, address.ToString());
            var answers = Answering;
            Interlocked.Increment(ref _count);
            _asked.Release();
            return Task.FromResult(answers);
        }

        /// <summary>Completes when it was asked so often in all.</summary>
        public async Task AskedAsync(int times)
        {
            while (Asked < times) Assert.True(await _asked.WaitAsync(Long, Ct), "nobody asks");
        }
    }
}
