using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.LoadBalancing;

namespace FlannelFlow.Host.LoadBalancing;

/// <summary>Whose each pair of firewall marks is, by the pair's index.</summary>
/// <remarks>While etcd is away as it was last, like the mirror that it is compared with.</remarks>
public sealed class KnownMarks(MarkAllocator allocator)
{
    private volatile IReadOnlyDictionary<int, ServiceInNetwork>? _last;

    /// <exception cref="EtcdUnavailableException">etcd has not been there since this daemon started.</exception>
    public async Task<IReadOnlyDictionary<int, ServiceInNetwork>> ListAsync(CancellationToken ct)
    {
        try
        {
            return _last = (await allocator.ListAsync(ct)).ToDictionary(allocated => allocated.Index, allocated => allocated.Service);
        }
        catch (EtcdUnavailableException) when (_last is { } last)
        {
            return last;
        }
    }
}
