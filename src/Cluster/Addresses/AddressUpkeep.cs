using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Cluster.Addresses;

/// <summary>What is to be done about an address, now that the mirror says what it is.</summary>
public enum AddressDuty
{
    None,

    /// <summary>A service has it: <see cref="AddressKind.Vip"/>.</summary>
    MarkVip,

    /// <summary>A container was promised it and has another: <see cref="AddressState.Spare"/>.</summary>
    MarkSpare,

    /// <summary>Nobody has it, and every living host knows: the tombstone goes.</summary>
    EndQuarantine,

    /// <summary>Its service is gone, and the leader that was to release it died meanwhile: it is released.</summary>
    ReleaseVip,
}

/// <summary>Who has an address, by the mirror.</summary>
/// <param name="Promised">How many containers it was promised to that have another.</param>
public sealed record AddressUse(string? VipOf, bool IsOfContainer, int Promised)
{
    public static AddressUse None { get; } = new(VipOf: null, IsOfContainer: false, Promised: 0);

    /// <summary>All addresses of a state.</summary>
    public static IReadOnlyDictionary<IPv4Address, AddressUse> Of(MirrorState state)
    {
        var uses = new Dictionary<IPv4Address, AddressUse>();
        foreach (var service in state.Services.Values)
        {
            foreach (var network in service.Networks)
            {
                if (network.Vip is { } vip) Change(vip, use => use with { VipOf = service.Id });
            }
        }

        foreach (var network in state.Containers.Values.SelectMany(container => container.Networks))
        {
            Change(network.Address, use => use with { IsOfContainer = true });
            if (network.Provisional is { } promised) Change(promised, use => use with { Promised = use.Promised + 1 });
        }

        return uses;

        void Change(IPv4Address address, Func<AddressUse, AddressUse> change) => uses[address] = change(uses.GetValueOrDefault(address, None));
    }
}

/// <summary>An address that Docker's leader holds, by the mirror, and of which etcd has no record.</summary>
/// <param name="Address">Null: the pool's gateway.</param>
/// <param name="VipOf">Null: of no service.</param>
public sealed record LostAddress(IPv4Network Pool, IPv4Address? Address, string? VipOf)
{
    public bool IsProvisional => Address is not null && VipOf is null;

    /// <summary>All of a state. Pure.</summary>
    public static IEnumerable<LostAddress> Of(MirrorState state, IReadOnlyCollection<AddressRecord> records)
    {
        var there = records.Where(record => record.IsOfServiceRange).Select(record => (record.Pool, record.Address)).ToHashSet();
        var gateways = records.Where(record => record.Value.Kind == AddressKind.Gateway).Select(record => record.Pool).ToHashSet();
        foreach (var network in state.Networks.Values.Where(network => !gateways.Contains(network.Pool))) yield return new LostAddress(network.Pool, Address: null, VipOf: null);
        var said = new HashSet<(IPv4Network, IPv4Address)>(there);
        foreach (var (service, on) in state.Services.Values.SelectMany(service => service.Networks.Select(on => (service, on))))
        {
            if (on.Vip is { } vip && state.Networks.GetValueOrDefault(on.NetworkId)?.Pool is { } pool && said.Add((pool, vip))) yield return new LostAddress(pool, vip, service.Id);
        }

        foreach (var endpoint in state.Containers.Values.SelectMany(container => container.Networks))
        {
            if (endpoint.Provisional is { } promised && state.Networks.GetValueOrDefault(endpoint.NetworkId)?.Pool is { } pool && said.Add((pool, promised)))
                yield return new LostAddress(pool, promised, VipOf: null);
        }
    }
}

/// <summary>Brings the records of addresses in line with the mirror: VIPs, spare addresses, the ends of quarantines, and what etcd has lost.</summary>
/// <remarks>
/// Each host looks after the addresses that it asked for, and all of them after those of hosts that do not live; a record is changed only as
/// it was read, so it does not matter how many look. A quarantine ends when its time is over, nobody has the address by the mirror, and
/// every living host has acknowledged a state in which nobody had it: until then a host may still send what is for the old owner there.
/// A VIP whose service no manager knows any more is Docker's to release; where that does not come, because the leader died between the two,
/// it is released after <see cref="AddressAllocatorOptions.OrphanAge"/>.
/// An address of the leader's that etcd has lost (it was restored from a backup, or another hand deleted it) is written again before somebody else is given
/// it; only once two looks have missed it, since what Docker says and what etcd says come one after the other. A provisional one only once it has been
/// missed for <see cref="AddressAllocatorOptions.OrphanAge"/>: a host that is slow reports a container whose task is gone and whose address was released
/// long ago, and no one would release it again.
/// What was seen unused is remembered in memory; after a restart it is seen anew, which only takes longer. Not thread safe: one loop calls.
/// </remarks>
public sealed class AddressUpkeep(AddressAllocator addresses, AddressAllocatorOptions options, string host, TimeProvider time)
{
    /// <summary>When an address was first seen in nobody's hands: as which ModRevision of its record, at which revision of the mirror, and when.</summary>
    private readonly record struct Unused(long Record, long Mirror, DateTimeOffset Since);

