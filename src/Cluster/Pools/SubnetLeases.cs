using System.Text.Json;
using System.Text.Json.Serialization;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster.Pools;

/// <summary>
/// flannel's LeaseAttrs, the value of a subnet key (flannel pkg/lease/lease.go):
/// <c>{"PublicIP":"192.168.64.3","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}}</c>.
/// </summary>
public sealed record LeaseAttributes
{
    /// <summary>The host's underlay address: flannel's identity of a host.</summary>
    [JsonPropertyName("PublicIP")]
    public string? PublicIP { get; init; }

    [JsonPropertyName("PublicIPv6")]
    public string? PublicIPv6 { get; init; }

    [JsonPropertyName("BackendType")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? BackendType { get; init; }

    /// <summary>Of the shape that the backend type defines; <see cref="Vxlan"/> reads vxlan's.</summary>
    [JsonPropertyName("BackendData")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? BackendData { get; init; }

    [JsonPropertyName("BackendV6Data")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? BackendV6Data { get; init; }

    public static LeaseAttributes ForVxlan(IPv4Address publicIP, VxlanLeaseData data) => new()
    {
        PublicIP = publicIP.ToString(),
        BackendType = "vxlan",
        BackendData = JsonSerializer.SerializeToElement(data, FlannelJson.Default.VxlanLeaseData),
    };

    /// <exception cref="FormatException">Not JSON of this shape.</exception>
    public static LeaseAttributes Parse(string json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, FlannelJson.Default.LeaseAttributes) ?? throw new FormatException("lease attributes are null");
        }
        catch (JsonException e)
        {
            throw new FormatException($"lease attributes are not valid: {e.Message}", e);
        }
    }

    public string ToJson() => JsonSerializer.Serialize(this, FlannelJson.Default.LeaseAttributes);

    /// <summary>Null when the lease is of another backend or its data is not vxlan's.</summary>
    public VxlanLeaseData? Vxlan()
    {
        if (BackendType != "vxlan" || BackendData is not { } data) return null;
        try
        {
            return data.Deserialize(FlannelJson.Default.VxlanLeaseData) is { VtepMac: not null } vxlan ? vxlan : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <param name="VtepMac">Lower case, colons.</param>
public sealed record VxlanLeaseData(
    [property: JsonPropertyName("VNI")] int Vni,
    [property: JsonPropertyName("VtepMAC")] string VtepMac);

/// <summary>A host's subnet in a flannel network.</summary>
/// <param name="EtcdLease">What the key hangs on; none: it stays for ever (a reservation).</param>
public sealed record SubnetLease(
    string Key,
    IPv4Network Subnet,
    IPv4Address PublicIP,
    LeaseAttributes Attributes,
    EtcdLeaseId EtcdLease,
    long CreateRevision,
    long ModRevision)
{
    /// <summary>False with the reason for an entry that flannel would ignore ("Ignoring bad subnet node").</summary>
    public static bool TryParse(EtcdEntry entry, out SubnetLease lease, out string problem)
    {
        lease = null!;
        problem = "";
        if (!FlannelKeys.TryParseSubnet(entry.Key, out var subnet))
        {
            problem = $"{entry.Key} does not end in <ip>-<length>";
            return false;
        }

        try
        {
            var attributes = LeaseAttributes.Parse(entry.Value);
            if (!IPv4Address.TryParse(attributes.PublicIP, out var publicIP))
            {
                problem = $"{entry.Key}: PublicIP '{attributes.PublicIP}' is not an IPv4 address";
                return false;
            }

            lease = new SubnetLease(entry.Key, subnet, publicIP, attributes, entry.Lease, entry.CreateRevision, entry.ModRevision);
            return true;
        }
        catch (FormatException e)
        {
            problem = $"{entry.Key}: {e.Message}";
            return false;
        }
    }
}

/// <param name="Revision">Watch from Revision + 1.</param>
/// <param name="Ignored">Why entries were left out.</param>
public sealed record SubnetLeaseList(long Revision, IReadOnlyList<SubnetLease> Leases, IReadOnlyList<string> Ignored);

/// <summary>The subnet leases of one flannel network. Acquiring and renewing is flanneld's.</summary>
public sealed class SubnetLeases(IEtcd etcd, FlannelKeys keys)
{
    public async Task<SubnetLeaseList> ListAsync(CancellationToken ct)
    {
        var range = await etcd.RangeAsync(EtcdKeys.Under(keys.Subnets), ct);
        var leases = new List<SubnetLease>();
        var ignored = new List<string>();
        foreach (var entry in range.Entries)
        {
            if (SubnetLease.TryParse(entry, out var lease, out var problem)) leases.Add(lease);
            else ignored.Add(problem);
        }

        return new SubnetLeaseList(range.Revision, leases, ignored);
    }

    /// <summary>The first lease of the host with this underlay address, or null.</summary>
    public async Task<SubnetLease?> FindAsync(IPv4Address publicIP, CancellationToken ct) =>
        (await ListAsync(ct)).Leases.FirstOrDefault(lease => lease.PublicIP == publicIP);

    /// <summary>
    /// Deletes the host's own leases, and revokes their etcd leases, which hold nothing else. A lease that another host has taken
    /// over meanwhile stays. None is success. Returns what was deleted.
    /// </summary>
    public async Task<IReadOnlyList<IPv4Network>> DeleteOwnAsync(IPv4Address publicIP, CancellationToken ct)
    {
        var deleted = new List<IPv4Network>();
        foreach (var lease in (await ListAsync(ct)).Leases.Where(lease => lease.PublicIP == publicIP))
        {
            var mine = lease;
            while (true)
            {
                var result = await etcd.TransactAsync(
                    new EtcdTransaction(
                        [new EtcdCompare.ModRevision(mine.Key, mine.ModRevision)],
                        [new EtcdOperation.Delete(EtcdKeys.One(mine.Key))],
                        [new EtcdOperation.Read(EtcdKeys.One(mine.Key))]),
                    ct);
                if (result.Succeeded)
                {
                    deleted.Add(mine.Subnet);
                    if (mine.EtcdLease != EtcdLeaseId.None) await etcd.RevokeLeaseAsync(mine.EtcdLease, ct);
                    break;
                }

                // Renewed in between by our own flanneld: again. Gone or another host's: not ours to delete.
                if (result.Ranges[0].Entries is not [var entry] || !SubnetLease.TryParse(entry, out mine!, out _) || mine.PublicIP != publicIP) break;
            }
        }

        return deleted;
    }
}
