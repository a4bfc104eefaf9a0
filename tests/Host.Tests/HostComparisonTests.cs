using System.Collections.Immutable;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Activities.Restore;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Host.Docker;
using FlannelFlow.Host.Reconcile;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Host.Tests;

/// <summary>What follows from a picture of a host: each thing that may differ, alone, and what follows from silence.</summary>
public sealed class HostComparisonTests
{
    private const string Endpoint = "e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1";
    private static readonly string ContainerId = new('c', 64);
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(30);
    private static readonly IPv4Network Pool = IPv4Network.Parse("10.128.0.0/20");
    private static readonly IPv4Network Subnet = IPv4Network.Parse("10.128.2.128/25");
    private static readonly IPv4Address Address = IPv4Address.Parse("10.128.2.130");
    private static readonly string Veth = NetworkDevices.HostVeth(Endpoint);

    /// <summary>A network with one container, all of it as it should be.</summary>
    private static HostPicture Whole { get; } = new()
    {
        At = Now,
        Networks = [new NetworkPicture(new HostNetwork("net1", Pool, 6514, 0, IdleSince: null), new Fabric(Subnet, Subnet.FirstUsable, 1450), FlanneldTrouble: null)],
        Kernel = new KernelPicture(
            Links(Device(1, "eth0", null), Device(5, "ffbr.6514", "bridge"), Device(6, "flannel.6514", "vxlan"), Device(7, Veth, "veth") with { Master = 5 }),
            [new InterfaceAddress(5, Subnet.FirstUsable.ToIPAddress(), 25)],
            new Dictionary<int, string>()),
        Docker = InDocker(new DockerEndpoint(Endpoint, ContainerId, "web", Address)),
        Etcd = new EtcdPicture(
            new FabricRecords(
                new Dictionary<IPv4Network, PoolRecord> { [Pool] = PoolOf(PoolState.Linked, "net1") }, new HashSet<IPv4Network> { Pool }, new Dictionary<int, IPv4Network> { [6514] = Pool }),
            [Record(Address, AddressState.Claimed, Endpoint)]),
    };

    [Fact]
    public void Whole_NothingDiffers() => Assert.Equal("", Text(Whole));

    [Fact]
    public void Device_ThatIsGoneOrDown_IsItsNetworksRestore()
    {
        Assert.Equal("Device net1 ffbr.6514: network-restore", Text(WithLinks(links => links.Remove("ffbr.6514").Remove(Veth).Add(Veth, links[Veth] with { Master = null }))));
        Assert.Equal("Device net1 flannel.6514: network-restore", Text(WithLinks(links => links.Remove("flannel.6514"))));
        Assert.Equal("Device net1 flannel.6514: network-restore", Text(WithLinks(links => links.SetItem("flannel.6514", links["flannel.6514"] with { Flags = LinkFlags.None }))));
        Assert.Equal("Device net1 ffbr.6514: network-restore", Text(Whole with { Kernel = Whole.Kernel with { Addresses = [] } }));
    }

    [Fact]
    public void FlanneldOrItsFileOrTheRules_AreItsNetworksRestore()
    {
        Assert.Equal("Flanneld net1 process: network-restore", Text(WithNetwork(network => network with { FlanneldTrouble = "exit code 3" })));
        Assert.Equal("Flanneld net1 subnet.env: network-restore", Text(WithNetwork(network => network with { Fabric = null })));
        Assert.Equal("Rules net1 rules: network-restore", Text(Whole with { Kernel = Whole.Kernel with { DifferentRules = new Dictionary<int, string> { [6514] = "rules" } } }));
    }

    [Fact]
    public void RecordsThatEtcdLost_AreWrittenAnew_OnlyIfDockerHasTheNetwork()
    {
        var lost = Whole.Etcd! with { Fabric = new FabricRecords(new Dictionary<IPv4Network, PoolRecord>(), new HashSet<IPv4Network>(), new Dictionary<int, IPv4Network>()) };
        Assert.Equal("NetworkRecords net1 pool: network-restore", Text(Whole with { Etcd = lost }));
        Assert.Equal("", Text(Whole with { Etcd = lost, Docker = null }));
        Assert.Equal("NetworkRecords net1 vni: network-restore", Text(WithFabric(fabric => fabric with { Vnis = new Dictionary<int, IPv4Network>() })));
        Assert.Equal("NetworkRecords net1 config: network-restore", Text(WithFabric(fabric => fabric with { Configured = new HashSet<IPv4Network>() })));
        var others = WithFabric(fabric => fabric with { Pools = new Dictionary<IPv4Network, PoolRecord> { [Pool] = PoolOf(PoolState.Linked, "net2") } });
        Assert.Equal("NetworkRecords net1: by hand", Text(others));
    }

