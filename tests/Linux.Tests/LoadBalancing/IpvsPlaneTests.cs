using FlannelFlow.Linux.Ipvs;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Tests.LoadBalancing;

/// <summary>In the guest of tests/lab/uml, whose kernel has IPVS.</summary>
[Trait("Needs", "guest")]
public sealed class IpvsPlaneTests(BalancedHost host) : LoadBalancerContract(host)
{
    protected override LoadBalancerPlane Plane => LoadBalancerPlane.Ipvs;

    private Task<string> IpvsadmAsync(params string[] arguments) => Host.Commands.RunCheckedAsync("ipvsadm", arguments, null, Ct);

    [Fact]
    public async Task Plane_NotNamed_IsIpvs()
    {
        using var opened = (await OpenAsync(null)).Balancer;
        Assert.Equal(LoadBalancerPlane.Ipvs, opened.Plane);
    }

    [Fact]
    public async Task Open_SetsWhatDrainingNeeds()
    {
        foreach (var (name, value) in (IEnumerable<(string, string)>)[("conntrack", "1"), ("expire_nodest_conn", "1"), ("sloppy_tcp", "0"), ("conn_reuse_mode", "1")])
            Assert.Equal((name, value), (name, Host.Host.Run(() => Sysctl.Read("net/ipv4/vs/" + name))));
        Assert.Contains("7800 120 300", await IpvsadmAsync("-l", "--timeout"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Apply_MendsWhatACrashOrAnOperatorLeft_AndTouchesNoOthers()
    {
        BalancedNetwork[] networks = [Network(Service("one", "three"))];
        await Balancer.ApplyAsync(networks, Ct);
        await IpvsadmAsync("-A", "-t", "192.0.2.1:80", "-s", "rr");
        await IpvsadmAsync("-A", "-f", "77", "-s", "rr");
        var marks = Service("one").Marks;
        await IpvsadmAsync("-D", "-f", Text(marks.Udp));
        await IpvsadmAsync("-e", "-f", Text(marks.Tcp), "-r", "10.1.1.11:0", "-m", "-w", "9");
        await IpvsadmAsync("-a", "-f", Text(marks.Tcp), "-r", "10.1.1.99:0", "-m");
        await IpvsadmAsync("-A", "-f", Text(FwMarkPair.Of(3).Tcp), "-s", "rr");
        await Host.Commands.RunCheckedAsync("ip", ["addr", "add", "10.1.0.77/32", "dev", BalancedHost.Frame.Device], null, Ct);

        var text = await TextAsync();
        Assert.Contains($"stray adding IPVS service 0x{marks.Udp:x} (wrr)", text, StringComparison.Ordinal);
        Assert.Contains("stray deleting address 10.1.0.77 on ffvips", text, StringComparison.Ordinal);
        Assert.Contains($"stray deleting IPVS service 0x{FwMarkPair.Of(3).Tcp:x}", text, StringComparison.Ordinal);
        Assert.Contains("    10.1.1.11 tcp 9 udp -", text, StringComparison.Ordinal);
        await Balancer.ApplyAsync(networks, Ct);
        Assert.Equal(LoadBalancerTables.ToText(networks), await TextAsync());
        var others = await IpvsadmAsync("-S", "-n");
        Assert.Contains("-A -t 192.0.2.1:80 -s rr", others, StringComparison.Ordinal);
        Assert.Contains("-A -f 77 -s rr", others, StringComparison.Ordinal);
    }

    private static string Text(uint mark) => mark.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
