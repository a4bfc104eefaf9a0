using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;

namespace FlannelFlow.Flanneld.Leases;

/// <summary>What to do to hold a subnet.</summary>
internal abstract record LeaseDecision
{
    private LeaseDecision()
    {
    }

    /// <summary>This host's lease of before fits: it is kept, renewed or given new attributes.</summary>
    internal sealed record Reuse(SubnetLease Lease) : LeaseDecision;

    /// <summary>This host's lease of before does not fit the config any more: it is deleted, then the choice is made anew.</summary>
    internal sealed record Discard(SubnetLease Lease) : LeaseDecision;

    internal sealed record Create(IPv4Network Subnet) : LeaseDecision;

    internal sealed record Exhausted(long Subnets) : LeaseDecision;
}

/// <summary>flannel's choice of a subnet (local_manager.go, tryAcquireLease), as a pure function.</summary>
internal static class LeaseChoice
{
    /// <summary>Among so many of the first free subnets one is taken at random, so that hosts that start at once seldom meet.</summary>
    public const int Candidates = 100;

    /// <param name="entries">All keys under PREFIX/subnets/; also those with values that nobody can read hold their subnet.</param>
    /// <param name="previous">The subnet of the subnet file.</param>
    public static LeaseDecision Decide(
        FlannelNetworkModel config, IReadOnlyList<EtcdEntry> entries, IPv4Address publicIP, IPv4Network? previous, Random chance)
    {
        var own = entries.Select(Parsed).OfType<SubnetLease>().Where(l => l.PublicIP == publicIP).ToList();
        var fitting = own.Where(l => config.IsLeasable(l.Subnet)).ToList();
        if (fitting.Count > 0) return new LeaseDecision.Reuse(fitting.FirstOrDefault(l => l.Subnet == previous) ?? fitting[0]);
        if (own.Count > 0) return new LeaseDecision.Discard(own[0]);

        var occupied = entries.Select(e => FlannelKeys.TryParseSubnet(e.Key, out var subnet) ? subnet : (IPv4Network?)null).OfType<IPv4Network>().ToList();
        bool IsFree(IPv4Network subnet) => !occupied.Exists(o => o.Overlaps(subnet));
        if (previous is { } before && config.IsLeasable(before) && IsFree(before)) return new LeaseDecision.Create(before);

        var exact = occupied.Where(o => o.Length == config.SubnetLen).ToHashSet();
        occupied.RemoveAll(exact.Contains);   // the usual ones by hash, what is left by comparison
        var free = config.Subnets().Where(s => !exact.Contains(s) && IsFree(s)).Take(Candidates).ToList();
        return free.Count > 0 ? new LeaseDecision.Create(free[chance.Next(free.Count)]) : new LeaseDecision.Exhausted(config.Subnets().LongCount());
    }

    private static SubnetLease? Parsed(EtcdEntry entry) => SubnetLease.TryParse(entry, out var lease, out _) ? lease : null;
}
