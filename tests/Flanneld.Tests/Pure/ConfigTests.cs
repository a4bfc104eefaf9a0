using FlannelFlow.Flanneld.Interfaces;
using FlannelFlow.Flanneld.Leases;
using FlannelFlow.Flanneld.Networks;

namespace FlannelFlow.Flanneld.Tests.Pure;

public sealed class ConfigTests
{
    private static readonly Underlay Eth0 = new("eth0", 2, 1500, System.Net.IPAddress.Parse("192.0.2.1"));

    [Fact]
    public void Vxlan_Defaults_AreFlannels()
    {
        var network = VxlanNetwork.Parse("""{"network":"10.5.0.0/16","backend":{"type":"VXLAN"}}""");
        Assert.Equal((1, 0, false, false, "flannel.1", 24), (network.Vni, network.Port, network.Learning, network.GroupPolicy, network.DeviceName, network.Addresses.SubnetLen));
        Assert.Equal(1450, network.Mtu(Eth0));
        Assert.Equal("10.5.1.0", network.Addresses.SubnetMin.ToString());
    }

    [Fact]
    public void Vxlan_AllFields_AreRead()
    {
        var network = VxlanNetwork.Parse("""{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":7,"Port":4790,"MTU":9000,"GBP":true,"Learning":true,"Other":1}}""");
        Assert.Equal((7, 4790, 8950, true, true), (network.Vni, network.Port, network.Mtu(Eth0), network.Learning, network.GroupPolicy));
    }

    [Theory]
    [InlineData("""{"Network":"10.5.0.0/16"}""", "backend type 'udp' is not supported")]
    [InlineData("""{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}}""", "backend type 'host-gw' is not supported: this agent speaks vxlan only")]
    [InlineData("""{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","DirectRouting":true}}""", "DirectRouting is not supported")]
    [InlineData("""{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":0,"Port":70000}}""", "VNI 0 is not from 1 to 16777215; Port 70000")]
    [InlineData("""{"Network":"10.5.0.0/16","SubnetLen":17,"Backend":{"Type":"vxlan"}}""", "SubnetLen 17 is smaller")]
    [InlineData("""{"EnableIPv6":true,"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}""", "EnableIPv6")]
    [InlineData("{", "not valid")]
    public void Vxlan_WhatCannotBeCarriedOut_IsRefusedInWords(string json, string words) =>
        Assert.Contains(words, Assert.Throws<FormatException>(() => VxlanNetwork.Parse(json)).Message, StringComparison.Ordinal);

    [Fact]
    public void SubnetFile_IsFlannelsToTheLetter()
    {
        var directory = Directory.CreateTempSubdirectory("fft-file-");
        try
        {
            var path = Path.Combine(directory.FullName, "sub", "subnet.env");
            var subnet = Support.Leases.Subnet("10.5.72.0/24");
            var text = SubnetFile.Text(Support.Leases.Subnet("10.5.0.0/16"), subnet, 1450);
            Assert.Null(SubnetFile.PreviousSubnet(path));
            SubnetFile.Write(path, "FLANNEL_SUBNET=rubbish\n");
            Assert.Null(SubnetFile.PreviousSubnet(path));
            SubnetFile.Write(path, text);
            Assert.Equal("FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n", File.ReadAllText(path));
            Assert.Equal(subnet, SubnetFile.PreviousSubnet(path));
            Assert.Equal([path], Directory.GetFiles(Path.GetDirectoryName(path)!));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }
}
