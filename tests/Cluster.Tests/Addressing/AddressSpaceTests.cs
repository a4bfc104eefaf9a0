using FlannelFlow.Cluster.Addressing;

namespace FlannelFlow.Cluster.Tests.Addressing;

public sealed class AddressSpaceTests
{
    [Fact]
    public void Space_SeedExample_HasItsNumbers()
    {
        var space = new AddressSpaceOptions { AvailableSubnets = "192.168.0.0/16" }.ToAddressSpace();
        var layout = space.Layout(space.Pools().ElementAt(1));

        Assert.Equal(16, space.PoolCount);
        Assert.Equal(16, space.Pools().Count());
        Assert.Equal(28, space.HostSubnetsPerPool);     // 32 less the service range's 4
        Assert.Equal(125, space.ContainersPerHost);     // 128 less network, bridge, broadcast
        Assert.Equal(509, space.ServiceAddressesPerPool);
        Assert.Equal(
            "192.168.16.0/20 192.168.16.0/23 192.168.16.1 192.168.18.0 28",
            $"{layout.Pool} {layout.ServiceRange} {layout.Gateway} {layout.FirstHostSubnet} {layout.HostSubnetCount}");
        Assert.True(layout.IsHostSubnet(IPv4Network.Parse("192.168.18.0/25")));
        Assert.False(layout.IsHostSubnet(IPv4Network.Parse("192.168.17.128/25")));
        Assert.False(layout.IsHostSubnet(IPv4Network.Parse("192.168.32.0/25")));
    }

    [Fact]
    public void Layout_ExplicitPools_KeepTheProportionButAtLeastOneHostSubnet()
    {
        var space = new AddressSpaceOptions { AvailableSubnets = "10.0.0.0/8" }.ToAddressSpace();
        Assert.Equal("10.0.0.0/19", space.Layout(IPv4Network.Parse("10.0.0.0/16")).ServiceRange.ToString());
        Assert.Equal("10.0.0.0/25", space.Layout(IPv4Network.Parse("10.0.0.0/22")).ServiceRange.ToString());
        Assert.Equal("10.0.0.0/25", space.Layout(IPv4Network.Parse("10.0.0.0/23")).ServiceRange.ToString());
        var refused = Assert.Throws<AddressRefusedException>(() => space.Layout(IPv4Network.Parse("10.0.0.0/24")));
        Assert.Equal(
            "10.0.0.0/24 is too small: with DEFAULT_HOST_SUBNET_SIZE=25 a network needs a service range, host subnets and at least a /23", refused.Message);
    }

    [Fact]
    public void Validate_EverythingWrong_SaysAllAtOnce()
    {
        var options = new AddressSpaceOptions
        {
            AvailableSubnets = "10.1.0.0/16, 10.1.128.0/20, 10.2.0.1/16, fd00::/8, 172.16.0.0/24",
            NetworkSubnetSize = 20,
            DefaultHostSubnetSize = 21,
            ServiceSubnetSize = 20,
            VniStart = 0,
        };

        Assert.Equal(
            [
                "AVAILABLE_SUBNETS: '10.2.0.1/16' has host bits set: the network is 10.2.0.0/16",
                "AVAILABLE_SUBNETS: 'fd00::/8' is an IPv6 network; only IPv4 networks such as 10.1.0.0/20 are supported",
                "AVAILABLE_SUBNETS: 10.1.0.0/16 and 10.1.128.0/20 overlap",
                "AVAILABLE_SUBNETS: 172.16.0.0/24 is smaller than one network of NETWORK_SUBNET_SIZE=20",
                "DEFAULT_HOST_SUBNET_SIZE=21: flannel wants at least NETWORK_SUBNET_SIZE + 2 = 22",
                "SERVICE_SUBNET_SIZE=20: must be greater than NETWORK_SUBNET_SIZE=20, or nothing is left for hosts",
                "VNI_START=0: must be from 1 to 9999999",
            ],
            options.Validate());
        Assert.Throws<ArgumentException>(options.ToAddressSpace);
    }

    [Fact]
    public void Validate_SizesOutOfRange_NamesEach()
    {
        var options = new AddressSpaceOptions { AvailableSubnets = " , ", NetworkSubnetSize = 29, DefaultHostSubnetSize = 31 };
        Assert.Equal(
            [
                "AVAILABLE_SUBNETS is empty: name at least one network, such as 10.128.0.0/12",
                "NETWORK_SUBNET_SIZE=29: must be from 1 to 28",
                "DEFAULT_HOST_SUBNET_SIZE=31: must be from 3 to 30",
                "SERVICE_SUBNET_SIZE=32 (NETWORK_SUBNET_SIZE + 3): must not be greater than DEFAULT_HOST_SUBNET_SIZE=31, because the service range is cut in whole host subnets",
            ],
            options.Validate());
    }

    [Fact]
    public void Validate_ContainedNotAdjacent_IsFound()
    {
        // Sorted, the contained network does not stand next to the one that contains it.
        var options = new AddressSpaceOptions { AvailableSubnets = "10.0.0.0/8, 10.1.0.0/16, 10.2.0.0/16" };
        Assert.Equal(["AVAILABLE_SUBNETS: 10.0.0.0/8 and 10.1.0.0/16 overlap", "AVAILABLE_SUBNETS: 10.0.0.0/8 and 10.2.0.0/16 overlap"], options.Validate());
    }
}
