using System.Text.Json;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster.Pools;

/// <summary>What etcd holds of pools, at one revision.</summary>
/// <param name="Pools">In any state.</param>
/// <param name="Configured">Pools with a flannel configuration.</param>
/// <param name="Vnis">The pool of each.</param>
public sealed record FabricRecords(
    IReadOnlyDictionary<IPv4Network, PoolRecord> Pools, IReadOnlySet<IPv4Network> Configured, IReadOnlyDictionary<int, IPv4Network> Vnis)
{
    /// <exception cref="EtcdException">etcd did not answer.</exception>
    public static async Task<FabricRecords> ReadAsync(IEtcd etcd, ClusterKeys keys, CancellationToken ct)
    {
        var read = await etcd.TransactAsync(
            EtcdTransaction.ReadAll(
                new EtcdOperation.Read(EtcdKeys.Under(keys.Pools)),
                new EtcdOperation.Read(EtcdKeys.Under(keys.Networks), KeysOnly: true),
                new EtcdOperation.Read(EtcdKeys.Under(keys.Vnis))),
            ct);
        var configured = new HashSet<IPv4Network>();
        foreach (var entry in read.Ranges[1].Entries)
        {
            if (entry.Key[keys.Networks.Length..].Split('/') is [var pool, "config"] && IPv4Network.TryParsePathForm(pool, out var network)) configured.Add(network);
        }

        var vnis = new Dictionary<int, IPv4Network>();
        foreach (var entry in read.Ranges[2].Entries)
        {
            if (int.TryParse(entry.Key[keys.Vnis.Length..], System.Globalization.CultureInfo.InvariantCulture, out var vni)
                && JsonSerializer.Deserialize(entry.Value, ClusterJson.Default.VniRecord) is { } record) vnis[vni] = record.Pool;
        }

        return new FabricRecords(read.Ranges[0].Entries.Select(PoolJson.Read).ToDictionary(pool => pool.Cidr), configured, vnis);
    }
}
