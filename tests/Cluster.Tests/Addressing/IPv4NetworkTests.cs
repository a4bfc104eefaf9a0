using System.Net;
using CsCheck;
using FlannelFlow.Cluster.Addressing;

namespace FlannelFlow.Cluster.Tests.Addressing;

public sealed class IPv4NetworkTests
{
    private static readonly Gen<IPv4Network> Networks = Gen.Select(Gen.UInt, Gen.Int[0, 32], (address, length) => IPv4Network.Containing(new(address), length));

    [Theory]
    [InlineData("10.1.0.0", "'10.1.0.0' is not an IPv4 network such as 10.1.0.0/20")]
    [InlineData("10.1.0/20", "'10.1.0/20' is not an IPv4 network such as 10.1.0.0/20")]
    [InlineData("010.1.0.0/20", "'010.1.0.0/20' is not an IPv4 network such as 10.1.0.0/20")]
    [InlineData("256.1.0.0/20", "'256.1.0.0/20' is not an IPv4 network such as 10.1.0.0/20")]
    [InlineData("10.1.0.0/33", "'10.1.0.0/33' has no prefix length from 0 to 32")]
    [InlineData("10.1.0.0/+5", "'10.1.0.0/+5' has no prefix length from 0 to 32")]
    [InlineData("10.1.0.0/05", "'10.1.0.0/05' has no prefix length from 0 to 32")]
    [InlineData("10.1.1.0/20", "'10.1.1.0/20' has host bits set: the network is 10.1.0.0/20")]
    [InlineData("fd00::/8", "'fd00::/8' is an IPv6 network; only IPv4 networks such as 10.1.0.0/20 are supported")]
    [InlineData("", "'' is not an IPv4 network such as 10.1.0.0/20")]
    [InlineData(null, "'' is not an IPv4 network such as 10.1.0.0/20")]
    public void Parse_BadText_IsRefusedInWords(string? text, string expected)
    {
        Assert.False(IPv4Network.TryParse(text, out _, out var problem));
        Assert.Equal(expected, problem);
    }

    [Fact]
    public void Bounds_OfAHostSubnet_AreThoseOfItsBits()
    {
        var subnet = IPv4Network.Parse("10.1.2.128/25");
        Assert.Equal("10.1.2.128 10.1.2.129 10.1.2.254 10.1.2.255", $"{subnet.First} {subnet.FirstUsable} {subnet.LastUsable} {subnet.Last}");
        Assert.Equal("10.1.2.128-25", subnet.PathForm);
        Assert.Equal(128, subnet.Size);
        Assert.Equal("0.0.0.0/0 255.255.255.255", $"{IPv4Network.Parse("0.0.0.0/0")} {IPv4Network.Parse("0.0.0.0/0").Last}");
        Assert.Equal("10.0.0.1 10.0.0.1", $"{IPv4Network.Parse("10.0.0.1/32").First} {IPv4Network.Parse("10.0.0.1/32").LastUsable}");
    }

    [Fact]
    public void Split_Network_CoversItWithoutGapOrOverlap()
    {
        var parts = IPv4Network.Parse("255.255.255.0/24").Split(26).ToList();
        Assert.Equal(["255.255.255.0/26", "255.255.255.64/26", "255.255.255.128/26", "255.255.255.192/26"], parts.Select(part => part.ToString()));
        Assert.Empty(IPv4Network.Parse("10.0.0.0/24").Split(23));
        Assert.Equal(1L << 32, IPv4Network.Parse("0.0.0.0/0").CountOf(32));
    }

    [Fact]
    public void Text_AnyNetwork_ReadsBack() => Networks.Sample(network =>
    {
        Assert.Equal(network, IPv4Network.Parse(network.ToString()));
        Assert.True(IPv4Network.TryParsePathForm(network.PathForm, out var fromPath));
        Assert.Equal(network, fromPath);
        Assert.Equal(network.First, IPv4Address.From(IPAddress.Parse(network.First.ToString())));
        Assert.Equal(network.First.ToString(), network.First.ToIPAddress().ToString());
    });

    [Fact]
    public void Overlaps_AnyTwo_AgreesWithTheirBounds() => Gen.Select(Networks, Networks).Sample((a, b) =>
    {
        var byBounds = a.First <= b.Last && b.First <= a.Last;
        Assert.Equal(byBounds, a.Overlaps(b));
        Assert.Equal(byBounds, b.Overlaps(a));
        Assert.Equal(a.First <= b.First && b.Last <= a.Last, a.Contains(b));
    });
}
