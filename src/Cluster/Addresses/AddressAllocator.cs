using System.Collections.Concurrent;
using System.Text.Json;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;

namespace FlannelFlow.Cluster.Addresses;

public sealed record AddressAllocatorOptions
{
    /// <summary>How long a released address is not handed out again, at least (<see cref="AddressUpkeep"/>). Zero: not at all, it is gone at once.</summary>
    public TimeSpan Quarantine { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a VIP is kept whose service is gone and which Docker does not release. A release of Docker's takes well under a second.</summary>
    public TimeSpan OrphanAge { get; init; } = TimeSpan.FromMinutes(1);
}

/// <summary>Hands out the addresses of service ranges and host subnets.</summary>
/// <remarks>
/// State is only in etcd: a record per address, created only where its key is absent, changed only where its ModRevision is the one
/// that was read. So whatever fails, two callers never hold one address. What a living endpoint claims is never deleted by Docker's
/// release: the release is noted (<see cref="AddressValue.ReleaseRequested"/>), the caller makes the endpoint leave, and the leaving
/// releases. Requests of one range queue up within a process. Thread safe.
/// </remarks>
public sealed class AddressAllocator(IEtcd etcd, ClusterKeys keys, TimeProvider time, AddressAllocatorOptions options)
{
    private readonly ConcurrentDictionary<string, Turn> _turns = new();

    /// <summary>
    /// Docker's RequestAddress. The same request gets the same address again. Any address: the next free one after the one handed out
    /// last, so that an address rests as long as possible; spare ones and then quarantined ones only when nothing else is free. An explicit one: the leader
    /// gets it, also when it holds it already (a manager's replay); a node gets it when it is free in its own subnet, and a fresh one
    /// when it is a provisional one from the service range. A gateway is kept with the service range, whoever asks.
    /// </summary>
    /// <exception cref="AddressRefusedException">Not possible, in words.</exception>
    public async Task<AddressRecord> RequestAsync(AddressRequest request, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrEmpty(request.RequestId);
        var turn = _turns.GetOrAdd(Folder(request.Range), _ => new Turn());
        await turn.Gate.WaitAsync(ct);
        try
        {
            while (true)
            {
                var view = await ReadAsync(request.Range, request.Kind, ct);
                var held = view.Records.FirstOrDefault(record =>
                    record.Value.State is AddressState.Reserved or AddressState.Claimed && record.Value.RequestId == request.RequestId);
                if (held is not null) return held;
                var choice = request.Kind == AddressKind.Gateway ? ChooseGateway(request, view)
                    : request.Requested is not { } wanted ? ChooseAny(request, view, turn)
                    : request.Range.IsService ? ChooseForLeader(wanted, request, view)
                    : view.Layout.ServiceRange.Contains(wanted) ? ChooseAny(request, view, turn)
                    : ChooseForNode(wanted, request, view);
                if (choice.Current is { IsHeld: true } replayed && !choice.TakesSpare) return replayed;
                var value = new AddressValue(
                    request.Kind,
                    AddressState.Reserved,
                    Owner: "",
                    request.Host,
                    request.RequestId,
                    ReleaseRequested: null,
                    time.GetUtcNow(),
                    choice.TakesSpare ? (choice.Current!.Value.Owed ?? 0) + 1 : choice.Current?.Value.Owed);
                var created = await CreateAsync(view, choice, value, ct);
                if (created is null) continue;
                if (request.Range.Network.Contains(created.Address)) turn.Last = created.Address;
                return created;
            }
        }
        finally
        {
            turn.Gate.Release();
        }
    }

