using System.Text.Json.Serialization;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Pools;

namespace FlannelFlow.Cluster.Addresses;

public enum AddressKind
{
    /// <summary>What Docker's leader shows as the network's gateway; lives as long as the pool.</summary>
    Gateway,

    /// <summary>Given to the leader for a task; the node gives the real one. Also every leader's address until it is known to be a VIP.</summary>
    Provisional,

    /// <summary>A service's virtual address.</summary>
    Vip,

    /// <summary>The real address of an endpoint.</summary>
    Container,
}

/// <summary>reserved → claimed → leaving → quarantined → gone; a provisional one may turn from reserved to spare.</summary>
public enum AddressState
{
    /// <summary>Handed out; nothing lives on it yet.</summary>
    Reserved,

    /// <summary>An endpoint lives on it.</summary>
    Claimed,

    /// <summary>Its endpoint is being taken down.</summary>
    Leaving,

    /// <summary>
    /// A tombstone: not handed out again until some seconds have passed and every living host has acknowledged that nobody has the address,
    /// unless nothing else is free.
    /// </summary>
    Quarantined,

    /// <summary>
    /// Provisional, of a container whose real address is another. The leader holds it still, and will release it; until then it is handed out
    /// again only when nothing else is free (docs/decisions/0007).
    /// </summary>
    Spare,
}

/// <summary>The part of a pool that one caller is served from: the service range (the leader) or a host subnet (a node).</summary>
public sealed record AddressRange
{
    private AddressRange(IPv4Network pool, IPv4Network network, bool isService)
    {
        Pool = pool;
        Network = network;
        IsService = isService;
    }

    public IPv4Network Pool { get; }

    public IPv4Network Network { get; }

    public bool IsService { get; }

    internal const string ServicePath = "service";

    /// <summary>As in the keys: <c>service</c> or <c>10.1.2.128-25</c>.</summary>
    public string PathForm => IsService ? ServicePath : Network.PathForm;

    /// <summary>In a host subnet the bridge's, in the service range the gateway's.</summary>
    public IPv4Address FirstUsable => Network.FirstUsable;

    /// <summary>How many addresses it can hand out.</summary>
    public long Capacity => Network.Size - 3;

    public static AddressRange Service(PoolLayout layout) => new(layout.Pool, layout.ServiceRange, isService: true);

    /// <exception cref="ArgumentException">The subnet lies outside the pool.</exception>
    public static AddressRange Host(IPv4Network pool, IPv4Network subnet) =>
        pool.Contains(subnet) ? new(pool, subnet, isService: false) : throw new ArgumentException($"{subnet} is not in the pool {pool}", nameof(subnet));

    public override string ToString() => $"{(IsService ? "service range" : "host subnet")} {Network}";
}

/// <summary>The value of <c>addresses/&lt;pool&gt;/&lt;range&gt;/&lt;ip&gt;</c>.</summary>
/// <param name="Owner">The endpoint (of a VIP: the service) that lives on it, or "".</param>
/// <param name="Host">The host that asked for it.</param>
/// <param name="RequestId">The dockerd call that asked for it.</param>
/// <param name="ReleaseRequested">Docker released it while its endpoint lived: it goes as soon as the endpoint has left. Null is no.</param>
/// <param name="Since">When it came into its state; of a spare one, when it was handed out.</param>
/// <param name="Owed">
/// How many releases of the leader are still to come that are not of the present holder: so often the address was handed out again while
/// it was spare. Null is none.
/// </param>
public sealed record AddressValue(
    AddressKind Kind,
    AddressState State,
    string Owner,
    string Host,
    string RequestId,
    bool? ReleaseRequested,
    DateTimeOffset Since,
    int? Owed = null)
{
    [JsonIgnore]
    public bool IsReleaseRequested => ReleaseRequested is true;
}

/// <param name="RangePath"><c>service</c> or the host subnet's path form.</param>
public sealed record AddressRecord(
    IPv4Network Pool,
    string RangePath,
    IPv4Address Address,
    AddressValue Value,
    long CreateRevision,
    long ModRevision)
{
    public bool IsHeld => Value.State is not AddressState.Quarantined;

    /// <summary>Of the leader's: given out of a pool's service range.</summary>
    public bool IsOfServiceRange => RangePath == AddressRange.ServicePath;
}

/// <summary>What Docker asks for in RequestAddress.</summary>
/// <param name="Requested">Docker's explicit address, or null for any.</param>
/// <param name="RequestId">Unique per dockerd call; a re-sent call joins.</param>
/// <param name="Host">Name of the asking host, for people and for reconciling.</param>
public sealed record AddressRequest(AddressRange Range, AddressKind Kind, IPv4Address? Requested, string RequestId, string Host);

public enum AddressRelease
{
    /// <summary>It is quarantined or gone. Also the answer for one that was unknown.</summary>
    Released,

    /// <summary>A gateway goes with its pool: nothing was done.</summary>
    GatewayStays,

    /// <summary>An endpoint lives on it: the wish is noted, and the caller makes the endpoint leave; its leaving releases the address.</summary>
    OwnerLives,
}

/// <param name="Owner">The endpoint that still lives on it; "" otherwise.</param>
public sealed record AddressReleaseResult(AddressRelease Outcome, string Owner);
