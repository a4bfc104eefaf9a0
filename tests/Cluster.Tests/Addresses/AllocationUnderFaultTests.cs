using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Cluster.Tests.Support;

namespace FlannelFlow.Cluster.Tests.Addresses;

[Trait("Needs", "etcd")]
public sealed class AllocationUnderFaultTests(EtcdProcess etcd) : IClassFixture<EtcdProcess>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>A write whose answer was lost may have happened: the same request, retried, gets what it got.</summary>
    [Fact]
    public async Task Allocations_EtcdKilledAndRestarted_AreNeitherLostNorDouble()
    {
        var space = new AddressSpaceOptions { AvailableSubnets = "10.0.0.0/12" }.ToAddressSpace();
        var keys = etcd.NewKeys();
        using var pools = new PoolAllocator(etcd.Store, keys, space, TimeProvider.System);
        var addresses = new AddressAllocator(etcd.Store, keys, TimeProvider.System, new AddressAllocatorOptions());
        var pool = await pools.AllocateAsync(new PoolRequest(null, null, "p"), Ct);
        var range = AddressRange.Service(pool.Layout());
        var (done, faults) = (0, 0);

        var asking = Enumerable.Range(0, 400).Select(i => i % 8 == 0
            ? RetriedAsync(async () => (await pools.AllocateAsync(new PoolRequest(null, null, $"p{i}"), Ct)).Cidr.ToString())
            : RetriedAsync(async () => (await addresses.RequestAsync(
                new AddressRequest(range, AddressKind.Provisional, null, $"r{i}", "m1"), Ct)).Address.ToString())).ToList();
        for (var round = 1; round <= 3; round++)
        {
            while (Volatile.Read(ref done) < round * 80) await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, Ct);
            await etcd.KillAsync();
            await etcd.StartAsync();
        }

        var got = await Task.WhenAll(asking);
        Assert.True(faults > 0, "no call met the fault");
        Assert.Equal(got.Length, got.Distinct().Count());
        Assert.Equal(350, (await addresses.ListRangeAsync(range, Ct)).Count);
        Assert.Equal(51, (await pools.ListAsync(Ct)).Count);

        async Task<string> RetriedAsync(Func<Task<string>> ask)
        {
            while (true)
            {
                try
                {
                    var answer = await ask();
                    Interlocked.Increment(ref done);
                    return answer;
                }
                catch (EtcdUnavailableException)
                {
                    Interlocked.Increment(ref faults);
                    await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Ct);
                }
            }
        }
    }
}