    /// <summary>The endpoint lives on the address from now on. Again for the same endpoint: success.</summary>
    /// <exception cref="AddressRefusedException">It is not reserved any more, or another endpoint lives on it.</exception>
    public async Task<AddressRecord> ClaimAsync(AddressRange range, IPv4Address address, string endpoint, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrEmpty(endpoint);
        while (true)
        {
            var record = await FindAsync(range, address, ct);
            if (record is null || !record.IsHeld)
                throw new AddressRefusedException($"address {address} for endpoint {endpoint} is not reserved any more: Docker has released it");
            if (record.Value.Kind == AddressKind.Gateway)
                throw new AddressRefusedException($"address {address} for endpoint {endpoint} is the gateway address of {range.Pool}");
            if (record.Value.State == AddressState.Claimed && record.Value.Owner == endpoint) return record;
            if (record.Value.State != AddressState.Reserved)
                throw new AddressRefusedException($"address {address} for endpoint {endpoint} is in use by endpoint {record.Value.Owner} ({Word(record.Value.State)})");
            if (await ChangeAsync(record, record.Value with { State = AddressState.Claimed, Owner = endpoint }, ct) is { } claimed) return claimed;
        }
    }

    /// <summary>Undoes a claim: back to reserved, or released where Docker asked for that meanwhile. A claim that never happened is success.</summary>
    public async Task UnclaimAsync(AddressRange range, IPv4Address address, string endpoint, CancellationToken ct)
    {
        while (true)
        {
            var record = await FindAsync(range, address, ct);
            if (record is null || record.Value.State != AddressState.Claimed || record.Value.Owner != endpoint) return;
            var done = record.Value.IsReleaseRequested
                ? await QuarantineAsync(record, ct)
                : await ChangeAsync(record, record.Value with { State = AddressState.Reserved, Owner = "" }, ct) is not null;
            if (done) return;
        }
    }

    /// <summary>
    /// The endpoint is being taken down: its addresses in the range await Docker's release, or are released at once where that was
    /// asked for. Returns those that await it. None is success.
    /// </summary>
    public async Task<IReadOnlyList<AddressRecord>> MarkLeavingAsync(AddressRange range, string endpoint, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrEmpty(endpoint);
        while (true)
        {
            var waiting = new List<AddressRecord>();
            var lost = false;
            foreach (var record in (await ListRangeAsync(range, ct)).Where(record => record.IsHeld && record.Value.Owner == endpoint))
            {
                if (record.Value.State == AddressState.Leaving) waiting.Add(record);
                else if (record.Value.IsReleaseRequested) lost |= !await QuarantineAsync(record, ct);
                else if (await ChangeAsync(record, record.Value with { State = AddressState.Leaving }, ct) is { } leaving) waiting.Add(leaving);
                else lost = true;
            }

            if (!lost) return waiting;
        }
    }

    /// <summary>Docker's ReleaseAddress. An address that is not known is released.</summary>
    public async Task<AddressReleaseResult> ReleaseAsync(AddressRange range, IPv4Address address, CancellationToken ct)
    {
        while (true)
        {
            var record = await FindAsync(range, address, ct);
            if (record is null) return new AddressReleaseResult(AddressRelease.Released, "");
            if (record.Value.Kind == AddressKind.Gateway) return new AddressReleaseResult(AddressRelease.GatewayStays, "");
            switch (record.Value.State)
            {
                case AddressState.Quarantined:
                    return new AddressReleaseResult(AddressRelease.Released, "");
                case AddressState.Reserved or AddressState.Leaving or AddressState.Spare when record.Value.Owed is > 0 and var owed:
                    // Of two that Docker holds it for, one is gone; which one does not matter, the other releases it.
                    if (await PutAsync(record, record.Value with { Owed = owed == 1 ? null : owed - 1 }, ct) is not null)
                        return new AddressReleaseResult(AddressRelease.Released, "");
                    break;
                case AddressState.Claimed:
                    if (record.Value.IsReleaseRequested || await ChangeAsync(record, record.Value with { ReleaseRequested = true }, ct) is not null)
                        return new AddressReleaseResult(AddressRelease.OwnerLives, record.Value.Owner);
                    break;
                case AddressState.Reserved:
                case AddressState.Leaving:
                case AddressState.Spare:
                    if (await QuarantineAsync(record, ct)) return new AddressReleaseResult(AddressRelease.Released, "");
                    break;
            }
        }
    }

