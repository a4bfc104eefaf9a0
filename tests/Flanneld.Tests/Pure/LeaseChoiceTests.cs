using CsCheck;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Flanneld.Leases;
using static FlannelFlow.Flanneld.Tests.Support.Leases;

namespace FlannelFlow.Flanneld.Tests.Pure;

public sealed class LeaseChoiceTests
{
    private const string Mac = "02:00:00:00:00:01";
    private static readonly IPv4Address Me = IPv4Address.Parse("192.0.2.1");

    private static LeaseDecision Decide(IPv4Network? previous, params EtcdEntry[] entries) =>
        LeaseChoice.Decide(Network.Addresses, entries, Me, previous, new Random(1));

    [Fact]
    public void OwnLease_IsReused_BeforeAnythingElse()
    {
        var decision = Decide(Subnet("10.1.3.0/25"), Lease("10.1.4.0/25", "192.0.2.1", Mac), Lease("10.1.5.0/25", "192.0.2.9", Mac));
        Assert.Equal("10.1.4.0/25", Assert.IsType<LeaseDecision.Reuse>(decision).Lease.Subnet.ToString());
    }

    [Fact]
    public void OwnLeases_Several_ThatOfTheSubnetFileIsReused()
    {
        var decision = Decide(Subnet("10.1.5.0/25"), Lease("10.1.4.0/25", "192.0.2.1", Mac), Lease("10.1.5.0/25", "192.0.2.1", Mac));
        Assert.Equal("10.1.5.0/25", Assert.IsType<LeaseDecision.Reuse>(decision).Lease.Subnet.ToString());
    }

    [Theory]
    [InlineData("10.1.4.0/24")]     // another length
    [InlineData("10.1.1.0/25")]     // below SubnetMin
    [InlineData("10.2.0.0/25")]     // another network
    public void OwnLease_ThatDoesNotFit_IsDiscarded(string subnet) =>
        Assert.IsType<LeaseDecision.Discard>(Decide(null, Lease(subnet, "192.0.2.1", Mac)));

    [Fact]
    public void PreviousSubnet_IsTaken_IfFree() =>
        Assert.Equal(Subnet("10.1.7.128/25"), Assert.IsType<LeaseDecision.Create>(Decide(Subnet("10.1.7.128/25"))).Subnet);

    [Theory]
    [InlineData("10.1.7.128/25")]
    [InlineData("10.1.7.0/24")]
    [InlineData("10.1.7.192/26")]
    public void PreviousSubnet_ThatOverlapsAnother_IsNotTaken(string other)
    {
        var previous = Subnet("10.1.7.128/25");
        Assert.NotEqual(previous, Assert.IsType<LeaseDecision.Create>(Decide(previous, Lease(other, "192.0.2.9", Mac))).Subnet);
    }

    [Fact]
    public void UnreadableValue_StillHoldsItsSubnet()
    {
        var previous = Subnet("10.1.7.128/25");
        Assert.NotEqual(previous, Assert.IsType<LeaseDecision.Create>(Decide(previous, Entry("10.1.7.128/25", "{"))).Subnet);
    }

    [Fact]
    public void Created_IsFree_Leasable_AndAmongTheFirstHundred() =>
        Gen.Select(Gen.Int[0, 27].HashSet[0, 28], Gen.Int).Sample((taken, seed) =>
        {
            var all = Network.Addresses.Subnets().ToList();
            var entries = taken.Select(i => Lease(all[i].ToString(), "192.0.2.9", Mac)).ToList();
            var decision = LeaseChoice.Decide(Network.Addresses, entries, Me, null, new Random(seed));
            if (taken.Count == all.Count) return decision is LeaseDecision.Exhausted { Subnets: 28 };
            var subnet = ((LeaseDecision.Create)decision).Subnet;
            return Network.Addresses.IsLeasable(subnet) && !taken.Contains(all.IndexOf(subnet));
        });

    [Fact]
    public void Exhausted_CountsLongerAndShorterLeases()
    {
        var all = Network.Addresses.Subnets().ToList();
        var entries = all.Skip(2).Select(s => Lease(s.ToString(), "192.0.2.9", Mac)).Append(Lease("10.1.2.0/24", "192.0.2.8", Mac)).ToArray();
        Assert.IsType<LeaseDecision.Exhausted>(Decide(null, entries));
    }
}
