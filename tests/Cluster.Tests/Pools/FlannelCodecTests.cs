using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;

namespace FlannelFlow.Cluster.Tests.Pools;

public sealed class FlannelCodecTests
{
    [Fact]
    public void Config_OfAPool_IsFlannelsJson()
    {
        var space = new AddressSpaceOptions { AvailableSubnets = "10.1.0.0/16" }.ToAddressSpace();
        var config = FlannelNetworkConfig.For(space.Layout(IPv4Network.Parse("10.1.0.0/20")), 6514);

        Assert.Equal(
            """{"Network":"10.1.0.0/20","SubnetLen":25,"SubnetMin":"10.1.2.0","Backend":{"Type":"vxlan","VNI":6514}}""", config.ToJson());
        var model = config.Validate();
        Assert.Equal(("10.1.2.0", "10.1.15.128", 28), (model.SubnetMin.ToString(), model.SubnetMax.ToString(), model.Subnets().Count()));
        Assert.False(model.IsLeasable(IPv4Network.Parse("10.1.1.128/25")));
        Assert.True(model.IsLeasable(IPv4Network.Parse("10.1.15.128/25")));
        Assert.False(model.IsLeasable(IPv4Network.Parse("10.1.4.0/24")));
    }

    [Fact]
    public void Config_OtherCaseAndUnknownFields_AreRead()
    {
        var config = FlannelNetworkConfig.Parse(
            """{"network":"10.5.0.7/16","SUBNETLEN":24,"Comment":[1],"backend":{"type":"vxlan","vni":7,"DirectRouting":true,"port":4789}}""");
        var model = config.Validate();
        Assert.Equal("10.5.0.0/16 24 10.5.1.0 10.5.255.0", $"{model.Network} {model.SubnetLen} {model.SubnetMin} {model.SubnetMax}");
        Assert.Equal((7, true, 4789), (model.Backend.Vni!.Value, model.Backend.DirectRouting!.Value, model.Backend.Port!.Value));
        Assert.Equal("udp", (config with { Backend = null }).Validate().Backend.Type);
    }

    [Theory]
    [InlineData("10.5.0.0/16", 24)]
    [InlineData("10.5.0.0/22", 24)]
    [InlineData("10.5.0.0/23", 25)]
    [InlineData("10.5.0.0/28", 30)]
    public void Config_WithoutSubnetLen_GetsFlannelsDefault(string network, int expected) =>
        Assert.Equal(expected, new FlannelNetworkConfig { Network = network }.Validate().SubnetLen);

    [Theory]
    [InlineData("""{}""", "Network is missing")]
    [InlineData("""{"EnableIPv4":false,"EnableIPv6":true,"Network":"x"}""", "EnableIPv4 is false: only IPv4 networks are supported; EnableIPv6 is true: only IPv4 networks are supported; Network: 'x' is not an IPv4 network such as 10.1.0.0/20")]
    [InlineData("""{"Network":"10.5.0.0/29"}""", "Network 10.5.0.0/29 is too small: without SubnetLen it must be a /28 or larger")]
    [InlineData("""{"Network":"10.5.0.0/16","SubnetLen":31}""", "SubnetLen 31 is greater than 30")]
    [InlineData("""{"Network":"10.5.0.0/24","SubnetLen":25}""", "SubnetLen 25 is smaller than the length of Network 10.5.0.0/24 + 2 = 26")]
    [InlineData("""{"Network":"10.5.0.0/16","SubnetLen":24,"SubnetMin":"10.6.0.0","SubnetMax":"10.5.1.128"}""", "SubnetMin 10.6.0.0 is not in Network 10.5.0.0/16; SubnetMax 10.5.1.128 is not on a boundary of SubnetLen 24")]
    [InlineData("""{"Network":"10.5.0.0/16","SubnetLen":24,"SubnetMin":"10.5.9.0","SubnetMax":"10.5.8.0"}""", "SubnetMin 10.5.9.0 is above SubnetMax 10.5.8.0")]
    public void Config_Invalid_SaysAll(string json, string expected)
    {
        var refused = Assert.Throws<FormatException>(() => FlannelNetworkConfig.Parse(json).Validate());
        Assert.Equal($"flannel config is not valid: {expected}", refused.Message);
    }

    [Fact]
    public void Config_NoJson_IsRefused() => Assert.Throws<FormatException>(() => FlannelNetworkConfig.Parse("[1"));

    [Fact]
    public void Lease_Written_IsFlannelsJson()
    {
        var attributes = LeaseAttributes.ForVxlan(IPv4Address.Parse("192.168.64.3"), new VxlanLeaseData(1, "c6:d2:32:6f:8f:44"));
        Assert.Equal(
            """{"PublicIP":"192.168.64.3","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}}""",
            attributes.ToJson());
        Assert.Equal(new VxlanLeaseData(1, "c6:d2:32:6f:8f:44"), LeaseAttributes.Parse(attributes.ToJson()).Vxlan());
    }

    [Theory]
    [InlineData("/coreos.com/network/subnets/10.5.72.0-24", "10.5.72.0/24")]
    [InlineData("/coreos.com/network/subnets/10.5.72.0-24&fc00:0:0:1::-64", "10.5.72.0/24")]
    [InlineData("/coreos.com/network/subnets/10.5.72.1-24", null)]
    [InlineData("/coreos.com/network/subnets/10.5.72.0-32", null)]
    [InlineData("/coreos.com/network/subnets/nonsense", null)]
    [InlineData("/coreos.com/network/config", null)]
    public void LeaseKey_Text_IsParsed(string key, string? expected) =>
        Assert.Equal(expected, FlannelKeys.TryParseSubnet(key, out var subnet) ? subnet.ToString() : null);

    [Theory]
    [InlineData("""{"publicip":"1.2.3.4","BackendType":"vxlan","BackendData":{"vni":5,"vtepmac":"aa:bb:cc:dd:ee:ff"}}""", "1.2.3.4 5 aa:bb:cc:dd:ee:ff")]
    [InlineData("""{"PublicIP":"1.2.3.4","BackendType":"host-gw"}""", "1.2.3.4 no vxlan")]
    [InlineData("""{"PublicIP":"1.2.3.4","BackendType":"vxlan","BackendData":"x"}""", "1.2.3.4 no vxlan")]
    [InlineData("""{"PublicIP":"1.2.3.4","BackendType":"vxlan","BackendData":{"VNI":5}}""", "1.2.3.4 no vxlan")]
    [InlineData("""{"PublicIP":"::1"}""", "/n/subnets/10.5.72.0-24: PublicIP '::1' is not an IPv4 address")]
    [InlineData("""{}""", "/n/subnets/10.5.72.0-24: PublicIP '' is not an IPv4 address")]
    public void Lease_Read_AsFlannelDoes(string json, string expected)
    {
        var entry = new EtcdEntry("/n/subnets/10.5.72.0-24", json, 1, 1, 1, EtcdLeaseId.None);
        var text = SubnetLease.TryParse(entry, out var lease, out var problem)
            ? lease.Attributes.Vxlan() is { } vxlan ? $"{lease.PublicIP} {vxlan.Vni} {vxlan.VtepMac}" : $"{lease.PublicIP} no vxlan"
            : problem;
        Assert.Equal(expected, text);
    }
}
