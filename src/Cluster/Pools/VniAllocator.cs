using System.Globalization;
using System.Text.Json;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster.Pools;

/// <summary>VXLAN network identifiers, unique in the cluster.</summary>
/// <remarks>
/// <c>vnis/&lt;vni&gt;</c> names the pool, and the pool's record the VNI; both are written by one transaction, and deleted by one
/// (with the pool, or by <see cref="ReleaseAsync"/>). Uniqueness is the key's: it is created only where it was absent.
/// </remarks>
public sealed class VniAllocator(IEtcd etcd, ClusterKeys keys, AddressSpace space)
{
    /// <summary>
    /// The pool's VNI; the same one however often it is asked. An explicit one (from Docker's driver options: Docker trumps etcd) is
    /// taken when it is free, also in place of another that the pool had.
    /// </summary>
    /// <exception cref="AddressRefusedException">The explicit VNI is another pool's or no VNI; the pool is unknown; none is free.</exception>
    public async Task<int> AllocateAsync(IPv4Network pool, int? explicitVni, CancellationToken ct)
    {
        if (explicitVni is < 1 or > AddressSpaceOptions.VniMax)
            throw new AddressRefusedException($"VNI {explicitVni} for pool {pool}: a VNI is from 1 to {AddressSpaceOptions.VniMax}");
        while (true)
        {
            var (entry, record, taken) = await ReadAsync(pool, ct);
            if (entry is null || record is null) throw new AddressRefusedException($"pool {pool} is not allocated, so it gets no VNI");
            if (record.Vni is { } own && (explicitVni ?? own) == own && taken.GetValueOrDefault(own) == pool) return own;
            if (explicitVni is { } wanted && taken.TryGetValue(wanted, out var holder) && holder != pool)
                throw new AddressRefusedException($"VNI {wanted} for pool {pool} is in use by pool {holder}");

            // A pool that names a VNI whose key is lost takes that one again, if it still can: it may be on the wire.
            var vni = explicitVni ?? (record.Vni is { } lost && !taken.ContainsKey(lost) ? lost : LowestFree(pool, taken));
            var holds = taken.TryGetValue(vni, out var holder2) && holder2 == pool;
            var operations = new List<EtcdOperation>
            {
                new EtcdOperation.Put(keys.Vni(vni), JsonSerializer.Serialize(new VniRecord(pool), ClusterJson.Default.VniRecord)),
                new EtcdOperation.Put(keys.Pool(pool), PoolJson.Write(record with { Vni = vni })),
            };
            if (record.Vni is { } former && former != vni && taken.GetValueOrDefault(former) == pool)
                operations.Add(new EtcdOperation.Delete(EtcdKeys.One(keys.Vni(former))));
            var result = await etcd.TransactAsync(
                new EtcdTransaction(
                    [
                        new EtcdCompare.ModRevision(keys.Pool(pool), entry.ModRevision),
                        holds ? new EtcdCompare.KeyExists(keys.Vni(vni)) : EtcdCompare.Absent(keys.Vni(vni)),
                    ],
                    operations),
                ct);
            if (result.Succeeded) return vni;
        }
    }

    /// <summary>Gives it back ahead of the pool. None is success.</summary>
    public async Task ReleaseAsync(IPv4Network pool, CancellationToken ct)
    {
        while (true)
        {
            var (entry, record, taken) = await ReadAsync(pool, ct);
            if (entry is null || record?.Vni is not { } vni) return;
            var operations = new List<EtcdOperation> { new EtcdOperation.Put(keys.Pool(pool), PoolJson.Write(record with { Vni = null })) };
            if (taken.GetValueOrDefault(vni) == pool) operations.Add(new EtcdOperation.Delete(EtcdKeys.One(keys.Vni(vni))));
            var result = await etcd.TransactAsync(
                new EtcdTransaction([new EtcdCompare.ModRevision(keys.Pool(pool), entry.ModRevision)], operations), ct);
            if (result.Succeeded) return;
        }
    }

    private async Task<(EtcdEntry? Entry, PoolRecord? Record, Dictionary<int, IPv4Network> Taken)> ReadAsync(IPv4Network pool, CancellationToken ct)
    {
        var result = await etcd.TransactAsync(
            EtcdTransaction.ReadAll(
                new EtcdOperation.Read(EtcdKeys.One(keys.Pool(pool))),
                new EtcdOperation.Read(EtcdKeys.Under(keys.Vnis))),
            ct);
        var taken = new Dictionary<int, IPv4Network>();
        foreach (var vni in result.Ranges[1].Entries)
        {
            if (int.TryParse(vni.Key.AsSpan(keys.Vnis.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                taken[number] = JsonSerializer.Deserialize(vni.Value, ClusterJson.Default.VniRecord)?.Pool ?? default;
        }

        return result.Ranges[0].Entries is [var entry] ? (entry, PoolJson.Read(entry), taken) : (null, null, taken);
    }

    private int LowestFree(IPv4Network pool, Dictionary<int, IPv4Network> taken)
    {
        for (var vni = space.VniStart; vni <= AddressSpaceOptions.VniMax; vni++)
        {
            // A key that names the pool while the pool names none: a crash cannot leave it, an operator can. Ours again.
            if (!taken.TryGetValue(vni, out var holder) || holder == pool) return vni;
        }

        throw new AddressRefusedException(
            $"all {AddressSpaceOptions.VniMax - space.VniStart + 1} VNIs from VNI_START={space.VniStart} to {AddressSpaceOptions.VniMax} are in use");
    }
}
