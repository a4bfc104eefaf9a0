using System.CommandLine;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Host.Api;
using FlannelFlow.Host.Commands;
using FlannelFlow.Operations;
using FlannelFlow.Operations.Planning;

namespace FlannelFlow.Host.Tests;

public sealed class PlanTests
{
    /// <summary>design-decisions.md of the seed: 192.168.0.0/16, networks of /20, hosts of /25, 100 services.</summary>
    [Fact]
    public async Task Plan_OfTheSeedsExample_HasItsNumbers_AndOursBesideThem()
    {
        var plan = ClusterApi.Plan(
            new Dictionary<string, string> { ["available"] = "192.168.0.0/16", ["network-size"] = "20", ["host-size"] = "25", ["services"] = "100" },
            new AddressSpaceOptions { AvailableSubnets = "10.128.0.0/12" });

        Assert.Equal((16, 4096), (plan.Networks, plan.AddressesPerNetwork));
        Assert.Equal(new VipPerHostPlan(HostsPerNetwork: 32, AddressesPerHost: 128, ContainersPerHost: 28), plan.PerHost);
        // One VIP per cluster out of a service range of its own: an eighth of the hosts less, and what is left to each is not 28 but all.
        Assert.Equal((28, 125, 509, 409), (plan.HostsPerNetwork, plan.ContainersPerHost, plan.ServiceAddresses, plan.TaskAddresses));

        Assert.Equal(
            """
            16 networks of 4096 addresses each
              28 hosts, 125 containers per host
              509 service addresses: 100 VIPs, 409 for tasks
            If each host had a VIP of its own per service: 32 hosts of 128 addresses, 28 left for containers

            """,
            await InvokeAsync(0, "plan", "--available", "192.168.0.0/16", "--services", "100"));
    }

    [Fact]
    public async Task Plan_ThatDoesNotFit_SaysSo()
    {
        Assert.Contains("510 VIPs do not fit", await InvokeAsync(CommandTree.Failed, "plan", "--services", "510"), StringComparison.Ordinal);
        var refused = Assert.Throws<BadRequestException>(() => CapacityPlan.Of(new AddressSpaceOptions { AvailableSubnets = "10.0.0.0/24" }, -1));
        Assert.Equal("AVAILABLE_SUBNETS: 10.0.0.0/24 is smaller than one network of NETWORK_SUBNET_SIZE=20; services=-1: cannot be negative", refused.Message);
    }

    private static async Task<string> InvokeAsync(int code, params string[] arguments)
    {
        using var output = new StringWriter();
        Assert.Equal(code, await CommandTree.InvokeAsync(arguments, new InvocationConfiguration { Output = output }));
        return output.ToString();
    }
}