    /// <summary>
    /// Docker trumps etcd: a running endpoint (or service) has the address, whatever the record says: absent, reserved, leaving or quarantined.
    /// </summary>
    /// <exception cref="AddressRefusedException">Another one claims it, the pool is not allocated, or a host's endpoint has it outside the host's subnet.</exception>
    public async Task<AddressRecord> AdoptAsync(
        AddressRange range, IPv4Address address, AddressKind kind, string owner, string host, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrEmpty(owner);
        if (!(range.IsService ? range.Pool : range.Network).Contains(address))
            throw new AddressRefusedException($"address {address} of {owner} is not in {range}");
        while (true)
        {
            var view = await ReadAsync(range, kind, ct);
            var record = view.Find(address);
            if (record is { Value.State: AddressState.Claimed })
            {
                if (record.Value.Owner == owner) return record;
                throw new AddressRefusedException($"address {address} of {owner} is in use by {record.Value.Owner} on {record.Value.Host}");
            }

            var value = new AddressValue(
                kind, AddressState.Claimed, owner, host, record?.Value.RequestId ?? "", ReleaseRequested: null, time.GetUtcNow());
            var adopted = record is null
                ? await CreateAsync(view, new Choice(address, Current: null), value, ct)
                : await ChangeAsync(record, value, ct);
            if (adopted is not null) return adopted;
        }
    }

    /// <summary>
    /// Docker trumps etcd: the leader holds this address, of which etcd has lost the record. One that has a record is left as it is, whatever it says.
    /// </summary>
    /// <param name="address">Null, with <see cref="AddressKind.Gateway"/>: the pool's.</param>
    /// <returns>Null: there is a record by now, or the pool is not allocated.</returns>
    public async Task<AddressRecord?> RestoreAsync(
        IPv4Network pool, IPv4Address? address, AddressKind kind, AddressState state, string owner, string host, CancellationToken ct)
    {
        while (true)
        {
            var result = await etcd.TransactAsync(
                EtcdTransaction.ReadAll(new EtcdOperation.Read(EtcdKeys.One(keys.Pool(pool))), new EtcdOperation.Read(EtcdKeys.Under($"{keys.AddressesOf(pool)}service/"))), ct);
            if (result.Ranges[0].Entries is not [var entry]) return null;
            var layout = PoolJson.Read(entry).Layout();
            var range = AddressRange.Service(layout);
            var view = new View(result.Revision, range, Folder(range), layout, [.. result.Ranges[1].Entries.Select(Read)]);
            var lost = address ?? layout.Gateway;
            if (view.Find(lost) is not null) return null;
            var value = new AddressValue(kind, state, owner, host, RequestId: $"restored/{pool.PathForm}/{lost}", ReleaseRequested: null, time.GetUtcNow());
            if (await CreateAsync(view, new Choice(lost, Current: null), value, ct) is { } restored) return restored;
        }
    }

    public async Task<AddressRecord?> FindAsync(AddressRange range, IPv4Address address, CancellationToken ct)
    {
        var result = await etcd.RangeAsync(EtcdKeys.One(Folder(range) + address), ct);
        return result.Entries is [var entry] ? Read(entry) : null;
    }

    public Task<IReadOnlyList<AddressRecord>> ListRangeAsync(AddressRange range, CancellationToken ct) => ListAsync(Folder(range), ct);

    /// <summary>A leader's address is known to be a service's. False: it was changed since it was read.</summary>
    public async Task<bool> MarkVipAsync(AddressRecord record, string serviceId, CancellationToken ct) =>
        await PutAsync(record, record.Value with { Kind = AddressKind.Vip, Owner = serviceId }, ct) is not null;

    /// <summary>A leader's address is known to be of a container that has another. False: it was changed since it was read.</summary>
    public async Task<bool> MarkSpareAsync(AddressRecord record, CancellationToken ct) =>
        await PutAsync(record, record.Value with { State = AddressState.Spare }, ct) is not null;

    /// <summary>A leader's address that nobody has, and nobody will release. False: it was changed since it was read.</summary>
    public Task<bool> ReleaseOrphanAsync(AddressRecord record, CancellationToken ct) => QuarantineAsync(record, ct);

