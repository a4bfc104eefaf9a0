using System.Text.Json;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster.Pools;

/// <summary>Hands out pools of the address space, one per Docker network.</summary>
/// <remarks>
/// State is only in etcd. Each change is decided on one read at revision R and made in a transaction that holds only if no pool was
/// created or changed, and no host took a subnet, after R: so two managers never hand out overlapping pools, and none is handed out
/// while a host still holds a subnet of it. A lost race is decided anew. Within a process calls queue up, so that
/// races are only lost to other processes. Thread safe; a call is bounded by the caller's token and by each etcd call's own limit.
/// </remarks>
public sealed class PoolAllocator(IEtcd etcd, ClusterKeys keys, AddressSpace space, TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);

    /// <summary>
    /// Docker's RequestPool on the leader. Joins the pool that the same request, the same explicit network (a manager's replay) or the
    /// same flannel-id without a network already has.
    /// </summary>
    /// <exception cref="AddressRefusedException">Not in the available space, overlapping, too small, being released, IPv6, or nothing is free.</exception>
    public async Task<PoolRecord> AllocateAsync(PoolRequest request, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrEmpty(request.RequestId);
        var explicitPool = string.IsNullOrEmpty(request.Cidr) ? (IPv4Network?)null : ParseRequested(request.Cidr);
        await _turn.WaitAsync(ct);
        try
        {
            while (true)
            {
                var snapshot = await ReadAsync(ct);
                if (Joined(request, explicitPool, snapshot) is { } existing) return existing;
                var pool = explicitPool is { } wanted ? CheckExplicit(wanted, snapshot) : FirstFree(snapshot);
                if (pool is null)
                {
                    // Freed pools whose last host died between giving up its subnet and releasing the pool.
                    if (await ReleaseDeserted(explicitPool, snapshot, ct)) continue;
                    throw explicitPool is { } busy ? BeingReleased(busy, snapshot) : Full(snapshot);
                }

                var layout = space.Layout(pool.Value);
                var record = new PoolRecord(
                    pool.Value,
                    layout.ServiceRange,
                    layout.HostSubnetSize,
                    Vni: null,
                    NetworkId: null,
                    string.IsNullOrEmpty(request.FlannelId) ? null : request.FlannelId,
                    request.RequestId,
                    PoolState.Allocated,
                    time.GetUtcNow());
                var result = await etcd.TransactAsync(
                    new EtcdTransaction(
                        [
                            new EtcdCompare.NothingModifiedUnder(keys.Pools, snapshot.Revision),
                            new EtcdCompare.NothingCreatedUnder(keys.Networks, snapshot.Revision),
                            EtcdCompare.Absent(keys.Pool(pool.Value)),
                        ],
                        [
                            // What a pool of this name may have left behind (a host that wrote after the release) is not inherited.
                            new EtcdOperation.Delete(EtcdKeys.Under(keys.AddressesOf(pool.Value))),
                            new EtcdOperation.Delete(EtcdKeys.One(keys.Network(pool.Value).Config)),
                            new EtcdOperation.Put(keys.Pool(pool.Value), PoolJson.Write(record)),
                        ]),
                    ct);
                if (result.Succeeded) return record;
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Docker's AllocateNetwork: the pool belongs to the network from now on. Again for the same network: success.</summary>
    /// <exception cref="AddressRefusedException">It is not ours, or belongs to another network, or the network has another pool.</exception>
    public async Task<PoolRecord> LinkAsync(IPv4Network pool, string networkId, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrEmpty(networkId);
        while (true)
        {
            var snapshot = await ReadAsync(ct);
            var current = snapshot.Pools.FirstOrDefault(known => known.Cidr == pool)
                ?? throw new AddressRefusedException($"{pool} is not a pool of FlannelFlow: create the network with FlannelFlow as its IPAM driver, too");
            switch (current.State)
            {
                case PoolState.Linked when current.NetworkId == networkId:
                    return current;
                case PoolState.Linked:
                    throw new AddressRefusedException($"pool {pool} already belongs to network {current.NetworkId}");
                case PoolState.Freed:
                    throw BeingReleased(pool, snapshot);
                case PoolState.Allocated:
                    break;
            }

            if (snapshot.Pools.FirstOrDefault(known => known.State == PoolState.Linked && known.NetworkId == networkId) is { } other)
                throw new AddressRefusedException($"network {networkId} already has pool {other.Cidr}: a network has one IPv4 pool, {pool} cannot be added");
            var linked = current with { NetworkId = networkId, State = PoolState.Linked, Since = time.GetUtcNow() };
            if (await PutAsync(linked, snapshot.Revision, ct)) return linked;
        }
    }

    /// <summary>
    /// Docker trumps etcd: its network has this pool, of which etcd has lost the record. Unlike with <see cref="AllocateAsync"/>, subnets that hosts
    /// hold and addresses in use are kept: they are the network's. One that has a record is left to <see cref="LinkAsync"/>.
    /// </summary>
    /// <remarks>The sizes of the service range and of host subnets were in the record: those of today's options stand in their place.</remarks>
    /// <returns>The record; null if there is one by now, of whomever.</returns>
    /// <exception cref="AddressRefusedException">It overlaps another pool, or is not in the available space.</exception>
    public async Task<PoolRecord?> AdoptAsync(IPv4Network pool, string networkId, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrEmpty(networkId);
        if (!space.Contains(pool)) throw new AddressRefusedException($"{pool} is not in the available subnets {space} (AVAILABLE_SUBNETS)");
        var layout = space.Layout(pool);
        while (true)
        {
            var snapshot = await ReadAsync(ct);
            if (snapshot.Pools.Any(known => known.Cidr == pool)) return null;
            if (snapshot.Pools.FirstOrDefault(known => known.Cidr.Overlaps(pool)) is { } other)
                throw new AddressRefusedException($"{pool} of network {networkId} overlaps pool {other.Cidr} of {Whose(other)}");
            if (snapshot.Pools.FirstOrDefault(known => known.State == PoolState.Linked && known.NetworkId == networkId) is { } has)
                throw new AddressRefusedException($"network {networkId} already has pool {has.Cidr}: {pool} cannot be added");
            var record = new PoolRecord(
                pool, layout.ServiceRange, layout.HostSubnetSize, Vni: null, networkId, FlannelId: null, RequestId: $"adopted/{networkId}", PoolState.Linked, time.GetUtcNow());
            var result = await etcd.TransactAsync(
                new EtcdTransaction(
                    [new EtcdCompare.NothingModifiedUnder(keys.Pools, snapshot.Revision), EtcdCompare.Absent(keys.Pool(pool))],
                    [new EtcdOperation.Put(keys.Pool(pool), PoolJson.Write(record))]),
                ct);
            if (result.Succeeded) return record;
        }
    }

    /// <summary>The network is gone. Returns its pool, or null when it had none; then nothing was to do.</summary>
    public async Task<PoolRecord?> MarkFreedAsync(string networkId, CancellationToken ct)
    {
        while (true)
        {
            var snapshot = await ReadAsync(ct);
            if (snapshot.Pools.FirstOrDefault(pool => pool.State == PoolState.Linked && pool.NetworkId == networkId) is not { } linked)
                return snapshot.Pools.FirstOrDefault(pool => pool.State == PoolState.Freed && pool.NetworkId == networkId);
            var freed = linked with { State = PoolState.Freed, Since = time.GetUtcNow() };
            if (await PutAsync(freed, snapshot.Revision, ct)) return freed;
        }
    }

    /// <summary>
    /// Docker's ReleasePool (leader): a pool without a network goes at once, a freed one when no host holds a subnet of it. One that is
    /// linked stays: Docker also sends ReleasePool to roll back a refused duplicate.
    /// </summary>
    public Task<PoolRelease> ReleaseAsync(IPv4Network pool, CancellationToken ct) => ReleaseAsync(pool, alsoUnlinked: true, ct);

    /// <summary>
    /// By each host after it gave up its subnet, and again by whoever collects: the last one releases a freed pool. A pool of the same
    /// network address that has been allocated anew meanwhile stays (InUse).
    /// </summary>
    public Task<PoolRelease> ReleaseIfLastAsync(IPv4Network pool, CancellationToken ct) => ReleaseAsync(pool, alsoUnlinked: false, ct);

    public async Task<PoolRecord?> FindAsync(IPv4Network pool, CancellationToken ct)
    {
        var range = await etcd.RangeAsync(EtcdKeys.One(keys.Pool(pool)), ct);
        return range.Entries is [var entry] ? PoolJson.Read(entry) : null;
    }

    /// <summary>The pool of a living network.</summary>
    public async Task<PoolRecord?> FindByNetworkAsync(string networkId, CancellationToken ct) =>
        (await ListAsync(ct)).FirstOrDefault(pool => pool.State == PoolState.Linked && pool.NetworkId == networkId);

    /// <summary>All pools, in any state.</summary>
    public async Task<IReadOnlyList<PoolRecord>> ListAsync(CancellationToken ct)
    {
        var range = await etcd.RangeAsync(EtcdKeys.Under(keys.Pools), ct);
        return [.. range.Entries.Select(PoolJson.Read)];
    }

    public void Dispose() => _turn.Dispose();

    private static IPv4Network ParseRequested(string cidr) =>
        IPv4Network.TryParse(cidr, out var network, out var problem) ? network : throw new AddressRefusedException($"--subnet: {problem}");

    private static PoolRecord? Joined(PoolRequest request, IPv4Network? explicitPool, Snapshot snapshot)
    {
        foreach (var pool in snapshot.Pools.Where(pool => pool.State != PoolState.Freed))
        {
            if (pool.RequestId == request.RequestId && (explicitPool is null || explicitPool == pool.Cidr)) return pool;
        }

        if (explicitPool is { } wanted)
        {
            var held = snapshot.Pools.FirstOrDefault(pool => pool.State != PoolState.Freed && pool.Cidr == wanted);
            if (held is not null && !string.IsNullOrEmpty(request.FlannelId) && held.FlannelId is { } id && id != request.FlannelId)
                throw new AddressRefusedException($"pool {wanted} carries flannel-id '{id}', not '{request.FlannelId}'");
            if (held is not null) return held;
        }

        if (string.IsNullOrEmpty(request.FlannelId)) return null;
        var named = snapshot.Pools.FirstOrDefault(pool => pool.State != PoolState.Freed && pool.FlannelId == request.FlannelId);
        return named switch
        {
            null => null,
            { State: PoolState.Linked } =>
                throw new AddressRefusedException($"flannel-id '{request.FlannelId}' belongs to network {named.NetworkId} (pool {named.Cidr})"),
            _ when explicitPool is { } other =>
                throw new AddressRefusedException($"flannel-id '{request.FlannelId}' already has pool {named.Cidr}, not {other}"),
            _ => named,
        };
    }

    /// <summary>The explicit network, or null when it is freed or still used by hosts.</summary>
    private IPv4Network? CheckExplicit(IPv4Network wanted, Snapshot snapshot)
    {
        if (!space.Contains(wanted)) throw new AddressRefusedException($"{wanted} is not in the available subnets {space} (AVAILABLE_SUBNETS)");
        space.Layout(wanted);
        foreach (var pool in snapshot.Pools.Where(pool => pool.Cidr != wanted && pool.Cidr.Overlaps(wanted)))
            throw new AddressRefusedException($"{wanted} overlaps pool {pool.Cidr} of {Whose(pool)}");
        foreach (var pool in snapshot.HostsByPool.Keys.Where(pool => pool != wanted && pool.Overlaps(wanted)))
            throw BeingReleased(pool, snapshot);
        return snapshot.Pools.Any(pool => pool.Cidr == wanted) || snapshot.HostsByPool.ContainsKey(wanted) ? null : wanted;
    }

    private IPv4Network? FirstFree(Snapshot snapshot)
    {
        foreach (var candidate in space.Pools())
        {
            if (!snapshot.Pools.Any(pool => pool.Cidr.Overlaps(candidate)) && !snapshot.HostsByPool.Keys.Any(pool => pool.Overlaps(candidate)))
                return candidate;
        }

        return null;
    }

    private async Task<bool> ReleaseDeserted(IPv4Network? only, Snapshot snapshot, CancellationToken ct)
    {
        var any = false;
        foreach (var pool in snapshot.Pools.Where(pool => pool.State == PoolState.Freed && (only is null || only == pool.Cidr)))
        {
            if (!snapshot.HostsByPool.ContainsKey(pool.Cidr)) any |= await ReleaseIfLastAsync(pool.Cidr, ct) == PoolRelease.Released;
        }

        return any;
    }

    private async Task<PoolRelease> ReleaseAsync(IPv4Network pool, bool alsoUnlinked, CancellationToken ct)
    {
        var key = keys.Pool(pool);
        while (true)
        {
            var range = await etcd.RangeAsync(EtcdKeys.One(key), ct);
            if (range.Entries is not [var entry]) return PoolRelease.Released;
            var record = PoolJson.Read(entry);
            if (record.State == PoolState.Linked || (record.State == PoolState.Allocated && !alsoUnlinked)) return PoolRelease.InUse;
            var network = keys.Network(pool);
            var deletions = new List<EtcdOperation>
            {
                new EtcdOperation.Delete(EtcdKeys.Under(network.Prefix + "/")),
                new EtcdOperation.Delete(EtcdKeys.Under(keys.AddressesOf(pool))),
                new EtcdOperation.Delete(EtcdKeys.One(key)),
            };
            if (record.Vni is { } vni) deletions.Add(new EtcdOperation.Delete(EtcdKeys.One(keys.Vni(vni))));
            var result = await etcd.TransactAsync(
                new EtcdTransaction(
                    [new EtcdCompare.ModRevision(key, entry.ModRevision), new EtcdCompare.NothingUnder(network.Subnets)],
                    deletions,
                    [new EtcdOperation.Read(EtcdKeys.Under(network.Subnets), KeysOnly: true)]),
                ct);
            if (result.Succeeded) return PoolRelease.Released;
            if (result.Ranges[0].Entries.Count > 0) return PoolRelease.HostsRemain;
        }
    }

    private async Task<bool> PutAsync(PoolRecord pool, long readAt, CancellationToken ct)
    {
        var key = keys.Pool(pool.Cidr);
        var result = await etcd.TransactAsync(
            new EtcdTransaction(
                [new EtcdCompare.NothingModifiedUnder(keys.Pools, readAt), new EtcdCompare.KeyExists(key)],
                [new EtcdOperation.Put(key, PoolJson.Write(pool))]),
            ct);
        return result.Succeeded;
    }

    private async Task<Snapshot> ReadAsync(CancellationToken ct)
    {
        var result = await etcd.TransactAsync(
            EtcdTransaction.ReadAll(
                new EtcdOperation.Read(EtcdKeys.Under(keys.Pools)),
                new EtcdOperation.Read(EtcdKeys.Under(keys.Networks), KeysOnly: true)),
            ct);
        var hosts = new Dictionary<IPv4Network, int>();
        foreach (var entry in result.Ranges[1].Entries)
        {
            // networks/<pool>/subnets/<ip>-<len>
            var parts = entry.Key[keys.Networks.Length..].Split('/');
            if (parts is [var name, "subnets", _] && IPv4Network.TryParsePathForm(name, out var pool))
                hosts[pool] = hosts.GetValueOrDefault(pool) + 1;
        }

        return new Snapshot(result.Revision, [.. result.Ranges[0].Entries.Select(PoolJson.Read)], hosts);
    }

    private static string Whose(PoolRecord pool) => pool.State switch
    {
        PoolState.Linked => $"network {pool.NetworkId}",
        PoolState.Freed => $"network {pool.NetworkId}, which is being removed",
        PoolState.Allocated => "a network that is being created",
    };

    private static AddressRefusedException BeingReleased(IPv4Network pool, Snapshot snapshot)
    {
        var hosts = snapshot.HostsByPool.GetValueOrDefault(pool);
        return new AddressRefusedException($"pool {pool} is being released: {Counted(hosts, "host")} still {(hosts == 1 ? "holds" : "hold")} a subnet of it");
    }

    private AddressRefusedException Full(Snapshot snapshot)
    {
        var living = snapshot.Pools.Count(pool => pool.State != PoolState.Freed);
        var leaving = snapshot.Pools.Count - living + snapshot.HostsByPool.Keys.Count(pool => snapshot.Pools.All(known => known.Cidr != pool));
        return new AddressRefusedException(
            $"all {space.PoolCount} networks of {space} are in use: {living} by networks, {leaving} still being released by hosts (AVAILABLE_SUBNETS, NETWORK_SUBNET_SIZE={space.NetworkSubnetSize})");
    }

    private static string Counted(int count, string noun) => count == 1 ? $"1 {noun}" : $"{count} {noun}s";

    /// <param name="HostsByPool">How many hosts hold a subnet, for each network that has any, whether its pool is known or not.</param>
    private sealed record Snapshot(long Revision, IReadOnlyList<PoolRecord> Pools, Dictionary<IPv4Network, int> HostsByPool);
}

internal static class PoolJson
{
    public static string Write(PoolRecord pool) => JsonSerializer.Serialize(pool, ClusterJson.Default.PoolRecord);

    public static PoolRecord Read(EtcdEntry entry)
    {
        try
        {
            return JsonSerializer.Deserialize(entry.Value, ClusterJson.Default.PoolRecord) ?? throw new InvalidDataException($"{entry.Key} holds null");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{entry.Key} holds no pool: {e.Message}", e);
        }
    }
}
