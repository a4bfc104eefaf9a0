using Docker.DotNet.Models;
using FlannelFlow.Host.Dns;

namespace FlannelFlow.Host.Tests;

public sealed class DockerSandboxesTests
{
    private static ContainerInspectResponse Container(params (string Name, string Id, long Priority)[] networks) => new()
    {
        ID = "c1",
        State = new State { Running = true },
        HostConfig = new HostConfig(),
        NetworkSettings = new NetworkSettings
        {
            SandboxKey = "/var/run/docker/netns/5",
            Networks = networks.ToDictionary(network => network.Name, network => new EndpointSettings { NetworkID = network.Id, GwPriority = network.Priority }),
        },
    };

    [Fact]
    public void Networks_AreInDockersOrder()
    {
        var facts = DockerSandboxes.Facts(Container(("zoo", "our-z", 0), ("alp", "our-a", 0), ("mid", "our-m", 5)), IsOurs, _ => false)!;
        Assert.Equal(["our-m", "our-a", "our-z"], facts.Networks);
        Assert.True(facts.IsOursOnly);
        Assert.Equal("/var/run/docker/netns/5", facts.Key);
    }

    [Fact]
    public void OtherNetworks_ButIngress_HaveNamesThatDockerKnows()
    {
        var mixed = DockerSandboxes.Facts(Container(("a", "our-a", 0), ("b", "foreign", 0)), IsOurs, _ => true)!;
        Assert.Equal(["our-a"], mixed.Networks);
        Assert.False(mixed.IsOursOnly);
        Assert.False(mixed.IsInternal);
        Assert.True(DockerSandboxes.Facts(Container(("a", "our-a", 0), ("ingress", "in", 0)), IsOurs, _ => true)!.IsOursOnly);
    }

    [Fact]
    public void Links_AreNamesThatDockerKnows()
    {
        var container = Container(("a", "our-a", 0));
        container.NetworkSettings!.Networks!["a"].Links = ["db:database"];
        Assert.False(DockerSandboxes.Facts(container, IsOurs, _ => false)!.IsOursOnly);
    }

    [Fact]
    public void Internal_IsWhatHasInternalNetworksOnly()
    {
        var container = Container(("a", "our-a", 0), ("b", "our-b", 0));
        Assert.True(DockerSandboxes.Facts(container, IsOurs, _ => true)!.IsInternal);
        Assert.False(DockerSandboxes.Facts(container, IsOurs, id => id == "our-a")!.IsInternal);
    }

    [Fact]
    public void OwnServersAndOptions()
    {
        var container = Container(("a", "our-a", 0));
        container.HostConfig!.DNS = ["192.0.2.1", "2001:db8::1", "nonsense"];
        container.HostConfig!.DNSOptions = ["timeout:1", "ndots:2"];
        var facts = DockerSandboxes.Facts(container, IsOurs, _ => false)!;
        Assert.Equal("192.0.2.1 2001:db8::1", string.Join(' ', facts.Servers));
        Assert.True(facts.NdotsSet);
    }

    [Fact]
    public void NotOurs_OrNotRunning_IsNone()
    {
        Assert.Null(DockerSandboxes.Facts(Container(("b", "foreign", 0)), IsOurs, _ => false));
        var ended = Container(("a", "our-a", 0));
        ended.State!.Running = false;
        Assert.Null(DockerSandboxes.Facts(ended, IsOurs, _ => false));
    }

    private static bool IsOurs(string network) => network.StartsWith("our-", StringComparison.Ordinal);
}