    /// <summary>The tombstone goes: the address is free. False: it was changed since it was read.</summary>
    public async Task<bool> EndQuarantineAsync(AddressRecord tombstone, CancellationToken ct)
    {
        var key = Key(tombstone);
        var deleted = await etcd.TransactAsync(
            new EtcdTransaction([new EtcdCompare.ModRevision(key, tombstone.ModRevision)], [new EtcdOperation.Delete(EtcdKeys.One(key))]), ct);
        return deleted.Succeeded;
    }

    /// <summary>Of all pools.</summary>
    public Task<IReadOnlyList<AddressRecord>> ListAllAsync(CancellationToken ct) => ListAsync(keys.Addresses, ct);

    /// <summary>Of a pool, all ranges.</summary>
    public Task<IReadOnlyList<AddressRecord>> ListPoolAsync(IPv4Network pool, CancellationToken ct) => ListAsync(keys.AddressesOf(pool), ct);

    /// <summary>Asked for by a host, over all pools.</summary>
    public async Task<IReadOnlyList<AddressRecord>> ListHostAsync(string host, CancellationToken ct) =>
        [.. (await ListAllAsync(ct)).Where(record => record.Value.Host == host)];

    /// <summary>What a host asked for under its former name is its own under the new one.</summary>
    public async Task RenameHostAsync(string former, string host, CancellationToken ct)
    {
        while (await ListHostAsync(former, ct) is { Count: > 0 } records)
        {
            foreach (var record in records) await PutAsync(record, record.Value with { Host = host }, ct);
        }
    }

    private static string Word(AddressState state) => JsonNamingPolicy.CamelCase.ConvertName(state.ToString());

    /// <summary>Free addresses first, in a circle from the one after the last handed out; then the spare one, then the quarantined one, that is so longest.</summary>
    private static Choice ChooseAny(AddressRequest request, View view, Turn turn)
    {
        var range = view.Range;
        var (first, last) = (range.Network.FirstUsable.Value + 1, range.Network.LastUsable.Value);
        var taken = view.Records.Where(record => range.Network.Contains(record.Address)).ToDictionary(record => record.Address);
        var previous = turn.Last ?? taken.Values.MaxBy(record => record.CreateRevision)?.Address ?? range.Network.FirstUsable;
        var start = previous.Value >= first && previous.Value < last ? previous.Value + 1 : first;
        var count = last - first + 1;
        for (uint i = 0; i < count; i++)
        {
            var candidate = new IPv4Address(first + ((start - first + i) % count));
            if (!taken.ContainsKey(candidate)) return new Choice(candidate, Current: null);
        }

        var resting = taken.Values
            .Where(record => (!record.IsHeld || record.Value.State == AddressState.Spare) && record.Address.Value >= first && record.Address.Value <= last)
            .OrderBy(record => record.IsHeld ? 0 : 1).ThenBy(record => record.Value.Since).ThenBy(record => record.ModRevision)
            .FirstOrDefault();
        if (resting is not null) return new Choice(resting.Address, resting, TakesSpare: resting.IsHeld);
        var inUse = taken.Values.Count(record => record.IsHeld && record.Value.Kind != AddressKind.Gateway);
        throw new AddressRefusedException(range.IsService
            ? $"{range} of pool {range.Pool} is full: {inUse} addresses in use (SERVICE_SUBNET_SIZE)"
            : $"{range} of {request.Host} is full: {inUse} addresses in use (DEFAULT_HOST_SUBNET_SIZE)");
    }

    private static Choice ChooseGateway(AddressRequest request, View view)
    {
        var address = request.Requested ?? view.Layout.Gateway;
        var service = view.Layout.ServiceRange;
        if (!service.Contains(address) || address == service.First || address == service.Last)
        {
            throw new AddressRefusedException(
                $"gateway {address} cannot be: it must be in the service range {service} of pool {view.Range.Pool} ({service.FirstUsable} to {service.LastUsable}), or left out");
        }

        var record = view.Find(address);
        if (record is { IsHeld: true } && record.Value.Kind != AddressKind.Gateway)
            throw new AddressRefusedException($"gateway {address} cannot be: the address is in use ({Held(record)})");
        return new Choice(address, record);
    }

