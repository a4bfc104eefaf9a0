using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster.Addresses;

/// <summary>Hands out the addresses of service ranges and host subnets.</summary>
public sealed class AddressAllocator(IEtcd etcd, ClusterKeys keys, TimeProvider time, AddressAllocatorOptions options)
{
    /// <summary>Docker's RequestAddress.</summary>
    public Task<AddressRecord> RequestAsync(AddressRequest request, CancellationToken ct) => throw NotYet();

    /// <summary>The endpoint lives on the address from now on. Again for the same endpoint: success.</summary>
    public Task<AddressRecord> ClaimAsync(AddressRange range, IPv4Address address, string endpoint, CancellationToken ct) => throw NotYet();

    /// <summary>Undoes a claim: back to reserved, or released where Docker asked for that meanwhile. A claim that never happened is success.</summary>
    public Task UnclaimAsync(AddressRange range, IPv4Address address, string endpoint, CancellationToken ct) => throw NotYet();

    /// <summary>The endpoint is being taken down: its addresses in the range await Docker's release, or go at once where it was asked for. Returns them.</summary>
    public Task<IReadOnlyList<AddressRecord>> MarkLeavingAsync(AddressRange range, string endpoint, CancellationToken ct) => throw NotYet();

    /// <summary>Docker's ReleaseAddress.</summary>
    public Task<AddressReleaseResult> ReleaseAsync(AddressRange range, IPv4Address address, CancellationToken ct) => throw NotYet();

    /// <summary>Docker's truth trumps etcd: a running endpoint has the address, whatever the record says (absent, quarantined, reserved).</summary>
    public Task<AddressRecord> AdoptAsync(AddressRange range, IPv4Address address, AddressKind kind, string owner, string host, CancellationToken ct) => throw NotYet();

    /// <summary>Of a pool, all ranges.</summary>
    public Task<IReadOnlyList<AddressRecord>> ListPoolAsync(IPv4Network pool, CancellationToken ct) => throw NotYet();

    public Task<IReadOnlyList<AddressRecord>> ListRangeAsync(AddressRange range, CancellationToken ct) => throw NotYet();

    /// <summary>Asked for by a host, over all pools.</summary>
    public Task<IReadOnlyList<AddressRecord>> ListHostAsync(string host, CancellationToken ct) => throw NotYet();

    private NotSupportedException NotYet() => new($"{etcd} {keys} {time} {options}");
}

public sealed record AddressAllocatorOptions
{
    /// <summary>How long a released address is not handed out again. At least a second: etcd leases count in seconds.</summary>
    public TimeSpan Quarantine { get; init; } = TimeSpan.FromSeconds(10);
}
