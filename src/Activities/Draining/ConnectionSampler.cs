using System.Collections.Concurrent;
using System.Net;
using FlannelFlow.Linux.LoadBalancing;

namespace FlannelFlow.Activities.Draining;

/// <summary>Counts connections for many drains at once: those of one VIP share a look at the kernel's table.</summary>
public sealed class ConnectionSampler(ILoadBalancer balancer, TimeProvider time)
{
    private readonly ConcurrentDictionary<IPAddress, Sample> _samples = new();

    /// <summary>TCP connections through this host that a removal of the backend would cut, at most <paramref name="maximumAge"/> ago.</summary>
    public async Task<int> OpenAsync(IPAddress vip, IPAddress backend, TimeSpan maximumAge, CancellationToken ct)
    {
        var sample = _samples.GetOrAdd(vip, _ => new Sample());
        await sample.Gate.WaitAsync(ct);
        try
        {
            if (sample.Open is null || time.GetElapsedTime(sample.At) >= maximumAge)
            {
                sample.Open = null;
                var counted = await balancer.CountConnectionsAsync(vip, ct);
                sample.At = time.GetTimestamp();
                sample.Open = counted.GroupBy(connections => connections.Backend).ToDictionary(group => group.Key, group => group.Sum(connections => connections.Open));
            }

            return sample.Open.GetValueOrDefault(backend);
        }
        finally
        {
            sample.Gate.Release();
        }
    }

    private sealed class Sample
    {
        public SemaphoreSlim Gate { get; } = new(1, 1);

        public long At { get; set; }

        public Dictionary<IPAddress, int>? Open { get; set; }
    }
}
