using System.Net;
using CsCheck;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Tests.LoadBalancing;

public sealed class ModelTests
{
    [Fact]
    public void FwMarks_OfAnyIndex_ReadBack_AndKeepOutOfOthersBits()
    {
        Gen.Int[0, FwMarkPair.LastIndex].Sample(index =>
        {
            var pair = FwMarkPair.Of(index);
            Assert.Equal(pair, FwMarkPair.From(pair.Tcp));
            Assert.Equal(pair, FwMarkPair.From(pair.Udp));
            Assert.NotEqual(pair.Tcp, pair.Udp);
            Assert.Equal(0u, (pair.Tcp | pair.Udp) & 0xC000);
            Assert.Equal(0x1000_0000u, pair.Udp & 0xFFF8_0000);
        });
        Assert.Equal("0x10000000/0x10000001", FwMarkPair.Of(0).ToString());
        Assert.Equal("0x10073ffc/0x10073ffd", FwMarkPair.Of(FwMarkPair.LastIndex).ToString());
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(0x4000u)]
    [InlineData(0x2000_0000u)]
    [InlineData(0x1000_4000u)]
    [InlineData(0x1008_0000u)]
    [InlineData(0x1000_8001u)]
    public void FwMarks_OfOthers_AreNotOurs(uint mark) => Assert.Null(FwMarkPair.From(mark));

    [Fact]
    public void FwMarks_IndexOutOfRange_IsRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => FwMarkPair.Of(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => FwMarkPair.Of(FwMarkPair.LastIndex + 1));
    }

    [Fact]
    public void Text_OfStatesInAnyOrder_IsTheSame()
    {
        static Backend Active(string address) => Backend.Active(IPAddress.Parse(address));
        static VirtualService Service(int index, string vip, params Backend[] backends) =>
            new() { Vip = IPAddress.Parse(vip), Marks = FwMarkPair.Of(index), Backends = backends };
        var frame = new NetworkFrame("ffv1", IPv4Prefix.Parse("10.1.1.0/25"));
        var other = new BalancedNetwork(new NetworkFrame("ffv2", IPv4Prefix.Parse("10.2.1.0/25")), []);
        var draining = Backend.Draining(IPAddress.Parse("10.1.1.5"));
        var one = new BalancedNetwork(frame, [Service(1, "10.1.0.10", Active("10.1.1.20"), draining), Service(0, "10.1.0.9")]);
        var two = new BalancedNetwork(frame, [Service(0, "10.1.0.9"), Service(1, "10.1.0.10", draining, Active("10.1.1.20"))]);
        Assert.Equal(LoadBalancerTables.ToText([one, other]), new LoadBalancerTables([other, two], []).ToText());
        Assert.Equal(
            """
            network ffv1 10.1.1.0/25
              10.1.0.9 0x10000000/0x10000001 wrr
              10.1.0.10 0x10000002/0x10000003 wrr
                10.1.1.5 tcp 0 udp -
                10.1.1.20 tcp 1 udp 1
            network ffv2 10.2.1.0/25
            stray mark 0x10000009

            """,
            new LoadBalancerTables([one, other], ["mark 0x10000009"]).ToText());
    }
}
