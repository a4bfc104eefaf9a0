using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Tests.Support;

namespace FlannelFlow.Cluster.Tests.Etcd;

/// <summary>A real etcd that speaks TLS, wants a client's certificate, and has users.</summary>
[Trait("Needs", "etcd")]
public sealed class EtcdTlsTests : IAsyncLifetime
{
    private const string Key = "/t/k";
    private readonly EtcdCertificates _certificates = new();
    private readonly EtcdProcess _etcd;

    public EtcdTlsTests() => _etcd = new EtcdProcess { Certificates = _certificates };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => _etcd.InitializeAsync();

    public async ValueTask DisposeAsync()
    {
        await _etcd.DisposeAsync();
        _certificates.Dispose();
    }

    [Fact]
    public async Task Calls_WithCertificateUserAndPassword_Work_AndAWatchToo()
    {
        await EnableUsersAsync();
        await using var store = _etcd.Open(Options(_etcd.Tls, "secret"));
        await store.PutAsync(Key, "1", EtcdLeaseId.None, Ct);
        var lease = await store.GrantLeaseAsync(TimeSpan.FromSeconds(30), Ct);
        await store.PutAsync(Key + "/leased", "1", lease.Id, Ct);
        Assert.NotNull(await store.KeepLeaseAliveAsync(lease.Id, Ct));
        await store.RevokeLeaseAsync(lease.Id, Ct);
        // No more than its prefix: docs/security.md.
        await Assert.ThrowsAsync<EtcdException>(() => store.PutAsync("/elsewhere", "1", EtcdLeaseId.None, Ct));

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        limit.CancelAfter(TimeSpan.FromSeconds(25));
        await using var watch = store.WatchAsync(EtcdKeys.Under("/t/"), 1, limit.Token).GetAsyncEnumerator(limit.Token);
        Assert.True(await watch.MoveNextAsync());
        Assert.Equal("1", Assert.IsType<EtcdChanges>(watch.Current).Events[0].Entry.Value);

        // Over TLS the right certificate does not stand for the password.
        await using var wrong = _etcd.Open(Options(_etcd.Tls, "guess"));
        var refused = await Assert.ThrowsAsync<EtcdException>(() => wrong.RangeAsync(EtcdKeys.One(Key), Ct));
        Assert.Equal($"reading {Key} from {_etcd.Endpoint}: etcdserver: authentication failed, invalid user ID or password", refused.Message);
        Assert.DoesNotContain("guess", refused.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Calls_WithoutCertificate_OrOfAnotherAuthority_AreRefused()
    {
        using var others = new EtcdCertificates();
        await using var bare = _etcd.Open(Options(new EtcdTlsOptions(_certificates.Authority, null, null)));
        await using var stranger = _etcd.Open(Options(new EtcdTlsOptions(_certificates.Authority, others.PathOf("client.pem"), others.PathOf("client.key"))));
        await using var deceived = _etcd.Open(Options(_etcd.Tls! with { CaFile = others.Authority }));
        await Assert.ThrowsAsync<EtcdUnavailableException>(() => bare.RangeAsync(EtcdKeys.One(Key), Ct));
        await Assert.ThrowsAsync<EtcdUnavailableException>(() => stranger.RangeAsync(EtcdKeys.One(Key), Ct));
        var refused = await Assert.ThrowsAsync<EtcdUnavailableException>(() => deceived.RangeAsync(EtcdKeys.One(Key), Ct));
        Assert.Contains("certificate", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Probe_OverTls_TellsVersionSizeClockAndCertificate_AndWhyNot()
    {
        await EnableUsersAsync();
        var member = await EtcdProbe.AskAsync(_etcd.Endpoint, Options(_etcd.Tls, "secret"), Key, TimeProvider.System, Ct);
        Assert.Matches(@"^\d+\.\d+\.\d+", member.Version);
        Assert.True(member.HasLeader);
        Assert.InRange(member.DatabaseSize, 1, member.Quota);
        Assert.NotNull(member.ClockOffset);
        Assert.InRange(member.ClockOffset.Value.TotalSeconds, -2, 2);
        Assert.True(member.CertificateEnds > TimeProvider.System.GetUtcNow());

        var refused = await Assert.ThrowsAsync<EtcdException>(() => EtcdProbe.AskAsync(_etcd.Endpoint, Options(_etcd.Tls, "guess"), Key, TimeProvider.System, Ct));
        Assert.Contains("authentication failed", refused.Message, StringComparison.Ordinal);
    }

    private EtcdOptions Options(EtcdTlsOptions? tls, string? password = null) => new()
    {
        Endpoints = [_etcd.Endpoint],
        Tls = tls,
        CallTimeout = TimeSpan.FromSeconds(30),
        Credentials = password is null ? null : new EtcdCredentials("flannelflow", password),
    };

    private async Task EnableUsersAsync()
    {
        await _etcd.EtcdctlAsync("role", "add", "flannelflow");
        await _etcd.EtcdctlAsync("role", "grant-permission", "flannelflow", "--prefix=true", "readwrite", "/t");
        await _etcd.EtcdctlAsync("user", "add", "flannelflow:secret");
        await _etcd.EtcdctlAsync("user", "grant-role", "flannelflow", "flannelflow");
        await _etcd.EtcdctlAsync("user", "add", "root:other");
        await _etcd.EtcdctlAsync("user", "grant-role", "root", "root");
        await _etcd.EtcdctlAsync("auth", "enable");
    }
}
