using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Tests;

/// <summary>What a kernel can do is tried out, and the host's own namespace is left alone.</summary>
[Trait("Needs", "kernel")]
public sealed class KernelTrialTests
{
    [Fact]
    public async Task Run_MakesDevicesInANamespaceOfItsOwn_AndLeavesTheHostsAlone()
    {
        using var host = RouteNetlink.Open();
        var features = await KernelTrial.RunAsync(new CommandRunner(TimeProvider.System), TestNamespace.Ct);

        Assert.Equal(["bridge", "dummy", "veth", "vxlan"], features.Devices.Keys);
        // Tests of this suite need these; dummy devices and IPVS not every machine has.
        Assert.All(["bridge", "veth", "vxlan"], kind => Assert.Null(features.Devices[kind]));
        Assert.Null(features.Iptables);
        Assert.DoesNotContain((await host.ListLinksAsync(TestNamespace.Ct)).Select(link => link.Name), name => name is "b0" or "d0" or "v0" or "v1" or "x0");
    }
}
