using System.Net;
using FlannelFlow.Flanneld.Interfaces;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Flanneld.Tests.Pure;

public sealed class InterfaceTests
{
    private static readonly InterfaceTable Table = new(
        [
            new Link { Index = 1, Name = "lo", Mtu = 65536, Flags = LinkFlags.Loopback }, new Link { Index = 2, Name = "eth0", Mtu = 1500 },
            new Link { Index = 3, Name = "eth1", Mtu = 9000 }, new Link { Index = 4, Name = "dummy0", Mtu = 1500 },
        ],
        [
            Address(1, "127.0.0.1", RouteScope.Host), Address(2, "169.254.7.7", RouteScope.Link), Address(2, "192.0.2.9", RouteScope.Universe) with { IsPermanent = false },
            Address(2, "192.0.2.1", RouteScope.Universe), Address(3, "198.51.100.1", RouteScope.Universe),
        ]);

    private static InterfaceAddress Address(int index, string address, RouteScope scope) => new(index, IPAddress.Parse(address), 24) { Scope = scope };

    [Theory]
    [InlineData("eth0", "eth0 (192.0.2.1)")]            // global before link-local, permanent before leased
    [InlineData("192.0.2.9", "eth0 (192.0.2.9)")]
    [InlineData("eth1", "eth1 (198.51.100.1)")]
    public void Named_IsFound(string wanted, string expected) => Assert.Equal(expected, Table.ByNameOrAddress(wanted, out _)?.ToString());

    [Theory]
    [InlineData("eth7", "no interface named eth7; present: lo, eth0, eth1, dummy0")]
    [InlineData("10.9.9.9", "no interface has the address 10.9.9.9; present: lo 127.0.0.1, eth0 169.254.7.7 192.0.2.9 192.0.2.1, eth1 198.51.100.1, dummy0")]
    [InlineData("dummy0", "interface dummy0 has no IPv4 address")]
    public void Named_Missing_IsSaidInWords(string wanted, string words)
    {
        Assert.Null(Table.ByNameOrAddress(wanted, out var problem));
        Assert.Equal(words, problem);
    }

    [Theory]
    [InlineData(@"^198\.51\.", "eth1 (198.51.100.1)")]
    [InlineData("eth[01]", "eth0 (192.0.2.1)")]
    public void Regex_MatchesAddressesThenNames(string pattern, string expected) => Assert.Equal(expected, Table.ByRegex(pattern, out _)?.ToString());

    [Fact]
    public void DefaultRoute_LowestMetric()
    {
        var routes = new[] { new Route(IPv4Prefix.Any) { InterfaceIndex = 2, Metric = 100 }, new Route(IPv4Prefix.Any) { InterfaceIndex = 3, Metric = 50 }, new Route(IPv4Prefix.Parse("10.0.0.0/8")) { InterfaceIndex = 2 } };
        Assert.Equal("eth1", Table.OfDefaultRoute(routes, out _)?.Name);
        Assert.Null(Table.OfDefaultRoute(routes.AsEnumerable().TakeLast(1), out var problem));
        Assert.Equal("there is no default route", problem);
    }

    [Fact]
    public void Loopback_IsNoWayToOthers()
    {
        Assert.Null(Table.OfRoute(new Route(IPv4Prefix.Parse("127.0.0.1/32")) { InterfaceIndex = 1 }, IPAddress.Loopback, out var problem));
        Assert.Contains("through lo", problem, StringComparison.Ordinal);
    }
}