    /// <summary>
    /// The leader's addresses are only promises that the nodes keep or replace, so it may hold any address of the pool, such as
    /// <c>docker run --ip</c> in a host's subnet. What it holds already it gets again: managers replay all they know.
    /// </summary>
    private static Choice ChooseForLeader(IPv4Address wanted, AddressRequest request, View view)
    {
        var pool = request.Range.Pool;
        if (!pool.Contains(wanted)) throw new AddressRefusedException($"address {wanted} is not in pool {pool}");
        var record = view.Find(wanted);
        if (record is { Value.Kind: AddressKind.Gateway } || (record is not { IsHeld: true } && wanted == view.Layout.Gateway))
            throw new AddressRefusedException($"address {wanted} is the gateway address of pool {pool}");
        if (wanted == pool.First || wanted == pool.Last) throw new AddressRefusedException($"address {wanted} is the network or broadcast address of pool {pool}");
        return new Choice(wanted, record);
    }

    /// <summary>
    /// A node's endpoints are real: what another request holds is refused here already, because Docker would roll a later refusal back
    /// with a release that means the other endpoint.
    /// </summary>
    private static Choice ChooseForNode(IPv4Address wanted, AddressRequest request, View view)
    {
        var subnet = request.Range.Network;
        if (!request.Range.Pool.Contains(wanted)) throw new AddressRefusedException($"address {wanted} is not in pool {request.Range.Pool}");
        if (!subnet.Contains(wanted))
        {
            throw new AddressRefusedException(
                $"address {wanted} is in another host's subnet: {request.Host} holds {subnet} and gives {new IPv4Address(subnet.FirstUsable.Value + 1)} to {subnet.LastUsable} only");
        }

        if (wanted == subnet.First || wanted == subnet.Last) throw new AddressRefusedException($"address {wanted} is the network or broadcast address of {request.Range}");
        if (wanted == subnet.FirstUsable) throw new AddressRefusedException($"address {wanted} is the bridge's address in {request.Range}");
        var record = view.Find(wanted);
        if (record is { IsHeld: true }) throw new AddressRefusedException($"address {wanted} is in use on {request.Host} ({Held(record)})");
        return new Choice(wanted, record);
    }

    private static string Held(AddressRecord record) =>
        record.Value.Owner.Length > 0 ? $"{Word(record.Value.State)} by {record.Value.Owner}" : $"{Word(record.Value.State)} by request {record.Value.RequestId}";

    /// <summary>Creates the record, or takes over the quarantined one; null when another was faster, or the pool is gone.</summary>
    private async Task<AddressRecord?> CreateAsync(View view, Choice choice, AddressValue value, CancellationToken ct)
    {
        var key = view.Folder + choice.Address;
        var result = await etcd.TransactAsync(
            new EtcdTransaction(
                [
                    choice.Current is { } tombstone ? new EtcdCompare.ModRevision(key, tombstone.ModRevision) : EtcdCompare.Absent(key),
                    new EtcdCompare.KeyExists(keys.Pool(view.Range.Pool)),

                    // One address per request: a request that is re-sent while its first answer is under way sees what that created.
                    new EtcdCompare.NothingCreatedUnder(view.Folder, view.Revision),
                ],
                [new EtcdOperation.Put(key, JsonSerializer.Serialize(value, ClusterJson.Default.AddressValue))]),
            ct);
        if (!result.Succeeded) return null;
        var createdAt = choice.Current?.CreateRevision ?? result.Revision;
        return new AddressRecord(view.Range.Pool, view.Range.PathForm, choice.Address, value, createdAt, result.Revision);
    }

    /// <summary>Null when another changed the record since it was read.</summary>
    private async Task<AddressRecord?> ChangeAsync(AddressRecord record, AddressValue value, CancellationToken ct)
    {
        var stamped = value.State == record.Value.State ? value : value with { Since = time.GetUtcNow() };
        return await PutAsync(record, stamped, ct);
    }

