using System.Globalization;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Pools;

namespace FlannelFlow.Cluster.Garbage;

/// <summary>What is in etcd and belongs to nobody, or is not there and should be.</summary>
public enum GarbageKind
{
    /// <summary>Container records and summaries of a host that is gone. Subject: the host.</summary>
    GoneHost,

    /// <summary>
    /// Secrets of a host that is gone. Its kernel, and its flannelds, may go on without a daemon: they are kept for as long as flannel's leases are.
    /// Subject: the host.
    /// </summary>
    KeysOfGoneHost,

    /// <summary>Addresses of a host subnet that nobody leases. Subject: POOL SUBNET.</summary>
    DesertedAddresses,

    /// <summary>A pool that no network of Docker came to use. Subject: the pool.</summary>
    UnusedPool,

    /// <summary>A pool whose network Docker does not have any more. Subject: NETWORK.</summary>
    PoolWithoutNetwork,

    /// <summary>A freed pool of which no host holds a subnet. Subject: the pool.</summary>
    DesertedPool,

    /// <summary>A VNI whose pool does not have it. Subject: VNI POOL.</summary>
    Vni,

    /// <summary>flannel's configuration and addresses of a pool that is not allocated. Subject: the pool.</summary>
    RecordsWithoutPool,

    /// <summary>A network of ours that Docker has, of whose pool etcd has lost the record. Subject: NETWORK POOL VNI (0: it names none).</summary>
    NetworkWithoutPool,
}

/// <param name="Subject">Names it among those of its kind.</param>
public sealed record Garbage(GarbageKind Kind, string Subject)
{
    public string Key => $"{Kind} {Subject}";

    /// <returns>Null: it is no such text.</returns>
    public static Garbage? Parse(string key) =>
        key.Split(' ', 2) is [var kind, var subject] && Enum.TryParse<GarbageKind>(kind, out var known) ? new Garbage(known, subject) : null;
}

/// <summary>From what etcd and Docker hold to what belongs to nobody: pure. Each is taken only once it has been so for some time.</summary>
public static class ClusterGarbage
{
    /// <summary>Of subnets (flannel: pkg/subnet/etcd/local_manager.go, subnetTTL).</summary>
    private static readonly TimeSpan LeaseTime = TimeSpan.FromHours(24);

    /// <param name="docker">All networks that a manager's engine has; null: this host's is none, and nothing follows about networks.</param>
    public static IEnumerable<Garbage> Of(ClusterPicture picture, IReadOnlyCollection<DockerNetwork>? docker)
    {
        ArgumentNullException.ThrowIfNull(picture);
        foreach (var host in picture.Recorded.Except(picture.Present, StringComparer.Ordinal)) yield return new Garbage(GarbageKind.GoneHost, host);
        foreach (var host in picture.Encrypting.Except(picture.Present, StringComparer.Ordinal)) yield return new Garbage(GarbageKind.KeysOfGoneHost, host);
        foreach (var (pool, subnets) in picture.Addressed)
        {
            foreach (var subnet in subnets.Where(subnet => !picture.Leased.Contains((pool, subnet)))) yield return new Garbage(GarbageKind.DesertedAddresses, $"{pool} {subnet}");
        }

        var ours = docker?.Where(network => network.Pool is not null).ToDictionary(network => network.Pool!.Value);
        foreach (var pool in picture.Configured.Union(picture.Addressed.Keys).Where(pool => !picture.Pools.ContainsKey(pool)))
        {
            // Docker's network is about to get its pool back, with what is left of it.
            if (ours is not null && !ours.ContainsKey(pool)) yield return new Garbage(GarbageKind.RecordsWithoutPool, pool.ToString());
        }

        foreach (var (vni, pool) in picture.Vnis.Where(vni => picture.Pools.GetValueOrDefault(vni.Value)?.Vni != vni.Key))
        {
            if (picture.Pools.ContainsKey(pool) || (ours is not null && !ours.ContainsKey(pool)))
                yield return new Garbage(GarbageKind.Vni, string.Create(CultureInfo.InvariantCulture, $"{vni} {pool}"));
        }

        foreach (var pool in picture.Pools.Values)
        {
            if (pool.State == PoolState.Freed && !picture.Leased.Any(lease => lease.Pool == pool.Cidr)) yield return new Garbage(GarbageKind.DesertedPool, pool.Cidr.ToString());
            if (docker is null) continue;
            if (pool.State == PoolState.Linked && docker.All(network => network.Id != pool.NetworkId)) yield return new Garbage(GarbageKind.PoolWithoutNetwork, pool.NetworkId!);
            if (pool.State == PoolState.Allocated && !docker.Any(network => network.Pool == pool.Cidr || network.Subnets.Contains(pool.Cidr)))
                yield return new Garbage(GarbageKind.UnusedPool, pool.Cidr.ToString());
        }

        foreach (var network in (ours ?? []).Values.Where(network => !picture.Pools.ContainsKey(network.Pool!.Value)))
            yield return new Garbage(GarbageKind.NetworkWithoutPool, string.Create(CultureInfo.InvariantCulture, $"{network.Id} {network.Pool} {network.Vni ?? 0}"));
    }

    /// <summary>How long it must have been so. What Docker has and etcd has lost is given back at once: it must not be given to another.</summary>
    public static TimeSpan AgeOf(GarbageKind kind, TimeSpan age) => kind switch
    {
        GarbageKind.NetworkWithoutPool => TimeSpan.Zero,
        GarbageKind.KeysOfGoneHost => age > LeaseTime ? age : LeaseTime,
        GarbageKind.GoneHost or GarbageKind.DesertedAddresses or GarbageKind.UnusedPool or GarbageKind.PoolWithoutNetwork or GarbageKind.DesertedPool
            or GarbageKind.Vni or GarbageKind.RecordsWithoutPool => age,
    };
}
