using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Mirror;
using static FlannelFlow.Cluster.Tests.Mirror.Records;

namespace FlannelFlow.Cluster.Tests.Mirror;

public sealed class MirrorStateTests
{
    private static readonly ClusterKeys Keys = new("/ff");
    private static readonly ContainerRecord Task1 = Container("c1", "n1", "web", ("net1", "10.1.2.3", "10.1.0.5"));

    [Fact]
    public void TaskThatIsOpening_IsReadAsItWasWritten_AndOnlyThenSaysSo()
    {
        var opening = Task1 with { IsOpening = true };
        var state = MirrorState.Read(Keys, 1, [Entry("/ff/docker/containers/n1/c1", MirrorJson.Write(opening))]);
        Assert.True(state.Containers["c1"].IsOpening);
        Assert.Equal(MirrorJson.Write(opening), MirrorJson.Write(state.Containers["c1"]));
        Assert.DoesNotContain("isOpening", MirrorJson.Write(Task1), StringComparison.Ordinal);
    }

    [Fact]
    public void Records_AsJson_AreTheContracts()
    {
        Assert.Equal(
            """{"id":"net1","name":"net1","pool":"10.1.0.0/20","isInternal":false,"isAttachable":true,"labels":{"a":"b"}}""",
            MirrorJson.Write(Network("net1", "10.1.0.0/20") with { Labels = Labels(("a", "b")) }));
        Assert.Equal(
            """{"id":"web","name":"web","mode":"vip","networks":[{"networkId":"net1","aliases":["w"],"vip":"10.1.0.2"}],"labels":{},"ports":[{"protocol":"tcp","target":80,"published":8080}]}""",
            MirrorJson.Write(Service("web", ("net1", "10.1.0.2")) with
            {
                Networks = [new ServiceNetwork("net1", ["w"], Ip("10.1.0.2"))],
                Ports = [new ServicePort("tcp", 80, 8080)],
            }));
        Assert.Equal(
            """{"id":"c1","host":"n1","name":"c1","hostname":"c1","health":"none","state":"ready","networks":[{"networkId":"net1","endpointId":"ep-c1-net1","address":"10.1.2.3","aliases":[],"dnsNames":[],"provisional":"10.1.0.5"}],"labels":{},"task":{"id":"task-c1","serviceId":"web","serviceName":"web","nodeId":"node-n1","slot":1}}""",
            MirrorJson.Write(Task1));
        Assert.Equal(
            """{"host":"n1","version":"1.0","underlayAddress":"10.77.0.11","appliedRevision":7,"drift":0}""",
            MirrorJson.Write(new HostRecord("n1", "1.0", "10.77.0.11", 7)));
    }

    [Fact]
    public void State_FromEntriesAndChanges_HoldsWhatEtcdHolds()
    {
        var state = MirrorState.Read(Keys, 10,
        [
            Entry("/ff/docker/networks/net1", MirrorJson.Write(Network("net1", "10.1.0.0/20"))),
            Entry("/ff/docker/services/web", MirrorJson.Write(Service("web", ("net1", "10.1.0.2")))),
            Entry("/ff/docker/containers/n1/c1", MirrorJson.Write(Task1)),
            Entry("/ff/hosts/n1", MirrorJson.Write(new HostRecord("n1", "1", "", 9))),
            Entry("/ff/hosts/n1/workflows/77", "{}"),
        ]);
        Assert.Equal((10, 1, 1, 1, 1), (state.Revision, state.Networks.Count, state.Services.Count, state.Containers.Count, state.Hosts.Count));
        Assert.Equal(MirrorJson.Write(Task1), MirrorJson.Write(state.Containers["c1"]));

        var changed = state.With(Keys, new EtcdChanges(13,
        [
            Put("/ff/docker/containers/n1/c1", MirrorJson.Write(Task1 with { State = ContainerState.Draining }), 11),
            Put("/ff/docker/containers/n2/c2", MirrorJson.Write(Container("c2", "n2", null, ("net1", "10.1.3.3", null))), 12),
            Delete("/ff/docker/services/web", 13),
        ]));
        Assert.Equal(ContainerState.Draining, changed.Containers["c1"].State);
        Assert.Equal((13, 0, 2), (changed.Revision, changed.Services.Count, changed.Containers.Count));
        Assert.Equal(ContainerState.Ready, state.Containers["c1"].State);
    }

    [Fact]
    public void Container_UnderTheFormerNameOfItsHostToo_StaysUntilBothAreGone_InWhateverOrder()
    {
        var (former, anew) = ("/ff/docker/containers/n9/c1", "/ff/docker/containers/n1/c1");
        var both = new[] { Entry(anew, MirrorJson.Write(Task1)), Entry(former, MirrorJson.Write(Task1 with { Host = "n9" })) };
        foreach (var order in new[] { both, [.. both.Reverse()] })
        {
            var state = MirrorState.Read(Keys, 10, order);
            state = state.With(Keys, new EtcdChanges(11, [Put(order[0].Key, order[0].Value, 11)]));
            Assert.Equal("n1", state.With(Keys, new EtcdChanges(12, [Delete(former, 12)])).Containers["c1"].Host);
            Assert.Equal("n9", state.With(Keys, new EtcdChanges(12, [Delete(anew, 12)])).Containers["c1"].Host);
            var none = state.With(Keys, new EtcdChanges(13, [Delete(anew, 12), Delete(former, 13)]));
            Assert.Equal((0, 0), (none.Containers.Count, none.Covered.Count));
        }
    }

