using System.Net;
using System.Net.Sockets;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Tests.LoadBalancing;

/// <summary>What IPVS needs of the packet filter, by nftables and by iptables. Only their marks need no IPVS to be seen.</summary>
[Trait("Needs", "kernel")]
public sealed class BalancingRulesTests
{
    private static readonly IPAddress Vip = IPAddress.Parse("10.1.0.5");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static async Task<IBalancingRules> OpenAsync(string kind, TestNamespace ns) => kind == "nftables"
        ? await NftBalancingRules.OpenAsync(ns.Commands, Ct)
        : await IptablesBalancingRules.OpenAsync(ns.Commands, Ct);

    private static BalancingRule[] Rules(FwMarkPair marks, string subnet) =>
        [.. BalancingRule.Of(new VirtualService { Vip = Vip, Marks = marks }), new BalancingRule.Near(IPv4Prefix.Parse(subnet))];

    [Theory]
    [InlineData("nftables")]
    [InlineData("iptables")]
    public async Task Rules_AppliedReadReplacedAndCleared_AreTheSame(string kind)
    {
        await using var ns = await TestNamespace.CreateAsync();
        var before = await ns.Commands.RunCheckedAsync("nft", ["list", "ruleset"], null, Ct);
        var rules = await OpenAsync(kind, ns);
        Assert.Equal(kind, rules.Kind);
        Assert.Empty(await rules.ReadAsync(Ct));
        var (old, fresh) = (Rules(FwMarkPair.Of(4), "10.1.1.0/25"), Rules(FwMarkPair.Of(5), "10.1.1.128/25"));
        await rules.ApplyAsync([], old, Ct);
        Assert.Equal(old.ToHashSet(), await rules.ReadAsync(Ct));

        rules = await OpenAsync(kind, ns);   // a restart
        Assert.Equal(old.ToHashSet(), await rules.ReadAsync(Ct));
        await rules.ApplyAsync([.. old.Except(fresh)], [.. fresh.Except(old)], Ct);
        Assert.Equal(fresh.ToHashSet(), await rules.ReadAsync(Ct));
        await rules.ClearAsync(Ct);
        await rules.ClearAsync(Ct);
        // Of iptables' own built-in tables the empty chains remain.
        if (kind == "nftables") Assert.Equal(before, await ns.Commands.RunCheckedAsync("nft", ["list", "ruleset"], null, Ct));
        else Assert.DoesNotContain("FLANNELFLOW", await ns.Commands.RunCheckedAsync("iptables-save", [], null, Ct), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nftables")]
    [InlineData("iptables")]
    public async Task Marks_OfAVip_AreOnItsPackets_AndOnNoOthers(string kind)
    {
        await using var ns = await TestNamespace.CreateAsync();
        await ns.IpAsync("addr add 10.1.0.5/32 dev lo");
        await ns.IpAsync("addr add 10.1.0.6/32 dev lo");
        var marks = FwMarkPair.Of(20000);
        var rules = await OpenAsync(kind, ns);
        await rules.ApplyAsync([], Rules(marks, "10.1.1.0/25"), Ct);
        await ns.Commands.RunCheckedAsync("nft", ["-f", "-"], $$"""
            table ip witness {
              counter c1 { }
              counter c2 { }
              counter c3 { }
              chain input {
                type filter hook input priority 0;
                ct direction original meta mark 0x{{marks.Udp:x}} ip protocol udp counter name c1
                ct direction original meta mark 0x{{marks.Tcp:x}} ip protocol tcp counter name c2
                ct direction original ip daddr 10.1.0.6 meta mark != 0 counter name c3
              }
            }

            """, Ct);
        foreach (var vip in (string[])["10.1.0.5", "10.1.0.6"])
        {
            // Of a packet that the host sends elsewhere, such as VXLAN around a marked one, IPVS must not see a mark of ours.
            var mark = vip == "10.1.0.5" ? 0 : marks.Tcp;
            using var udp = ns.Handle.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
            Mark(udp, mark);
            udp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            await udp.SendToAsync(new byte[1], new IPEndPoint(IPAddress.Parse(vip), 9), Ct);
            using var tcp = ns.Handle.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            Mark(tcp, mark);
            tcp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            await Assert.ThrowsAsync<SocketException>(async () => await tcp.ConnectAsync(new IPEndPoint(IPAddress.Parse(vip), 9), Ct));
        }

        var found = new List<string>();
        foreach (var counter in (string[])["c1", "c2", "c3"])
        {
            var text = await ns.Commands.RunCheckedAsync("nft", ["list", "counter", "ip", "witness", counter], null, Ct);
            found.Add(System.Text.RegularExpressions.Regex.Match(text, "packets ([0-9]+)").Groups[1].Value);
        }

        Assert.Equal(["1", "1", "0"], found);
    }

    /// <summary>SOL_SOCKET, SO_MARK (asm-generic/socket.h).</summary>
    private static void Mark(Socket socket, uint mark) => socket.SetRawSocketOption(1, 36, BitConverter.GetBytes(mark));
}
