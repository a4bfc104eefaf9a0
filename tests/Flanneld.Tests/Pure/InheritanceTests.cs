using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Flanneld.Reconciling;
using FlannelFlow.Linux.Netlink;
using static FlannelFlow.Flanneld.Tests.Support.Leases;

namespace FlannelFlow.Flanneld.Tests.Pure;

public sealed class InheritanceTests
{
    private const int Device = 7;
    private static readonly RemoteHost Second = new(Subnet("10.1.2.0/25"), IPv4Address.Parse("192.0.2.2"), MacAddress.Parse("02:00:00:00:00:02"));
    private static readonly RemoteHost Third = new(Subnet("10.1.3.0/25"), IPv4Address.Parse("192.0.2.3"), MacAddress.Parse("02:00:00:00:00:03"));
    private static readonly OwnHost Own = new(Subnet("10.1.1.0/25"), IPv4Address.Parse("192.0.2.1"), MacAddress.Parse("02:00:00:00:00:01"));

    [Fact]
    public void WhatAFormerProcessReached_IsFound() => Assert.Equal([Second, Third], Inheritance.Of(Reached(Second, Third)));

    [Fact]
    public void WhatIsNotReachedInWhole_IsNot()
    {
        var tables = Reached(Second, Third);
        Assert.Equal([Third], Inheritance.Of(tables with { Routes = [.. tables.Routes.Skip(1)] }));
        Assert.Equal([Third], Inheritance.Of(tables with { Neighbours = [.. tables.Neighbours.Skip(1)] }));
        Assert.Equal([Third], Inheritance.Of(tables with { Forwarding = [.. tables.Forwarding.Skip(1)] }));
    }

    [Fact]
    public void WhatNoLeaseContradicts_IsKept() => Assert.Equal([Second], Inheritance.Without([Second, Third], [Third], Own));

    [Fact]
    public void AnotherHostOfTheSubnet_OtherSubnetOfTheHost_OrItsMac_OrThisHost_Contradicts()
    {
        Assert.Empty(Inheritance.Without([Second], [Third with { Subnet = Second.Subnet }], Own));
        Assert.Empty(Inheritance.Without([Second], [Third with { PublicIP = Second.PublicIP }], Own));
        Assert.Empty(Inheritance.Without([Second], [Third with { Mac = Second.Mac }], Own));
        Assert.Empty(Inheritance.Without([Second], [], Own with { Subnet = Subnet("10.1.2.0/24") }));
    }

    private static KernelTables Reached(params RemoteHost[] hosts) => new(
        Device,
        [.. hosts.Select(host => new Neighbour(Device, host.Subnet.First.ToIPAddress(), host.Mac))],
        [.. hosts.Select(host => new ForwardingEntry(Device, host.Mac, host.PublicIP.ToIPAddress()))],
        [.. hosts.Select(host => ReconcilePlan.RouteTo(host, Device))]);
}