    private async Task<AddressRecord?> PutAsync(AddressRecord record, AddressValue value, CancellationToken ct)
    {
        var key = Key(record);
        var result = await etcd.TransactAsync(
            new EtcdTransaction(
                [new EtcdCompare.ModRevision(key, record.ModRevision)],
                [new EtcdOperation.Put(key, JsonSerializer.Serialize(value, ClusterJson.Default.AddressValue))]),
            ct);
        return result.Succeeded ? record with { Value = value, ModRevision = result.Revision } : null;
    }

    /// <summary>Turns the record into a tombstone; false when another changed it since it was read.</summary>
    private async Task<bool> QuarantineAsync(AddressRecord record, CancellationToken ct)
    {
        if (options.Quarantine <= TimeSpan.Zero) return await EndQuarantineAsync(record, ct);

        var tombstone = record.Value with { State = AddressState.Quarantined, ReleaseRequested = null, Since = time.GetUtcNow() };
        return await PutAsync(record, tombstone, ct) is not null;
    }

    /// <summary>The pool and the range (for a gateway: the service range) at one revision.</summary>
    private async Task<View> ReadAsync(AddressRange range, AddressKind kind, CancellationToken ct)
    {
        var folder = kind == AddressKind.Gateway ? $"{keys.AddressesOf(range.Pool)}service/" : Folder(range);
        var result = await etcd.TransactAsync(
            EtcdTransaction.ReadAll(
                new EtcdOperation.Read(EtcdKeys.One(keys.Pool(range.Pool))),
                new EtcdOperation.Read(EtcdKeys.Under(folder))),
            ct);
        if (result.Ranges[0].Entries is not [var pool])
            throw new AddressRefusedException($"pool {range.Pool} is not allocated, so it has no addresses to give");
        var layout = PoolJson.Read(pool).Layout();
        var seen = kind == AddressKind.Gateway ? AddressRange.Service(layout) : range;
        return new View(result.Revision, seen, folder, layout, [.. result.Ranges[1].Entries.Select(Read)]);
    }

    private async Task<IReadOnlyList<AddressRecord>> ListAsync(string folder, CancellationToken ct)
    {
        var range = await etcd.RangeAsync(EtcdKeys.Under(folder), ct);
        return [.. range.Entries.Select(Read)];
    }

    private string Folder(AddressRange range) => $"{keys.AddressesOf(range.Pool)}{range.PathForm}/";

    private string Key(AddressRecord record) => $"{keys.AddressesOf(record.Pool)}{record.RangePath}/{record.Address}";

    private AddressRecord Read(EtcdEntry entry)
    {
        var parts = entry.Key[keys.Addresses.Length..].Split('/');
        if (parts is not [var poolPath, var rangePath, var ip]
            || !IPv4Network.TryParsePathForm(poolPath, out var pool)
            || !IPv4Address.TryParse(ip, out var address))
        {
            throw new InvalidDataException($"{entry.Key} is no address key (<pool>/<range>/<ip>)");
        }

        try
        {
            var value = JsonSerializer.Deserialize(entry.Value, ClusterJson.Default.AddressValue) ?? throw new InvalidDataException($"{entry.Key} holds null");
            return new AddressRecord(pool, rangePath, address, value, entry.CreateRevision, entry.ModRevision);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{entry.Key} holds no address record: {e.Message}", e);
        }
    }

    /// <param name="Current">What stands there: a held record (a replay) or a tombstone; null when nothing does.</param>
    /// <param name="TakesSpare">What stands there is spare, and gets another holder.</param>
    private sealed record Choice(IPv4Address Address, AddressRecord? Current, bool TakesSpare = false);

    private sealed record View(long Revision, AddressRange Range, string Folder, PoolLayout Layout, IReadOnlyList<AddressRecord> Records)
    {
        public AddressRecord? Find(IPv4Address address) => Records.FirstOrDefault(record => record.Address == address);
    }

    /// <summary>One request at a time per range; Last is guarded by the gate. Lives as long as the allocator: there are few ranges.</summary>
    private sealed class Turn
    {
        public SemaphoreSlim Gate { get; } = new(1, 1);

        public IPv4Address? Last { get; set; }
    }
}