    /// <summary>Tombstones and VIPs that nobody has.</summary>
    private readonly Dictionary<(IPv4Network Pool, string Range, IPv4Address Address), Unused> _unused = [];

    /// <summary>Missed in every look since.</summary>
    private Dictionary<LostAddress, DateTimeOffset> _lost = [];

    /// <summary>One look at all addresses. How many were changed.</summary>
    public async Task<int> LookAsync(MirrorState state, CancellationToken ct)
    {
        var all = await addresses.ListAllAsync(ct);
        var changed = await RestoreLostAsync(state, all, ct);
        var records = all.Where(record => IsMine(record, state)).ToList();
        var uses = AddressUse.Of(state);
        foreach (var record in records)
        {
            var use = uses.GetValueOrDefault(record.Address, AddressUse.None);
            var unused = UnusedSince(record, use, state);
            var duty = !record.IsHeld ? DutyOfTombstone(record, unused?.Mirror, state.AcknowledgedRevision, time.GetUtcNow() - options.Quarantine)
                : DutyOf(record, use, isOrphan: unused?.Since <= time.GetUtcNow() - options.OrphanAge);
            var done = duty switch
            {
                AddressDuty.None => false,
                AddressDuty.MarkVip => await addresses.MarkVipAsync(record, use.VipOf!, ct),
                AddressDuty.MarkSpare => await addresses.MarkSpareAsync(record, ct),
                AddressDuty.EndQuarantine => await addresses.EndQuarantineAsync(record, ct),
                AddressDuty.ReleaseVip => await addresses.ReleaseOrphanAsync(record, ct),
            };
            if (done) changed++;
        }

        var looked = records.Select(KeyOf).ToHashSet();
        foreach (var gone in _unused.Keys.Where(key => !looked.Contains(key)).ToList()) _unused.Remove(gone);
        return changed;
    }

    private async Task<int> RestoreLostAsync(MirrorState state, IReadOnlyCollection<AddressRecord> records, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var lost = LostAddress.Of(state, records).Distinct().ToDictionary(one => one, one => _lost.GetValueOrDefault(one, now));
        var restored = 0;
        foreach (var (one, since) in lost.Where(one => _lost.ContainsKey(one.Key)))
        {
            if (one.IsProvisional && since > now - options.OrphanAge) continue;
            var (kind, kept) = one switch
            {
                { Address: null } => (AddressKind.Gateway, AddressState.Reserved),
                { VipOf: not null } => (AddressKind.Vip, AddressState.Reserved),
                _ => (AddressKind.Provisional, AddressState.Spare),
            };
            if (await addresses.RestoreAsync(one.Pool, one.Address, kind, kept, one.VipOf ?? "", host, ct) is not null) restored++;
        }

        _lost = lost;
        return restored;
    }

    /// <summary>Pure.</summary>
    /// <param name="unusedSince">The revision of the first state seen in which nobody had the address; null: somebody has it.</param>
    /// <param name="acknowledged">By every living host.</param>
    /// <param name="quarantinedBefore">Quarantines that began before this are long enough.</param>
    public static AddressDuty DutyOfTombstone(AddressRecord record, long? unusedSince, long acknowledged, DateTimeOffset quarantinedBefore) =>
        unusedSince <= acknowledged && record.Value.Since <= quarantinedBefore ? AddressDuty.EndQuarantine : AddressDuty.None;

    /// <summary>Of an address that is held. Pure.</summary>
    /// <param name="isOrphan">Nobody has had it for long.</param>
    public static AddressDuty DutyOf(AddressRecord record, AddressUse use, bool isOrphan)
    {
        if (!record.IsOfServiceRange || record.Value.State != AddressState.Reserved) return AddressDuty.None;
        if (record.Value.Kind is AddressKind.Gateway or AddressKind.Container) return AddressDuty.None;
        var isVip = record.Value.Kind == AddressKind.Vip;
        if (use.VipOf is { } service) return isVip && record.Value.Owner == service ? AddressDuty.None : AddressDuty.MarkVip;
        if (isVip) return isOrphan ? AddressDuty.ReleaseVip : AddressDuty.None;

        // Handed out again while it was spare, it is promised to its first container still; only one more promise than that is its own.
        return !use.IsOfContainer && use.Promised > (record.Value.Owed ?? 0) ? AddressDuty.MarkSpare : AddressDuty.None;
    }

    private bool IsMine(AddressRecord record, MirrorState state) => record.Value.Host == host || !state.Hosts.ContainsKey(record.Value.Host);

    private Unused? UnusedSince(AddressRecord record, AddressUse use, MirrorState state)
    {
        var key = KeyOf(record);
        if ((record.IsHeld && record.Value.Kind != AddressKind.Vip) || use != AddressUse.None)
        {
            _unused.Remove(key);
            return null;
        }

        // Of a later revision: before etcd was put back.
        if (!_unused.TryGetValue(key, out var seen) || seen.Record != record.ModRevision || seen.Mirror > state.Revision)
            _unused[key] = seen = new Unused(record.ModRevision, state.Revision, time.GetUtcNow());
        return seen;
    }

    private static (IPv4Network Pool, string Range, IPv4Address Address) KeyOf(AddressRecord record) => (record.Pool, record.RangePath, record.Address);
}
