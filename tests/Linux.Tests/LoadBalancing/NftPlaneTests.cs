using FlannelFlow.Linux.Ipvs;
using FlannelFlow.Linux.LoadBalancing;

namespace FlannelFlow.Linux.Tests.LoadBalancing;

[Trait("Needs", "kernel")]
public sealed class NftPlaneTests(BalancedHost host) : LoadBalancerContract(host)
{
    protected override LoadBalancerPlane Plane => LoadBalancerPlane.Nftables;

    [Fact]
    public async Task Plane_OfAKernelWithoutIpvs_IsNftables_AndSaysWhy()
    {
        using var ipvs = await IpvsNetlink.TryOpenAsync(Host.Host, Ct);
        Assert.SkipWhen(ipvs is not null, "this kernel has IPVS");
        var opened = await OpenAsync(null);
        using var balancer = opened.Balancer;
        Assert.Equal(LoadBalancerPlane.Nftables, balancer.Plane);
        Assert.Equal("nftables, as this kernel has no IPVS (module ip_vs)", opened.Reason);
        var refused = await Assert.ThrowsAsync<PlaneMissingException>(() => OpenAsync(LoadBalancerPlane.Ipvs));
        Assert.Equal("the load balancer is to be ipvs, and this kernel has no IPVS (module ip_vs)", refused.Message);
    }

    [Fact]
    public async Task Apply_MendsWhatACrashOrAnOperatorLeft()
    {
        BalancedNetwork[] networks = [Network(Service("one", "three"))];
        await Balancer.ApplyAsync(networks, Ct);
        var vip = networks[0].Services[0].Vip;
        await Host.Commands.RunCheckedAsync("nft", ["-f", "-"], $$"""
            delete element ip flannelflow-nat ways { {{vip}} . udp }
            add element ip flannelflow-nat weights { 10.1.0.99 . 10.1.1.99 . tcp : 5 }
            add element ip flannelflow-nat vips { 10.1.0.99 }

            """, Ct);
        await Host.Commands.RunCheckedAsync("ip", ["addr", "add", "10.1.0.99/32", "dev", BalancedHost.Frame.Device], null, Ct);
        var text = await TextAsync();
        Assert.Contains($"stray adding ways {vip} . udp : goto udp-{vip}", text, StringComparison.Ordinal);
        Assert.Contains("stray deleting weights 10.1.0.99 . 10.1.1.99 . tcp : 5", text, StringComparison.Ordinal);
        Assert.Contains("stray deleting address 10.1.0.99 on ffvips", text, StringComparison.Ordinal);
        await Balancer.ApplyAsync(networks, Ct);
        Assert.Equal(LoadBalancerTables.ToText(networks), await TextAsync());
    }

    [Theory]
    [InlineData("delete table ip flannelflow-nat")]
    [InlineData("flush chain ip flannelflow-nat arriving")]
    public async Task Ensure_AndApply_MakeTheTableAnew_ThatAnotherHandTookAway(string command)
    {
        BalancedNetwork[] networks = [Network(Service("one", "three"))];
        await Balancer.ApplyAsync(networks, Ct);
        var whole = await Host.Commands.RunCheckedAsync("nft", ["list", "table", "ip", "flannelflow-nat"], null, Ct);
        await Host.Commands.RunCheckedAsync("nft", [.. command.Split(' ')], null, Ct);
        Assert.Contains("stray making table ip flannelflow-nat", await TextAsync(), StringComparison.Ordinal);
        await Balancer.EnsureServiceAsync(networks[0].Frame, networks[0].Services[0], Ct);
        await Balancer.ApplyAsync(networks, Ct);
        Assert.Equal(LoadBalancerTables.ToText(networks), await TextAsync());
        Assert.Equal(Words(whole), Words(await Host.Commands.RunCheckedAsync("nft", ["list", "table", "ip", "flannelflow-nat"], null, Ct)));

        static IEnumerable<string> Words(string text) => text.Split([' ', '\n', '\t', ','], StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal);
    }
}
