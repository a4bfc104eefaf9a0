using System.Globalization;
using Docker.DotNet.Models;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Host.Docker;

namespace FlannelFlow.Host.Tests;

/// <summary>The shapes are those that Docker Engine 20.10 and 29 answer.</summary>
public sealed class DockerObjectsTests
{
    private static readonly NetworkRecord Red = DockerObjects.Network(Network("red1", "red", ("flannelflow.pool", "10.128.16.0/20")))!;
    private static readonly Dictionary<string, NetworkRecord> Ours = new() { ["red1"] = Red };

    [Fact]
    public void Network_WithOurPool_IsOurs_OthersAreNot()
    {
        Assert.Equal(
            """{"id":"red1","name":"red","pool":"10.128.16.0/20","isInternal":true,"isAttachable":true,"labels":{"a":"1","b":"2"}}""",
            MirrorJson.Write(DockerObjects.Network(Network("red1", "red", ("flannelflow.pool", "10.128.16.0/20")))!));
        Assert.Null(DockerObjects.Network(Network("x", "ingress")));
        Assert.Null(DockerObjects.Network(Network("x", "half", ("flannelflow.pool", "soon"))));
        Assert.Null(DockerObjects.Network(new NetworkResponse { ID = "x", Name = "host" }));
    }

    [Fact]
    public void Service_OnOurNetwork_HasItsVipAliasesPortsAndOwnLabels()
    {
        var service = Service("vip");
        service.Endpoint!.VirtualIPs =
        [
            new EndpointVirtualIP { NetworkID = "ingress", Addr = "10.0.0.5/24" },
            new EndpointVirtualIP { NetworkID = "red1", Addr = "10.128.16.2/20" },
        ];
        service.Endpoint!.Ports = [new PortConfig { Protocol = "tcp", TargetPort = 80, PublishedPort = 8080 }];
        service.Spec!.Labels = new Dictionary<string, string> { ["flannelflow.scheduler"] = "wlc", ["com.docker.stack"] = "shop" };
        Assert.Equal(
            """{"id":"web1","name":"web","mode":"vip","networks":[{"networkId":"red1","aliases":["a","b"],"vip":"10.128.16.2"}],"labels":{"flannelflow.scheduler":"wlc"},"ports":[{"protocol":"tcp","target":80,"published":8080}]}""",
            MirrorJson.Write(DockerObjects.Service(service, Ours)!));
    }

    [Fact]
    public void Service_WhoseVipIsNotAllocated_IsIncomplete_OneWithDnsrrIsNot()
    {
        var record = DockerObjects.Service(Service("vip"), Ours)!;
        Assert.Null(record.Networks[0].Vip);
        Assert.True(DockerObjects.IsIncomplete(record));
        Assert.False(DockerObjects.IsIncomplete(DockerObjects.Service(Service("dnsrr"), Ours)!));

        // Just created: the leader has made no endpoint of it yet.
        var fresh = Service("vip");
        fresh.Endpoint = null!;
        Assert.Equal(EndpointMode.Vip, DockerObjects.Service(fresh, Ours)!.Mode);
    }

    [Fact]
    public void Service_WithARefusedLabel_SaysSoInItsStatus()
    {
        var service = Service("vip");
        service.Spec!.Labels = new Dictionary<string, string> { ["flannelflow.weight"] = "-1" };
        Assert.Equal(
            ["label flannelflow.weight=\"-1\" is not a whole number from 1 to 100; 1 stands"],
            DockerObjects.Service(service, Ours)!.Status!.Refused);
    }

    [Fact]
    public void Service_OnNoNetworkOfOurs_HasNoRecord_AndANetworkMayBeNamed()
    {
        var service = Service("vip");
        service.Spec!.TaskTemplate!.Networks![0].Target = "blue1";
        Assert.Null(DockerObjects.Service(service, Ours));
        service.Spec!.TaskTemplate!.Networks![0].Target = "red";
        Assert.Equal("red1", DockerObjects.Service(service, Ours)!.Networks[0].NetworkId);
    }

