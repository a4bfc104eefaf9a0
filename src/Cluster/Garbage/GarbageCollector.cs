using System.Globalization;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Pools;

namespace FlannelFlow.Cluster.Garbage;

/// <param name="Age">For how long something must have belonged to nobody before it is taken.</param>
public sealed record GarbageOptions(TimeSpan Age);

/// <summary>Finds what belongs to nobody, remembers since when, and takes it.</summary>
/// <remarks>
/// Any host may look and take: each taking is a transaction that holds only while the thing still belongs to nobody, so it is taken once, and a host
/// that comes back in that moment keeps what is its. Since when is remembered in memory; another host that begins to look begins anew, which only
/// takes longer. Not thread safe but for <see cref="TakeAsync"/>: one loop looks.
/// </remarks>
public sealed class GarbageCollector(IEtcd etcd, ClusterKeys keys, PoolAllocator pools, VniAllocator vnis, GarbageOptions options, TimeProvider time)
{
    private readonly Dictionary<string, DateTimeOffset> _since = new(StringComparer.Ordinal);

    /// <summary>One look. Those that may be taken, seen at least twice.</summary>
    /// <param name="docker">All networks of a manager's engine, read after the picture; null: this host's is none.</param>
    public IReadOnlyList<Garbage> Due(ClusterPicture picture, IReadOnlyCollection<DockerNetwork>? docker)
    {
        var now = time.GetUtcNow();
        var found = ClusterGarbage.Of(picture, docker).DistinctBy(garbage => garbage.Key).ToList();
        foreach (var gone in _since.Keys.Except(found.Select(garbage => garbage.Key)).ToList()) _since.Remove(gone);
        return [.. found.Where(garbage => !_since.TryAdd(garbage.Key, now) && now - _since[garbage.Key] >= ClusterGarbage.AgeOf(garbage.Kind, options.Age))];
    }

    /// <summary>It is gone (or there again), unless it belongs to somebody by now.</summary>
    /// <returns>False: nothing was to do.</returns>
    public async Task<bool> TakeAsync(Garbage garbage, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(garbage);
        var words = garbage.Subject.Split(' ');
        switch (garbage.Kind)
        {
            case GarbageKind.GoneHost:
                return await DeleteWhileAbsentAsync([keys.Host(words[0])], LeftBy(words[0]), ct);
            case GarbageKind.KeysOfGoneHost:
                return await DeleteWhileAbsentAsync([keys.Host(words[0])], [KeysLeftBy(words[0])], ct);
            case GarbageKind.DesertedAddresses:
                var (of, subnet) = (IPv4Network.Parse(words[0]), IPv4Network.Parse(words[1]));
                return await DeleteWhileAbsentAsync([keys.Network(of).Subnet(subnet)], [$"{keys.AddressesOf(of)}{subnet.PathForm}/"], ct);
            case GarbageKind.RecordsWithoutPool:
                var without = IPv4Network.Parse(words[0]);
                return await DeleteWhileAbsentAsync([keys.Pool(without)], [keys.Network(without).Prefix + "/", keys.AddressesOf(without)], ct);
            case GarbageKind.Vni:
                return await ReleaseVniAsync(int.Parse(words[0], CultureInfo.InvariantCulture), IPv4Network.Parse(words[1]), ct);
            case GarbageKind.UnusedPool:
                return await pools.ReleaseAsync(IPv4Network.Parse(words[0]), ct) == PoolRelease.Released;
            case GarbageKind.DesertedPool:
                return await pools.ReleaseIfLastAsync(IPv4Network.Parse(words[0]), ct) == PoolRelease.Released;
            case GarbageKind.PoolWithoutNetwork:
                return await pools.MarkFreedAsync(words[0], ct) is { } freed && await pools.ReleaseIfLastAsync(freed.Cidr, ct) is not PoolRelease.InUse;
            case GarbageKind.NetworkWithoutPool:
                var pool = IPv4Network.Parse(words[1]);
                if (await pools.AdoptAsync(pool, words[0], ct) is null) return false;
                await vnis.AllocateAsync(pool, int.Parse(words[2], CultureInfo.InvariantCulture) is > 0 and var vni ? vni : null, ct);
                return true;
        }

        throw new InvalidOperationException($"no such kind of garbage: {garbage.Kind}");
    }

    /// <summary>All that a host left under a name that it had before is gone, its record there too.</summary>
    /// <param name="underlayAddress">Of the host; "": not known.</param>
    /// <returns>False: the name has a record that is not for certain of this host: of its last daemon, and about to end, or of another host that has the name now.</returns>
    public async Task<bool> TakeFormerNameAsync(string former, string underlayAddress, CancellationToken ct)
    {
        var read = await etcd.RangeAsync(EtcdKeys.One(keys.Host(former)), ct);
        var record = read.Entries is [var entry] ? entry : null;
        if (record is not null && !(underlayAddress.Length > 0 && MirrorJson.TryRead(record.Value, MirrorJsonContext.Default.HostRecord, out var host) && host.UnderlayAddress == underlayAddress))
            return false;
        return (await etcd.TransactAsync(
            new EtcdTransaction(
                [new EtcdCompare.ModRevision(keys.Host(former), record?.ModRevision ?? 0)],
                [new EtcdOperation.Delete(EtcdKeys.One(keys.Host(former))), new EtcdOperation.Delete(EtcdKeys.One(keys.HostSign(former))), KeysLeftBy(former), .. LeftBy(former)]),
            ct)).Succeeded;
    }

    private IEnumerable<EtcdOperation.Delete> LeftBy(string host) =>
        new[] { keys.DockerContainersOf(host), keys.HostWorkflows(host), keys.HostRequests(host) }.Select(prefix => new EtcdOperation.Delete(EtcdKeys.Under(prefix)));

    private EtcdOperation.Delete KeysLeftBy(string host) => new(EtcdKeys.One(keys.EncryptionOf(host)));

    private Task<bool> DeleteWhileAbsentAsync(IEnumerable<string> owners, IEnumerable<string> prefixes, CancellationToken ct) =>
        DeleteWhileAbsentAsync(owners, prefixes.Select(prefix => new EtcdOperation.Delete(EtcdKeys.Under(prefix))), ct);

    private async Task<bool> DeleteWhileAbsentAsync(IEnumerable<string> owners, IEnumerable<EtcdOperation.Delete> deletes, CancellationToken ct) =>
        (await etcd.TransactAsync(new EtcdTransaction([.. owners.Select(EtcdCompare.Absent)], [.. deletes]), ct)).Succeeded;

    private async Task<bool> ReleaseVniAsync(int vni, IPv4Network pool, CancellationToken ct)
    {
        var read = await etcd.TransactAsync(
            EtcdTransaction.ReadAll(new EtcdOperation.Read(EtcdKeys.One(keys.Vni(vni))), new EtcdOperation.Read(EtcdKeys.One(keys.Pool(pool)))), ct);
        if (read.Ranges[0].Entries is not [var entry]) return false;
        var holder = read.Ranges[1].Entries is [var record] ? record : null;
        if (holder is not null && PoolJson.Read(holder).Vni == vni) return false;
        return (await etcd.TransactAsync(
            new EtcdTransaction(
                [new EtcdCompare.ModRevision(keys.Vni(vni), entry.ModRevision), new EtcdCompare.ModRevision(keys.Pool(pool), holder?.ModRevision ?? 0)],
                [new EtcdOperation.Delete(EtcdKeys.One(keys.Vni(vni)))]),
            ct)).Succeeded;
    }
}
