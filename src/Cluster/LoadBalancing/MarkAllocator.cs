using System.Globalization;
using System.Text.Json;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster.LoadBalancing;

/// <summary><c>load-balancing/marks/&lt;index&gt;</c>: whose the pair of firewall marks with this index is.</summary>
internal sealed record MarkRecord(string ServiceId, string NetworkId);

/// <param name="Index">Of the pair: its TCP and its UDP mark follow from it.</param>
/// <param name="ModRevision">Of its record.</param>
public sealed record AllocatedMarks(ServiceInNetwork Service, int Index, long ModRevision);

/// <summary>Pairs of firewall marks, one per service and network, the same on all hosts and unique in the cluster.</summary>
/// <remarks>
/// A record is created only where its key is absent and no other record of the folder was created since it was read: so no index has two
/// owners, and no owner two indexes. Indexes go round, so that a released one rests as long as possible: a host that has not yet taken a
/// service away must not find its marks with another.
/// </remarks>
public sealed class MarkAllocator(IEtcd etcd, ClusterKeys keys, int lastIndex)
{
    /// <summary>The pair of a service in a network; the same however often and by how many hosts it is asked.</summary>
    /// <exception cref="AddressRefusedException">All are in use.</exception>
    public async Task<AllocatedMarks> AllocateAsync(ServiceInNetwork service, CancellationToken ct)
    {
        while (true)
        {
            var range = await etcd.RangeAsync(EtcdKeys.Under(keys.Marks), ct);
            var all = Read(range);
            if (all.FirstOrDefault(marks => marks.Service == service) is { } own) return own;
            var index = NextFree(all, range);
            var result = await etcd.TransactAsync(
                new EtcdTransaction(
                    [EtcdCompare.Absent(keys.Mark(index)), new EtcdCompare.NothingCreatedUnder(keys.Marks, range.Revision)],
                    [new EtcdOperation.Put(keys.Mark(index), JsonSerializer.Serialize(new MarkRecord(service.ServiceId, service.NetworkId), ClusterJson.Default.MarkRecord))]),
                ct);
            if (result.Succeeded) return new AllocatedMarks(service, index, result.Revision);
        }
    }

    public async Task<IReadOnlyList<AllocatedMarks>> ListAsync(CancellationToken ct) => Read(await etcd.RangeAsync(EtcdKeys.Under(keys.Marks), ct));

    /// <summary>Gives a pair back. Success also when it is gone, or somebody else's by now.</summary>
    public Task ReleaseAsync(AllocatedMarks marks, CancellationToken ct) => etcd.TransactAsync(
        new EtcdTransaction(
            [new EtcdCompare.ModRevision(keys.Mark(marks.Index), marks.ModRevision)],
            [new EtcdOperation.Delete(EtcdKeys.One(keys.Mark(marks.Index)))]),
        ct);

    /// <summary>The one after the one created last.</summary>
    private int NextFree(List<AllocatedMarks> all, EtcdRange range)
    {
        var taken = all.Select(marks => marks.Index).ToHashSet();
        var latest = range.Entries.MaxBy(entry => entry.CreateRevision) is { } entry && IndexOf(entry.Key) is { } index ? index : lastIndex;
        for (var step = 1; step <= lastIndex + 1L; step++)
        {
            var candidate = (int)((latest + (long)step) % (lastIndex + 1L));
            if (!taken.Contains(candidate)) return candidate;
        }

        throw new AddressRefusedException($"all {lastIndex + 1L} pairs of firewall marks are in use");
    }

    /// <summary>A key that is no record of ours takes its index: nobody knows who acts by it.</summary>
    private List<AllocatedMarks> Read(EtcdRange range)
    {
        var all = new List<AllocatedMarks>();
        foreach (var entry in range.Entries)
        {
            if (IndexOf(entry.Key) is not { } index) continue;
            MarkRecord? record = null;
            try
            {
                record = JsonSerializer.Deserialize(entry.Value, ClusterJson.Default.MarkRecord);
            }
            catch (JsonException)
            {
                // Counts as taken, by nobody.
            }

            all.Add(new AllocatedMarks(new ServiceInNetwork(record?.ServiceId ?? "", record?.NetworkId ?? ""), index, entry.ModRevision));
        }

        return all;
    }

    private int? IndexOf(string key) =>
        int.TryParse(key.AsSpan(keys.Marks.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index <= lastIndex ? index : null;
}