    [Fact]
    public void Veth_ThatIsGone_IsForAPerson_WhoIsToldHow()
    {
        var without = WithLinks(links => links.Remove(Veth));
        Assert.Equal($"EndpointWithoutVeth {Endpoint}: by hand", Text(without));
        Assert.Equal("docker restart web", Of(without).Single().Command);
        var task = without with { Docker = InDocker(new DockerEndpoint(Endpoint, ContainerId, "web.1.abc", Address)) };
        Assert.StartsWith("docker rm -f web.1.abc", Of(task).Single().Command, StringComparison.Ordinal);
    }

    [Fact]
    public void Veth_ThatIsNoPort_OrAddressThatEtcdLost_IsTheEndpointsMending()
    {
        Assert.Equal($"EndpointDetached {Endpoint}: endpoint-mend", Text(WithLinks(links => links.SetItem(Veth, links[Veth] with { Master = null }))));
        Assert.Equal($"EndpointUnclaimed {Endpoint}: endpoint-mend", Text(Whole with { Etcd = Whole.Etcd! with { Addresses = [] } }));
        // It is in no sandbox: just being made, or just being removed.
        Assert.Equal("", Text(Whole with { Docker = InDocker(new DockerEndpoint(Endpoint, null, "web", Address)), Etcd = Whole.Etcd! with { Addresses = [] } }));
    }

    [Fact]
    public void Endpoint_ThatDockerDoesNotHave_Leaves_OnceItsAddressIsNotYoung()
    {
        var gone = Whole with { Docker = InDocker() };
        Assert.Equal($"EndpointGone {Endpoint}: endpoint-leave", Text(gone));
        Assert.Equal("", Text(gone with { Etcd = gone.Etcd! with { Addresses = [Record(Address, AddressState.Claimed, Endpoint, Now - TimeSpan.FromSeconds(29))] } }));
        Assert.Equal("AddressUnused 10.128.2.130: address-release", Text(gone with { Etcd = gone.Etcd! with { Addresses = [Record(Address, AddressState.Reserved, "")] } }, ignore: "VethLeft"));
        Assert.Equal("", Text(gone with { Etcd = gone.Etcd! with { Addresses = [Record(Address, AddressState.Quarantined, Endpoint)] } }, ignore: "VethLeft"));
    }

    [Fact]
    public void Veth_OfNobody_IsRemoved_AndABridgeOfNobodyIsShown()
    {
        Assert.Equal("VethLeft ffvabcdef01234: endpoint-leave", Text(WithLinks(links => links.Add("ffvabcdef01234", Device(9, "ffvabcdef01234", "veth")))));
        Assert.Equal("DeviceLeft ffbr.7: by hand", Text(WithLinks(links => links.Add("ffbr.7", Device(9, "ffbr.7", "bridge")))));
        // By name ours, by kind not; and what is not ours by name.
        Assert.Equal("", Text(WithLinks(links => links.Add("ffbr.8", Device(9, "ffbr.8", "dummy")).Add("docker0", Device(10, "docker0", "bridge")).Add("veth12", Device(11, "veth12", "veth")))));
    }

    [Fact]
    public void Network_ThatDockerDoesNotCarry_IsIdle_UnlessSomebodyIsJoining()
    {
        var gone = Whole with
        {
            Docker = new DockerPicture(Whole.Docker!.Endpoints.SetItem("net1", null)),
            Etcd = Whole.Etcd! with { Addresses = [] },
            Kernel = Whole.Kernel with { Links = Whole.Kernel.Links.Remove(Veth) },
        };
        Assert.Equal("NetworkGone net1: network-idle", Text(gone));
        Assert.Equal("", Text(gone with { Etcd = gone.Etcd! with { Addresses = [Record(Address, AddressState.Reserved, "", Now)] } }));
        Assert.DoesNotContain("NetworkGone", Text(gone with { Kernel = Whole.Kernel }), StringComparison.Ordinal);
        Assert.Equal("", Text(gone with { Docker = null }));
        Assert.Equal("", Text(gone with { Etcd = null }));
    }

