using System.Collections.Immutable;
using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Access;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Tests.Support;

namespace FlannelFlow.Dashboard.Tests.Support;

/// <summary>Two hosts of one cluster, n1 and n2, with a token of each role. Shared by the tests of a class.</summary>
public sealed class Cluster : IAsyncLifetime
{
    private readonly EtcdProcess _etcd = new();

    public TestHost One { get; private set; } = null!;

    public TestHost Two { get; private set; } = null!;

    public string Viewer { get; private set; } = null!;

    public string Operator { get; private set; } = null!;

    private ClusterKeys Keys => One.Keys;

    public async ValueTask InitializeAsync()
    {
        var ct = TestContext.Current.CancellationToken;
        await _etcd.InitializeAsync();
        var keys = _etcd.NewKeys();
        One = await TestHost.StartAsync(_etcd, keys, "n1", ct: ct);
        Two = await TestHost.StartAsync(_etcd, keys, "n2", ct: ct);
        Viewer = (await One.TokenAsync("vera", Role.Viewer, ct)).Text;
        Operator = (await One.TokenAsync("otto", Role.Operator, ct)).Text;
        var mirrors = new[] { One, Two }.Select(host => (DockerMirror)host.Services.GetService(typeof(DockerMirror))!);
        foreach (var mirror in mirrors) await mirror.WhenAsync(state => state.Hosts.Count == 2 && state.Heard.Count == 2, ct);
    }

    public async ValueTask DisposeAsync()
    {
        await One.DisposeAsync();
        await Two.DisposeAsync();
        await _etcd.DisposeAsync();
    }

    /// <summary>As a manager's daemon mirrors it.</summary>
    public Task NetworkAsync(string id, string name, string pool, CancellationToken ct) =>
        PutAsync(Keys.DockerNetwork(id), MirrorJson.Write(new NetworkRecord(id, name, IPv4Network.Parse(pool), IsInternal: false, IsAttachable: true, NoLabels)), ct);

    public Task ServiceAsync(string id, string name, string network, string vip, CancellationToken ct) => PutAsync(
        Keys.DockerService(id),
        MirrorJson.Write(new ServiceRecord(id, name, EndpointMode.Vip, [new ServiceNetwork(network, [], IPv4Address.Parse(vip))], NoLabels, [])),
        ct);

    public Task TaskAsync(string id, string host, string service, string serviceName, string network, string address, CancellationToken ct, bool drains = false, DrainReason reason = DrainReason.Stop) => PutAsync(
        Keys.DockerContainer(host, id),
        MirrorJson.Write(new ContainerRecord(
            id, host, $"{serviceName}.1.{id}", id, ContainerHealth.None, drains ? ContainerState.Draining : ContainerState.Ready,
            [new ContainerNetwork(network, "ep-" + id, IPv4Address.Parse(address), [], [])], NoLabels, new ContainerTask("task-" + id, service, serviceName, "node-" + host, 1),
            Drain: drains ? DrainRecord.Begin(reason, TimeProvider.System.GetUtcNow()) : null)),
        ct);

    public Task PutAsync(string key, string value, CancellationToken ct) => _etcd.Store.PutAsync(key, value, EtcdLeaseId.None, ct);

    public Task DeleteAsync(string key, CancellationToken ct) => _etcd.Store.DeleteAsync(EtcdKeys.One(key), ct);

    private static ImmutableSortedDictionary<string, string> NoLabels => ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);
}
