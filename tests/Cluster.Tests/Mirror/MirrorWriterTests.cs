using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Tests.Support;
using static FlannelFlow.Cluster.Tests.Mirror.Records;

namespace FlannelFlow.Cluster.Tests.Mirror;

[Trait("Needs", "etcd")]
public sealed class MirrorWriterTests(EtcdProcess etcd) : IClassFixture<EtcdProcess>
{
    private readonly ClusterKeys _keys = etcd.NewKeys();
    private static readonly NetworkRecord Net1 = Network("net1", "10.1.0.0/20");
    private static readonly ServiceRecord Web = Service("web", ("net1", "10.1.0.2"));
    private static readonly ContainerRecord C1 = Container("c1", "n1", "web", ("net1", "10.1.2.3", "10.1.0.5"));
    private static readonly ContainerRecord C2 = Container("c2", "n1", null, ("net1", "10.1.2.4", null));
    private static readonly ContainerRecord Elsewhere = Container("c3", "n2", "web", ("net1", "10.1.3.3", null));

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private MirrorWriter Writer => new(etcd.Store, _keys, DrainTerms.Default, TimeProvider.System);

    [Fact]
    public async Task Write_WhatDiffersAndNothingElse()
    {
        Assert.Equal(2, await ClusterAsync([Net1], [Web]));
        Assert.Equal(2, await ContainersAsync("n1", C1, C2));
        var before = await RevisionAsync();
        Assert.Equal(0, await ClusterAsync([Network("net1", "10.1.0.0/20")], [Service("web", ("net1", "10.1.0.2"))]));
        Assert.Equal(0, await ContainersAsync("n1", C2, C1));
        Assert.Equal(before, await RevisionAsync());

        Assert.Equal(1, await ClusterAsync([Net1], [Web with { Mode = EndpointMode.Dnsrr }]));
        Assert.Equal(2, await ContainersAsync("n1", C2 with { Health = ContainerHealth.Healthy }));
        Assert.Equal("/docker/containers/n1/c2\n/docker/networks/net1\n/docker/services/web", await etcd.DumpAsync(_keys));
        Assert.Equal(2, await ClusterAsync([], []));
        Assert.Equal("/docker/containers/n1/c2", await etcd.DumpAsync(_keys));
    }

    [Fact]
    public async Task Containers_OfAnotherHost_AreNotTouched()
    {
        await ContainersAsync("n2", Elsewhere);
        await ContainersAsync("n1", C1);
        Assert.Equal(1, await ContainersAsync("n1"));
        Assert.Equal("/docker/containers/n2/c3", await etcd.DumpAsync(_keys));
    }

    [Fact]
    public async Task Container_ThatDrains_DrainsOn_WhenDockerIsReadAnew()
    {
        var drains = ContainerDrain.Draining(C1, new DrainRecord("d", DrainReason.DesiredState, DateTimeOffset.UnixEpoch));
        await ContainersAsync("n1", C1, C2);
        await etcd.Store.PutAsync(_keys.DockerContainer("n1", "c1"), MirrorJson.Write(drains), EtcdLeaseId.None, Ct);
        Assert.Equal(0, await ContainersAsync("n1", C1, C2));
        Assert.Equal(1, await ContainersAsync("n1", C1 with { Health = ContainerHealth.Unhealthy }, C2));
        Assert.Equal(
            MirrorJson.Write(drains with { Health = ContainerHealth.Unhealthy }),
            (await etcd.Store.RangeAsync(EtcdKeys.One(_keys.DockerContainer("n1", "c1")), Ct)).Entries[0].Value);
    }

    [Fact]
    public async Task Manager_ThatAskedDockerEarlier_UndoesNothingThatAnotherLearntLater()
    {
        await ClusterAsync([Net1], []);
        var late = new TaskCompletionSource<ClusterObjects?>();
        var asked = new TaskCompletionSource();
        var slow = Writer.WriteClusterAsync(
            _ =>
            {
                asked.SetResult();
                return late.Task;
            },
            Ct);
        await asked.Task;
        await ClusterAsync([Net1 with { IsInternal = true }], [Web]);
        late.SetResult(new ClusterObjects([Net1 with { Name = "older" }], [], new HashSet<string>()));
        Assert.Equal(0, await slow);
        Assert.Equal("/docker/networks/net1\n/docker/services/web", await etcd.DumpAsync(_keys));
        Assert.Equal(
            MirrorJson.Write(Net1 with { IsInternal = true }),
            (await etcd.Store.RangeAsync(EtcdKeys.One(_keys.DockerNetwork("net1")), Ct)).Entries[0].Value);
    }

    [Fact]
    public async Task Node_ThatDockerTakesForDead_LosesItsTasks_ButNotItsOtherContainers()
    {
        await ContainersAsync("n1", C1, C2);
        await ContainersAsync("n2", Elsewhere);
        Assert.Equal(1, await ClusterAsync([], [], "node-n1"));
        Assert.Equal("/docker/containers/n1/c2\n/docker/containers/n2/c3", await etcd.DumpAsync(_keys));
        Assert.Equal(1, await ContainersAsync("n1", C1, C2));
    }

    private Task<int> ClusterAsync(NetworkRecord[] networks, ServiceRecord[] services, params string[] down) =>
        Writer.WriteClusterAsync(_ => Task.FromResult<ClusterObjects?>(new ClusterObjects(networks, services, down.ToHashSet())), Ct);

    private Task<int> ContainersAsync(string host, params ContainerRecord[] containers) =>
        Writer.WriteContainersAsync(host, _ => Task.FromResult<IReadOnlyCollection<ContainerRecord>>(containers), Ct);

    private async Task<long> RevisionAsync() => (await etcd.Store.RangeAsync(_keys.All, Ct)).Revision;
}
