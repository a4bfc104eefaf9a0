using System.Net;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.LoadBalancing;

/// <summary>What IPVS needs of the packet filter.</summary>
internal abstract record BalancingRule
{
    /// <summary>What is sent to the VIP gets the mark that its service is found by.</summary>
    public sealed record Mark(IPAddress Vip, TransportProtocol Protocol, uint Value) : BalancingRule
    {
        public override string ToString() => $"mark 0x{Value:x} for {Vip} {Protocol}";
    }

    /// <summary>The VIP's connections are looked at for source NAT: those from this host itself get it.</summary>
    public sealed record Source(IPAddress Vip) : BalancingRule
    {
        public override string ToString() => $"source NAT for {Vip}";
    }

    /// <summary>So do those between two containers of this subnet, which are one bridge apart.</summary>
    public sealed record Near(IPv4Prefix Subnet) : BalancingRule
    {
        public override string ToString() => $"source NAT within {Subnet}";
    }

    public static IEnumerable<BalancingRule> Of(VirtualService service) =>
    [
        new Mark(service.Vip, TransportProtocol.Tcp, service.Marks.Tcp),
        new Mark(service.Vip, TransportProtocol.Udp, service.Marks.Udp),
        new Source(service.Vip),
    ];
}

/// <summary>The balancing rules in the kernel; by nftables, or by iptables where the kernel lacks parts of nftables.</summary>
internal interface IBalancingRules
{
    /// <summary>"nftables" or "iptables".</summary>
    string Kind { get; }

    Task<HashSet<BalancingRule>> ReadAsync(CancellationToken ct);

    /// <summary>
    /// Removes some that are there and adds some that are not; a VIP's mark is replaced at once, without a moment between.
    /// </summary>
    Task ApplyAsync(IReadOnlyCollection<BalancingRule> removed, IReadOnlyCollection<BalancingRule> added, CancellationToken ct);

    /// <summary>Removes all that there is of ours; success if there is nothing.</summary>
    Task ClearAsync(CancellationToken ct);
}
