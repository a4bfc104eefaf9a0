using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Operations;
using FlannelFlow.Operations.Planning;

namespace FlannelFlow.Host.Commands;

/// <summary><c>flannelflow plan</c>: what an address space would hold. Needs no daemon.</summary>
public static class PlanCommand
{
    public static Command Create()
    {
        var available = new Option<string>("--available") { Description = "AVAILABLE_SUBNETS.", DefaultValueFactory = _ => "10.128.0.0/12" };
        var network = new Option<int>("--network-size") { Description = "NETWORK_SUBNET_SIZE.", DefaultValueFactory = _ => 20 };
        var host = new Option<int>("--host-size") { Description = "DEFAULT_HOST_SUBNET_SIZE.", DefaultValueFactory = _ => 25 };
        var service = new Option<int?>("--service-size") { Description = "SERVICE_SUBNET_SIZE. Default: the network size + 3." };
        var services = new Option<int>("--services") { Description = "Swarm services with a VIP on each network." };
        var command = new Command("plan", "Says how many networks, hosts, containers and services an address space holds.")
        {
            available, network, host, service, services, DaemonCall.AsJson,
        };
        command.SetAction(parsed =>
        {
            var options = new AddressSpaceOptions
            {
                AvailableSubnets = parsed.GetValue(available)!,
                NetworkSubnetSize = parsed.GetValue(network),
                DefaultHostSubnetSize = parsed.GetValue(host),
                ServiceSubnetSize = parsed.GetValue(service),
            };
            try
            {
                var plan = CapacityPlan.Of(options, parsed.GetValue(services));
                parsed.InvocationConfiguration.Output.WriteLine(
                    parsed.GetValue(DaemonCall.AsJson) ? JsonSerializer.Serialize(plan, OperationsJson.Options) : Text(plan));
                return plan.Fits ? 0 : CommandTree.Failed;
            }
            catch (BadRequestException e)
            {
                parsed.InvocationConfiguration.Error.WriteLine($"flannelflow: {e.Message}");
                return CommandTree.Usage;
            }
        });
        return command;
    }

    internal static string Text(CapacityPlan plan) => string.Join('\n',
    [
        string.Create(CultureInfo.InvariantCulture, $"{plan.Networks} networks of {plan.AddressesPerNetwork} addresses each"),
        string.Create(CultureInfo.InvariantCulture, $"  {plan.HostsPerNetwork} hosts, {plan.ContainersPerHost} containers per host"),
        plan.Fits
            ? string.Create(CultureInfo.InvariantCulture, $"  {plan.ServiceAddresses} service addresses: {plan.Services} VIPs, {plan.TaskAddresses} for tasks")
            : string.Create(CultureInfo.InvariantCulture, $"  {plan.ServiceAddresses} service addresses: {plan.Services} VIPs do not fit (take a smaller --service-size)"),
        string.Create(
            CultureInfo.InvariantCulture,
            $"If each host had a VIP of its own per service: {plan.PerHost.HostsPerNetwork} hosts of {plan.PerHost.AddressesPerHost} addresses, {plan.PerHost.ContainersPerHost} left for containers"),
    ]);
}
