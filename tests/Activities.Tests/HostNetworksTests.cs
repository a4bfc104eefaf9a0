using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Tests;

public sealed class HostNetworksTests : IDisposable
{
    private static readonly IPv4Network Pool = IPv4Network.Parse("10.128.16.0/20");
    private static readonly Dictionary<string, string> Environment = new() { ["FLANNELD_ETCD_PREFIX"] = "/flannelflow/networks/10.128.16.0-20" };
    private readonly string _state = Directory.CreateTempSubdirectory("ff-host-networks-").FullName;

    public void Dispose() => Directory.Delete(_state, recursive: true);

    [Fact]
    public void Write_ThenReadByAnotherDaemon_IsTheSame()
    {
        var since = new DateTimeOffset(2026, 11, 24, 3, 4, 5, TimeSpan.Zero).AddTicks(1234567);
        var network = new HostNetwork("n1", Pool, 6514, 1400, IdleSince: since);
        new HostNetworks(_state).Write(network, Environment);

        var read = new HostNetworks(_state);

        Assert.Equal(network, read.Find("n1"));
        Assert.Equal(network, read.FindByPool(Pool));
        Assert.Equal(Environment, read.FlanneldEnvironment(network));
    }

    [Fact]
    public void EncryptedNetwork_ReadByAnotherDaemon_StaysSo_AndIsRefusedWhereThatCannotBeRead()
    {
        var network = new HostNetwork("n1", Pool, 6514, 0, IdleSince: null) { EncryptedPort = 8473 };
        var networks = new HostNetworks(_state);
        networks.Write(network, Environment);
        networks.SetIdle(network, DateTimeOffset.UnixEpoch);
        Assert.Equal(network with { IdleSince = DateTimeOffset.UnixEpoch }, new HostNetworks(_state).Find("n1"));

        var file = Path.Combine(networks.DirectoryOf(Pool), "flannel.env");
        File.WriteAllText(file, File.ReadAllText(file).Replace("ENCRYPTED_PORT=8473", "ENCRYPTED_PORT=", StringComparison.Ordinal));
        Assert.Throws<InvalidDataException>(() => new HostNetworks(_state));
    }

    /// <summary>What ESP makes of a packet: from the UDP header on, filled up to 4 with a trailer of 2, and 32 bytes of header, IV and check value.</summary>
    [Fact]
    public void EncryptedNetwork_LargestPacket_FillsTheUnderlay()
    {
        var network = new HostNetwork("n1", Pool, 6514, 0, IdleSince: null) { EncryptedPort = 8473 };
        Assert.Equal(1416, network.MtuWithin(1450));
        Assert.Equal(1400, (network with { Mtu = 1400 }).MtuWithin(1450));
        for (var underlay = 1280; underlay <= 9000; underlay++)
        {
            var largest = network.MtuWithin(underlay - 50);
            Assert.True(SizeOf(largest) <= underlay && SizeOf(largest + 1) > underlay, $"{largest} on {underlay}");
        }

        static int SizeOf(int packet) => 20 + 16 + ((packet + 14 + 8 + 8 + 2 + 3) / 4 * 4) + 16;
    }

    [Fact]
    public void SetIdle_KeepsTheEnvironment()
    {
        var networks = new HostNetworks(_state);
        networks.Write(new HostNetwork("n1", Pool, 6514, 0, IdleSince: null), Environment);
        networks.SetIdle(networks.Require("n1"), DateTimeOffset.UnixEpoch);

        Assert.Equal(DateTimeOffset.UnixEpoch, new HostNetworks(_state).Require("n1").IdleSince);
        Assert.Equal(Environment, networks.FlanneldEnvironment(networks.Require("n1")));
    }

    [Fact]
    public void Delete_Twice_LeavesNothing()
    {
        var networks = new HostNetworks(_state);
        networks.Write(new HostNetwork("n1", Pool, 6514, 0, IdleSince: null), Environment);
        networks.Delete("n1", Pool);
        networks.Delete("n1", Pool);

        Assert.Empty(networks.All);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(_state, "networks")));
    }

    [Theory]
    [InlineData(0, 1450)]
    [InlineData(1400, 1400)]
    [InlineData(9000, 1450)]
    public void FabricOf_SubnetFile_MtuIsTheSmallerOfAskedAndPossible(int asked, int expected)
    {
        var networks = new HostNetworks(_state);
        var network = new HostNetwork("n1", Pool, 6514, asked, IdleSince: null);
        networks.Write(network, Environment);
        File.WriteAllText(
            networks.SubnetFileOf(Pool),
            "FLANNEL_NETWORK=10.128.16.0/20\nFLANNEL_SUBNET=10.128.18.129/25\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n");

        var fabric = networks.FabricOf(network);

        Assert.Equal(new Fabric(IPv4Network.Parse("10.128.18.128/25"), IPv4Address.Parse("10.128.18.129"), expected), fabric);
    }

    [Theory]
    [InlineData("")]
    [InlineData("FLANNEL_SUBNET=10.128.18.129/25\n")]
    [InlineData("FLANNEL_SUBNET=10.128.18.129\nFLANNEL_MTU=1450\n")]
    [InlineData("FLANNEL_SUBNET=x/25\nFLANNEL_MTU=1450\n")]
    public void FabricOf_IncompleteSubnetFile_IsNone(string text)
    {
        var networks = new HostNetworks(_state);
        var network = new HostNetwork("n1", Pool, 6514, 0, IdleSince: null);
        networks.Write(network, Environment);
        File.WriteAllText(networks.SubnetFileOf(Pool), text);

        Assert.Null(networks.FabricOf(network));
    }

    [Fact]
    public void Open_EnvironmentWithoutNetwork_IsRefusedWithItsPath()
    {
        var directory = Directory.CreateDirectory(Path.Combine(_state, "networks", Pool.PathForm)).FullName;
        File.WriteAllText(Path.Combine(directory, "flannel.env"), "FLANNELFLOW_POOL=10.128.16.0/20\n");

        var refused = Assert.Throws<InvalidDataException>(() => new HostNetworks(_state));

        Assert.Contains(Path.Combine(directory, "flannel.env"), refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Require_UnknownNetwork_IsARefusalInWords()
    {
        var refused = Assert.Throws<RefusalException>(() => new HostNetworks(_state).Require("n9"));
        Assert.Equal("network n9 is not on this host: Docker has not created it here, or has deleted it", refused.Message);
    }

    [Fact]
    public void DeviceNames_HighestVni_FitTheKernel()
    {
        const int IfNameSize = 16; // linux/if.h IFNAMSIZ, with the terminating zero
        var endpoint = new string('f', 64);
        foreach (var name in new[]
        {
            NetworkDevices.Bridge(AddressSpaceOptions.VniMax), NetworkDevices.Vxlan(AddressSpaceOptions.VniMax), NetworkDevices.Vip(AddressSpaceOptions.VniMax),
            NetworkDevices.HostVeth(endpoint), NetworkDevices.ContainerVeth(endpoint),
        })
            Assert.InRange(name.Length, 1, IfNameSize - 1);
    }
}
