using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Flanneld.Reconciling;
using FlannelFlow.Linux.Netlink;
using static FlannelFlow.Flanneld.Tests.Support.Leases;

namespace FlannelFlow.Flanneld.Tests.Pure;

public sealed class DesiredStateTests
{
    private const string A = "02:00:00:00:00:0a", B = "02:00:00:00:00:0b";
    private static readonly OwnHost Own = new(Subnet("10.1.2.0/25"), IPv4Address.Parse("192.0.2.1"), MacAddress.Parse("02:00:00:00:00:01"));

    private static string Text(params EtcdEntry[] entries)
    {
        var desired = DesiredState.Of(Network, Own, entries);
        return string.Join('\n', desired.Remotes.Select(r => r.ToString()).Concat(desired.Ignored.Select(i => $"{i.Key["/n/subnets/".Length..]}: {i.Reason}")));
    }

    [Fact]
    public void OtherHosts_AreReached_TheOwnLeaseIsNot() => Assert.Equal(
        $"10.1.3.0/25 via {A} at 192.0.2.3\n10.1.4.0/25 via {B} at 192.0.2.4",
        Text(Lease("10.1.4.0/25", "192.0.2.4", B), Lease("10.1.2.0/25", "192.0.2.1", "02:00:00:00:00:01"), Lease("10.1.3.0/25", "192.0.2.3", A)));

    [Theory]
    [InlineData("10.1.3.0/25", "{", "lease attributes are not valid")]
    [InlineData("10.1.3.0/25", """{"PublicIP":"nonsense","BackendType":"vxlan"}""", "'nonsense' is not an IPv4 address")]
    [InlineData("10.1.3.0/25", """{"PublicIP":"192.0.2.3","BackendType":"vxlan","BackendData":{"VNI":7,"VtepMAC":"02:00:00:00:00:0a"}}""", "its VNI is 7, not 6514")]
    [InlineData("10.1.3.0/25", """{"PublicIP":"192.0.2.3","BackendType":"host-gw"}""", "its backend is 'host-gw', not vxlan")]
    [InlineData("10.1.3.0/25", """{"PublicIP":"192.0.2.3","BackendType":"vxlan","BackendData":5}""", "BackendData is not vxlan's")]
    [InlineData("10.1.3.0/25", """{"PublicIP":"192.0.2.3","BackendType":"vxlan","BackendData":{"VNI":6514,"VtepMAC":"00:00:00:00:00:00"}}""", "not one device's address")]
    [InlineData("10.1.3.0/25", """{"PublicIP":"192.0.2.3","BackendType":"vxlan","BackendData":{"VNI":6514,"VtepMAC":"01:00:5e:00:00:01"}}""", "not one device's address")]
    [InlineData("10.1.3.0/25", """{"PublicIP":"192.0.2.3","BackendType":"vxlan","BackendData":{"VNI":6514,"VtepMAC":"02:00:00:00:00:01"}}""", "is this host's own")]
    [InlineData("10.1.3.0/25", """{"PublicIP":"192.0.2.1","BackendType":"vxlan","BackendData":{"VNI":6514,"VtepMAC":"02:00:00:00:00:0a"}}""", "a lease of before")]
    [InlineData("10.1.3.0/25", """{"PublicIP":"224.0.0.1","BackendType":"vxlan","BackendData":{"VNI":6514,"VtepMAC":"02:00:00:00:00:0a"}}""", "not one host's address")]
    [InlineData("10.1.3.0/25", """{"PublicIP":"10.1.9.9","BackendType":"vxlan","BackendData":{"VNI":6514,"VtepMAC":"02:00:00:00:00:0a"}}""", "in the network itself")]
    [InlineData("10.1.2.0/24", """{"PublicIP":"192.0.2.3","BackendType":"vxlan","BackendData":{"VNI":6514,"VtepMAC":"02:00:00:00:00:0a"}}""", "overlaps this host's lease")]
    [InlineData("0.0.0.0/0", """{"PublicIP":"192.0.2.3","BackendType":"vxlan","BackendData":{"VNI":6514,"VtepMAC":"02:00:00:00:00:0a"}}""", "not in the network")]
    [InlineData("10.1.3.300/25", """{"PublicIP":"192.0.2.3"}""", "does not end in")]
    public void WhatDoesNotCount_IsIgnored_AndStopsNoOther(string subnet, string value, string reason)
    {
        var desired = DesiredState.Of(Network, Own, [Entry(subnet, value), Lease("10.1.4.0/25", "192.0.2.4", B)]);
        Assert.Equal($"10.1.4.0/25 via {B} at 192.0.2.4", Assert.Single(desired.Remotes).ToString());
        Assert.Contains(reason, Assert.Single(desired.Ignored).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Overlap_ConfiguredLengthFirst_ThenTheOlder() => Assert.Equal(
        $"10.1.4.0/25 via {B} at 192.0.2.4\n10.1.4.0-24: overlaps the lease 10.1.4.0/25\n10.1.4.64-26: overlaps the lease 10.1.4.0/25",
        Text(Lease("10.1.4.0/24", "192.0.2.3", A, 2), Lease("10.1.4.0/25", "192.0.2.4", B, 9), Lease("10.1.4.64/26", "192.0.2.3", A, 10)));

    [Fact]
    public void OneMacAtTwoAddresses_TheNewerIsRight() => Assert.Equal(
        $"10.1.4.0/25 via {A} at 192.0.2.4\n10.1.3.0-25: its VTEP address {A} is at 192.0.2.4 by a newer lease",
        Text(Lease("10.1.3.0/25", "192.0.2.3", A, 2), Lease("10.1.4.0/25", "192.0.2.4", A, 9)));

    [Fact]
    public void OneHostWithTwoLeases_IsReachedByBoth() => Assert.Equal(
        $"10.1.3.0/25 via {A} at 192.0.2.3\n10.1.4.0/25 via {A} at 192.0.2.3",
        Text(Lease("10.1.3.0/25", "192.0.2.3", A, 2), Lease("10.1.4.0/25", "192.0.2.3", A, 9)));
}