    [Fact]
    public void Task_IsRecordedWithItsRealAndItsProvisionalAddress()
    {
        var container = Container();
        container.Config!.Labels = new Dictionary<string, string>
        {
            ["com.docker.swarm.task.id"] = "t9",
            ["com.docker.swarm.task.name"] = "my.web.3.t9",
            ["com.docker.swarm.service.id"] = "web1",
            ["com.docker.swarm.service.name"] = "my.web",
            ["com.docker.swarm.node.id"] = "node7",
            ["flannelflow.weight"] = "2",
        };
        container.State!.Health = new Health { Status = "starting" };
        container.NetworkSettings!.Networks!["red"].IPAMConfig = new EndpointIPAMConfig { IPv4Address = "10.128.16.9" };
        Assert.Equal(
            """{"id":"c1","host":"n1","name":"my.web.3.t9","hostname":"h1","health":"starting","state":"ready","networks":[{"networkId":"red1","endpointId":"ep1","address":"10.128.17.130","aliases":["a1"],"dnsNames":["a1","n"],"provisional":"10.128.16.9"}],"labels":{"flannelflow.weight":"2"},"task":{"id":"t9","serviceId":"web1","serviceName":"my.web","nodeId":"node7","slot":3}}""",
            MirrorJson.Write(DockerObjects.Container(container, "n1", id => id == "red1")!));
    }

    [Fact]
    public void Container_WithoutHealthCheckOrTask_IsPlain_AndAFixedAddressIsNotProvisional()
    {
        var container = Container();
        container.NetworkSettings!.Networks!["red"].IPAMConfig = new EndpointIPAMConfig { IPv4Address = "10.128.17.130" };
        var record = DockerObjects.Container(container, "n1", _ => true)!;
        Assert.Null(record.Task);
        Assert.Equal(ContainerHealth.None, record.Health);
        Assert.Null(record.Networks[0].Provisional);
    }

    [Fact]
    public void Container_ThatDoesNotRun_OrHasNoAddressInANetworkOfOurs_HasNoRecord()
    {
        Assert.Null(DockerObjects.Container(Container(), "n1", _ => false));
        var stopped = Container();
        stopped.State!.Running = false;
        Assert.Null(DockerObjects.Container(stopped, "n1", _ => true));
        var unconnected = Container();
        unconnected.NetworkSettings!.Networks!["red"].IPAddress = "";
        Assert.Null(DockerObjects.Container(unconnected, "n1", _ => true));
    }

    [Theory]
    [InlineData("2026-11-29T00:07:37.768123456Z", "2026-11-29T00:07:37.768+00:00")]
    [InlineData("2026-11-29T02:07:37+02:00", "2026-11-29T00:07:37.000+00:00")]
    [InlineData("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000+00:00")]
    [InlineData("", "0001-01-01T00:00:00.000+00:00")]
    public void Start_IsReadAsDockerWritesIt(string written, string expected)
    {
        var container = Container();
        container.State!.StartedAt = written;
        Assert.Equal(expected, DockerObjects.StartedAt(container).ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ss.fffzzz", CultureInfo.InvariantCulture));
    }

    [Fact]
    public void GlobalTask_HasNoSlot()
    {
        var container = Container();
        container.Config!.Labels = new Dictionary<string, string>
        {
            ["com.docker.swarm.task.id"] = "t9",
            ["com.docker.swarm.task.name"] = "web.node7.t9",
            ["com.docker.swarm.service.id"] = "web1",
        };
        Assert.Null(DockerObjects.Container(container, "n1", _ => true)!.Task!.Slot);
    }

    private static NetworkResponse Network(string id, string name, params (string Name, string Value)[] options) => new()
    {
        ID = id,
        Name = name,
        Internal = true,
        Attachable = true,
        Options = options.ToDictionary(option => option.Name, option => option.Value),
        Labels = new Dictionary<string, string> { ["b"] = "2", ["a"] = "1" },
    };

    private static SwarmService Service(string mode) => new()
    {
        ID = "web1",
        Spec = new ServiceSpec
        {
            Name = "web",
            TaskTemplate = new TaskSpec { Networks = [new NetworkAttachmentConfig { Target = "red1", Aliases = ["b", "a"] }] },
        },
        Endpoint = new Endpoint { Spec = new EndpointSpec { Mode = mode } },
    };

    private static ContainerInspectResponse Container() => new()
    {
        ID = "c1",
        Name = "/my.web.3.t9",
        State = new State { Running = true },
        Config = new ContainerConfig { Hostname = "h1" },
        NetworkSettings = new NetworkSettings
        {
            Networks = new Dictionary<string, EndpointSettings>
            {
                ["red"] = new() { NetworkID = "red1", EndpointID = "ep1", IPAddress = "10.128.17.130", Aliases = ["a1"], DNSNames = ["n", "a1"] },
            },
        },
    };
}
