using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Host.Plugin;
using Microsoft.Extensions.Configuration;

namespace FlannelFlow.Host.Tests;

/// <summary>What an etcd that is away for a moment means for Docker's calls; against a real one, see the end-to-end suite.</summary>
public sealed class IpamDriverTests : IDisposable
{
    private readonly DirectoryInfo _state = Directory.CreateTempSubdirectory("ff-ipam-");
    private readonly SilentEtcd _etcd = new();

    public void Dispose() => _state.Delete(recursive: true);

    [Fact]
    public async Task RequestAddress_OfTheLeader_WaitsForAnEtcdThatIsAwayForAMoment()
    {
        _etcd.Refusals = 2;
        var refused = await Assert.ThrowsAsync<PluginRefusalException>(() => RequestLeaderAddressAsync());
        Assert.Contains("the pool 10.128.0.0/20 is not allocated", refused.Message, StringComparison.Ordinal);
        Assert.Equal(3, _etcd.Reads);
    }

    [Fact]
    public async Task RequestAddress_OfTheLeader_DoesNotWaitForEver()
    {
        _etcd.Refusals = int.MaxValue;
        await Assert.ThrowsAsync<EtcdUnavailableException>(() => RequestLeaderAddressAsync());
        Assert.Equal(4, _etcd.Reads);
    }

    private Task<RequestAddressAnswer> RequestLeaderAddressAsync()
    {
        var options = new ConfigurationReader(new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["STATE_DIRECTORY"] = _state.FullName,
            ["Flannel:Binary"] = Environment.ProcessPath,
        }).Build()).Read();
        var keys = new ClusterKeys("/flannelflow");
        var pools = new PoolAllocator(_etcd, keys, options.Addresses.ToAddressSpace(), TimeProvider.System);
        var addresses = new AddressAllocator(_etcd, keys, TimeProvider.System, new AddressAllocatorOptions());
        var ipam = new IpamDriver(new RecordedWorkflows(), new HostNetworks(_state.FullName), pools, addresses, options, TimeProvider.System);
        return ipam.RequestAddressAsync(new RequestAddressRequest("FlannelGlobal/10.128.0.0/20", null, null), new PluginCall("call"), TestContext.Current.CancellationToken);
    }
}