    [Fact]
    public void OwnContainers_ThatDockerContradicts_CountAsGone_UntilTheirRecordIsAnother()
    {
        var web = new ServiceInNetwork("web", "net1");
        var seen = MirrorState.Of(
            10,
            [Network("net1", "10.1.0.0/20")],
            [Service("web", ("net1", "10.1.0.2"))],
            [Task1, Container("c2", "n1", "web", ("net1", "10.1.2.4", null)), Container("c3", "n2", "web", ("net1", "10.1.3.3", null))]) with
        { Here = "n1" };
        var state = seen.With(Keys, new EtcdChanges(11, [Put("/ff/docker/containers/n1/c4", Json("c4", "10.1.2.5"), 11)]));

        // c1 has another address, c2 has ended; c3 is another host's, and c4 came after Docker was asked.
        state = state.Contradicted(seen, [Container("c1", "n1", "web", ("net1", "10.1.2.9", null))]);
        Assert.Equal(["c3", "c4"], Backends(state));
        Assert.Same(state, state.Contradicted(seen, [Container("c1", "n1", "web", ("net1", "10.1.2.9", null))]));

        // etcd comes back, and still has them; then it hears of one thing after the other.
        var fresh = MirrorState.Read(Keys, 20, seen.Containers.Values.Select(container =>
            Entry($"/ff/docker/containers/{container.Host}/{container.Id}", MirrorJson.Write(container)))) with
        { Here = "n1", Services = seen.Services };
        state = fresh.After(state);
        Assert.Equal(["c3"], Backends(state));
        state = state.With(Keys, new EtcdChanges(22,
        [
            Put("/ff/docker/containers/n1/c1", Json("c1", "10.1.2.9"), 21),
            Delete("/ff/docker/containers/n1/c2", 22),
        ]));
        Assert.Equal(["c1", "c3"], Backends(state));
        Assert.Empty(state.Refuted);

        // Docker has it again.
        state = state.Contradicted(state, []);
        Assert.Equal(["c3"], Backends(state));
        Assert.Equal(["c1", "c3"], Backends(state.Contradicted(state, [state.Containers["c1"]])));

        string[] Backends(MirrorState state) => [.. DesiredLoadBalancers.Of(state, web)!.Backends.Select(backend => backend.ContainerId).Order(StringComparer.Ordinal)];
        static string Json(string id, string address) => MirrorJson.Write(Container(id, "n1", "web", ("net1", address, null)));
    }

    [Fact]
    public void Revision_IsMovedByDockersObjectsOnly()
    {
        var state = MirrorState.Empty.With(Keys, new EtcdChanges(5, [Put("/ff/docker/networks/net1", MirrorJson.Write(Network("net1", "10.1.0.0/20")), 5)]));
        state = state.With(Keys, new EtcdChanges(6, [Put("/ff/hosts/n1", MirrorJson.Write(new HostRecord("n1", "1", "", 5)), 6)]));
        Assert.Equal(5, state.Revision);
        Assert.Equal(5, state.AcknowledgedRevision);
        state = state.With(Keys, new EtcdChanges(7, [Put("/ff/hosts/n2", MirrorJson.Write(new HostRecord("n2", "1", "", 3)), 7)]));
        Assert.Equal(3, state.AcknowledgedRevision);
        Assert.Equal(5, state.With(Keys, new EtcdChanges(8, [Delete("/ff/hosts/n2", 8)])).AcknowledgedRevision);
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("""{"id":"c1","host":"n1","name":"c1","hostname":"c1","health":"none","state":"ready","labels":{}}""")]
    [InlineData("""{"id":"c1","host":"n1","name":null,"hostname":"c1","health":"none","state":"ready","networks":[],"labels":{}}""")]
    [InlineData("""{"id":"c1","host":"n1","name":"c1","hostname":"c1","health":"unwell","state":"ready","networks":[],"labels":{}}""")]
    [InlineData("""{"id":"another","host":"n1","name":"c1","hostname":"c1","health":"none","state":"ready","networks":[],"labels":{}}""")]
    public void Value_ThatIsNoRecord_CountsAsAbsent_AndIsNamed(string value)
    {
        var state = MirrorState.Read(Keys, 1, [Entry("/ff/docker/containers/n1/c1", MirrorJson.Write(Task1))]);
        state = state.With(Keys, new EtcdChanges(2, [Put("/ff/docker/containers/n1/c1", value, 2)]));
        Assert.Empty(state.Containers);
        Assert.Equal(["/ff/docker/containers/n1/c1"], state.Unreadable);

        state = state.With(Keys, new EtcdChanges(3, [Put("/ff/docker/containers/n1/c1", MirrorJson.Write(Task1), 3)]));
        Assert.Single(state.Containers);
        Assert.Empty(state.Unreadable);
    }

    [Fact]
    public void Record_OfANewerVersion_IsReadAsFarAsItIsKnown()
    {
        var newer = MirrorJson.Write(Network("net1", "10.1.0.0/20"))[..^1] + ""","more":{"of":"it"}}""";
        Assert.Equal("net1", MirrorState.Read(Keys, 1, [Entry("/ff/docker/networks/net1", newer)]).Networks["net1"].Name);
    }

    [Fact]
    public void Container_ThatIsOnAnotherHostNow_StaysWhenTheOldHostsRecordGoes()
    {
        var state = MirrorState.Empty
            .With(Keys, new EtcdChanges(1, [Put("/ff/docker/containers/n1/c1", MirrorJson.Write(Task1), 1)]))
            .With(Keys, new EtcdChanges(2, [Put("/ff/docker/containers/n2/c1", MirrorJson.Write(Task1 with { Host = "n2" }), 2)]))
            .With(Keys, new EtcdChanges(3, [Delete("/ff/docker/containers/n1/c1", 3)]));
        Assert.Equal("n2", state.Containers["c1"].Host);
    }

    private static EtcdEntry Entry(string key, string value) => new(key, value, 1, 1, 1, EtcdLeaseId.None);
}
