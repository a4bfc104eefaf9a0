using System.Text.Json;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;

namespace FlannelFlow.Cluster.Garbage;

/// <summary>A network that a manager's Docker Engine has, of whichever driver.</summary>
/// <param name="Pool">That FlannelFlow gave it as a driver; null: it is another driver's.</param>
/// <param name="Vni">As the pool.</param>
/// <param name="Subnets">Of its IPAM, whose driver may be ours though the network's is not.</param>
public sealed record DockerNetwork(string Id, IPv4Network? Pool, int? Vni, IReadOnlyList<IPv4Network> Subnets);

/// <summary>What etcd holds for all hosts, at one revision: who is there, and whose things are there.</summary>
/// <param name="Present">Hosts whose record stands: their daemon lives, or may be restarting.</param>
/// <param name="Recorded">Hosts of which container records or summaries of workflows are left.</param>
/// <param name="Encrypting">Hosts whose secrets for encrypted networks are there.</param>
/// <param name="Pools">In any state.</param>
/// <param name="Vnis">The pool that each names.</param>
/// <param name="Leased">Host subnets that a flanneld leases, by pool.</param>
/// <param name="Configured">Pools with a flannel configuration.</param>
/// <param name="Addressed">Host subnets of which address records are left, by pool; a pool with service addresses only has none.</param>
public sealed record ClusterPicture(
    IReadOnlySet<string> Present,
    IReadOnlySet<string> Recorded,
    IReadOnlySet<string> Encrypting,
    IReadOnlyDictionary<IPv4Network, PoolRecord> Pools,
    IReadOnlyDictionary<int, IPv4Network> Vnis,
    IReadOnlySet<(IPv4Network Pool, IPv4Network Subnet)> Leased,
    IReadOnlySet<IPv4Network> Configured,
    IReadOnlyDictionary<IPv4Network, IReadOnlySet<IPv4Network>> Addressed)
{
    /// <exception cref="EtcdException">etcd did not answer.</exception>
    public static async Task<ClusterPicture> ReadAsync(IEtcd etcd, ClusterKeys keys, CancellationToken ct)
    {
        var read = await etcd.TransactAsync(
            EtcdTransaction.ReadAll(
                new EtcdOperation.Read(EtcdKeys.Under(keys.Hosts), KeysOnly: true),
                new EtcdOperation.Read(EtcdKeys.Under(keys.DockerContainers), KeysOnly: true),
                new EtcdOperation.Read(EtcdKeys.Under(keys.Pools)),
                new EtcdOperation.Read(EtcdKeys.Under(keys.Vnis)),
                new EtcdOperation.Read(EtcdKeys.Under(keys.Networks), KeysOnly: true),
                new EtcdOperation.Read(EtcdKeys.Under(keys.Addresses), KeysOnly: true),
                new EtcdOperation.Read(EtcdKeys.Under(keys.Encryption), KeysOnly: true)),
            ct);
        var hosts = Rest(0, keys.Hosts).ToList();
        var leased = new HashSet<(IPv4Network Pool, IPv4Network Subnet)>();
        var configured = new HashSet<IPv4Network>();
        foreach (var parts in Rest(4, keys.Networks))
        {
            if (!IPv4Network.TryParsePathForm(parts[0], out var pool)) continue;
            if (parts is [_, "config"]) configured.Add(pool);
            else if (parts is [_, "subnets", var lease] && FlannelKeys.TryParseSubnet(lease, out var subnet)) leased.Add((pool, subnet));
        }

        var addressed = new Dictionary<IPv4Network, HashSet<IPv4Network>>();
        foreach (var parts in Rest(5, keys.Addresses))
        {
            if (parts is not [var name, var range, _] || !IPv4Network.TryParsePathForm(name, out var pool)) continue;
            if (!addressed.TryGetValue(pool, out var subnets)) addressed[pool] = subnets = [];
            if (IPv4Network.TryParsePathForm(range, out var subnet)) subnets.Add(subnet);
        }

        return new ClusterPicture(
            hosts.Where(parts => parts.Length == 1).Select(parts => parts[0]).ToHashSet(StringComparer.Ordinal),
            hosts.Where(parts => parts is [_, "workflows", _]).Concat(Rest(1, keys.DockerContainers)).Select(parts => parts[0]).ToHashSet(StringComparer.Ordinal),
            Rest(6, keys.Encryption).Select(parts => parts[0]).ToHashSet(StringComparer.Ordinal),
            read.Ranges[2].Entries.Select(PoolJson.Read).ToDictionary(pool => pool.Cidr),
            read.Ranges[3].Entries
                .Select(entry => (Key: entry.Key[keys.Vnis.Length..], Pool: JsonSerializer.Deserialize(entry.Value, ClusterJson.Default.VniRecord)?.Pool))
                .Where(entry => entry.Pool is not null && int.TryParse(entry.Key, System.Globalization.CultureInfo.InvariantCulture, out _))
                .ToDictionary(entry => int.Parse(entry.Key, System.Globalization.CultureInfo.InvariantCulture), entry => entry.Pool!.Value),
            leased,
            configured,
            addressed.ToDictionary(pair => pair.Key, pair => (IReadOnlySet<IPv4Network>)pair.Value));

        IEnumerable<string[]> Rest(int range, string prefix) => read.Ranges[range].Entries.Select(entry => entry.Key[prefix.Length..].Split('/'));
    }
}