    [Fact]
    public void Network_ThatIsIdle_IsOver_WhenItLingeredOrIsFreed_AndNothingElseIsAskedOfIt()
    {
        HostPicture Idle(DateTimeOffset since) => WithNetwork(network => network with { Network = network.Network with { IdleSince = since }, Fabric = null, FlanneldTrouble = "stopped" });
        Assert.Equal("", Text(Idle(Now - TimeSpan.FromSeconds(29))));
        Assert.Equal("NetworkOver net1: network-remove", Text(Idle(Now - TimeSpan.FromSeconds(31))));
        var freed = Idle(Now) with { Etcd = Whole.Etcd! with { Fabric = Whole.Etcd.Fabric with { Pools = new Dictionary<IPv4Network, PoolRecord> { [Pool] = PoolOf(PoolState.Freed, "net1") } } } };
        Assert.Equal("NetworkOver net1: network-remove", Text(freed));
    }

    [Fact]
    public void Silence_OfDockerAndEtcd_TellsOnlyOfTheKernel()
    {
        var silent = WithLinks(links => links.Remove("flannel.6514").Remove(Veth)) with { Docker = null, Etcd = null };
        Assert.Equal("Device net1 flannel.6514: network-restore", Text(silent));
    }

    /// <summary>Each difference has a way to mend it, one of two; and of one subject there is one of a kind.</summary>
    [Fact]
    public void Anything_Lost_IsMendedOrToldHow()
    {
        var random = new Random(4711);
        for (var round = 0; round < 2000; round++)
        {
            var links = Whole.Kernel.Links;
            foreach (var name in links.Keys.Where(_ => random.Next(3) == 0)) links = links.Remove(name);
            var picture = Whole with
            {
                Kernel = Whole.Kernel with { Links = links, Addresses = random.Next(2) == 0 ? [] : Whole.Kernel.Addresses },
                Docker = random.Next(4) switch { 0 => null, 1 => InDocker(), 2 => new DockerPicture(Whole.Docker!.Endpoints.SetItem("net1", null)), _ => Whole.Docker },
                Etcd = random.Next(3) switch { 0 => null, 1 => Whole.Etcd! with { Addresses = [] }, _ => Whole.Etcd },
            };
            var found = Of(picture);
            Assert.All(found, difference => Assert.True(difference.Mend is null != difference.Command is null, difference.Key));
            Assert.Equal(found.Length, found.Select(difference => difference.Key).Distinct().Count());
            if (picture.Docker is null) Assert.DoesNotContain(found, difference => difference.Scope is DriftScope.Endpoints or DriftScope.Networks or DriftScope.Ports);
        }
    }

    private static ImmutableArray<Difference> Of(HostPicture picture) => HostComparison.Of(picture, Linger);

    private static string Text(HostPicture picture, string ignore = "-") => string.Join('\n', Of(picture)
        .Where(difference => difference.Kind.ToString() != ignore)
        .Select(difference => $"{difference.Key}: {difference.Mend?.DefinitionId ?? "by hand"}"));

    private static HostPicture WithLinks(Func<ImmutableDictionary<string, Link>, ImmutableDictionary<string, Link>> change) =>
        Whole with { Kernel = Whole.Kernel with { Links = change(Whole.Kernel.Links) } };

    private static HostPicture WithNetwork(Func<NetworkPicture, NetworkPicture> change) => Whole with { Networks = [change(Whole.Networks[0])] };

    private static HostPicture WithFabric(Func<FabricRecords, FabricRecords> change) => Whole with { Etcd = Whole.Etcd! with { Fabric = change(Whole.Etcd.Fabric) } };

    private static DockerPicture InDocker(params DockerEndpoint[] endpoints) =>
        new(ImmutableDictionary.Create<string, IReadOnlyList<DockerEndpoint>?>().Add("net1", endpoints));

    private static PoolRecord PoolOf(PoolState state, string network) =>
        new(Pool, IPv4Network.Parse("10.128.0.0/23"), 25, 6514, network, FlannelId: null, "r1", state, Now - TimeSpan.FromHours(1));

    private static AddressRecord Record(IPv4Address address, AddressState state, string owner, DateTimeOffset? since = null) => new(
        Pool, Subnet.PathForm, address, new AddressValue(AddressKind.Container, state, owner, "n1", "r1", ReleaseRequested: null, since ?? Now - TimeSpan.FromHours(1)), 1, 1);

    private static ImmutableDictionary<string, Link> Links(params Link[] links) => links.ToImmutableDictionary(link => link.Name, StringComparer.Ordinal);

    private static Link Device(int index, string name, string? kind) => new() { Index = index, Name = name, Kind = kind, Flags = LinkFlags.Up };
}
