using FlannelFlow.Linux.Conntrack;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Ipvs;
using FlannelFlow.Linux.Namespaces;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.LoadBalancing;

/// <summary>The load balancer of this host, and why it is this one, in words for the operator.</summary>
public sealed record OpenedLoadBalancer(ILoadBalancer Balancer, string Reason);

/// <summary>Chooses the plane.</summary>
public static class LoadBalancers
{
    /// <summary>
    /// Opens the wanted plane, or, if none is named, IPVS, and nftables where the kernel has no IPVS. Makes the tables and settings that it
    /// needs; what it finds of its services stays, what the other plane left goes.
    /// </summary>
    /// <param name="netlink">Stays the caller's; in the same namespace.</param>
    /// <param name="networkNamespace">Null: the calling thread's.</param>
    /// <exception cref="PlaneMissingException">The kernel has not the plane that was named, or none.</exception>
    public static async Task<OpenedLoadBalancer> OpenAsync(
        LoadBalancerOptions options, RouteNetlink netlink, CommandRunner runner, NetworkNamespace? networkNamespace, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(netlink);
        ArgumentNullException.ThrowIfNull(runner);
        var ipvs = await IpvsNetlink.TryOpenAsync(networkNamespace, ct);
        try
        {
            switch (options.Plane, ipvs)
            {
                case (LoadBalancerPlane.Ipvs, null):
                    throw new PlaneMissingException("the load balancer is to be ipvs, and this kernel has no IPVS (module ip_vs)");
                case (LoadBalancerPlane.Nftables, _) or (null, null):
                    var nftables = await OpenNftablesAsync(netlink, runner, networkNamespace, ct);
                    await ClearIpvsAsync(ipvs, runner, ct);
                    return new OpenedLoadBalancer(nftables, options.Plane is null ? "nftables, as this kernel has no IPVS (module ip_vs)" : "nftables, as configured");
                case (LoadBalancerPlane.Ipvs or null, { } opened):
                    var rules = await OpenRulesAsync(runner, ct);
                    var balancer = await IpvsLoadBalancer.OpenAsync(opened, netlink, rules, networkNamespace, options, ct);
                    ipvs = null;   // is the balancer's
                    await ClearNftablesAsync(runner, ct);
                    return new OpenedLoadBalancer(balancer, $"ipvs{(options.Plane is null ? "" : ", as configured")}; packets are marked by {rules.Kind}");
                default:
                    throw new ArgumentException($"no such plane: {options.Plane}", nameof(options));
            }
        }
        finally
        {
            ipvs?.Dispose();
        }
    }

    /// <summary>Takes all that is a load balancer of ours out of the kernel, of whichever plane: for when there will be none any more.</summary>
    public static async Task ClearAsync(CommandRunner runner, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(runner);
        using var ipvs = await IpvsNetlink.TryOpenAsync(networkNamespace: null, ct);
        await ClearIpvsAsync(ipvs, runner, ct);
        await ClearNftablesAsync(runner, ct);
        await IptablesBalancingRules.ClearAsync(new Iptables(runner), ct);
    }

    private static async Task<ILoadBalancer> OpenNftablesAsync(RouteNetlink netlink, CommandRunner runner, NetworkNamespace? networkNamespace, CancellationToken ct)
    {
        var conntrack = ConntrackNetlink.Open(networkNamespace);
        try
        {
            return await NftLoadBalancer.OpenAsync(conntrack, netlink, runner, ct);
        }
        catch (CommandException e)
        {
            conntrack.Dispose();
            throw new PlaneMissingException($"nftables cannot be the load balancer on this kernel: {e.Message}");
        }
        catch
        {
            conntrack.Dispose();
            throw;
        }
    }

    private static async Task<IBalancingRules> OpenRulesAsync(CommandRunner runner, CancellationToken ct)
    {
        try
        {
            return await NftBalancingRules.OpenAsync(runner, ct);
        }
        catch (CommandException)
        {
            // No nft, or a kernel without one of the parts (Debian's user-mode Linux has neither family ip nor NAT): iptables then says what is wrong.
            return await IptablesBalancingRules.OpenAsync(runner, ct);
        }
    }

    private static async Task ClearIpvsAsync(IpvsNetlink? ipvs, CommandRunner runner, CancellationToken ct)
    {
        await new NftTable(runner, "ip", NftBalancingRules.TableName).DeleteAsync(ct);
        if (ipvs is null) return;
        var ours = (await ipvs.ListServicesAsync(ct)).Where(service => FwMarkPair.From(service.FwMark) is not null);
        await ipvs.ApplyAsync([.. ours.Select(service => new IpvsChange.DeleteService(service.FwMark))], ct);
    }

    /// <summary>Where there is no nft, or none that can do it, there is no table either.</summary>
    private static async Task ClearNftablesAsync(CommandRunner runner, CancellationToken ct)
    {
        try
        {
            await new NftTable(runner, "ip", NftLoadBalancer.TableName).DeleteAsync(ct);
        }
        catch (CommandException)
        {
        }
    }
}

/// <summary>The kernel cannot balance loads in the wanted way.</summary>
public sealed class PlaneMissingException(string reason) : Exception(reason);
