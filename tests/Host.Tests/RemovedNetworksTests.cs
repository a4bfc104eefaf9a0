using FlannelFlow.Cluster.Garbage;
using FlannelFlow.Host.Docker;

namespace FlannelFlow.Host.Tests;

public sealed class RemovedNetworksTests
{
    private readonly RemovedNetworks _removed = new();

    [Fact]
    public void ANetworkThatSwarmRemoved_IsNotAmongThem_ForAsLongAsTheEngineListsIt()
    {
        _removed.Heard("a");
        Assert.Equal(["b"], Listed("a", "b"));
        Assert.Equal(["b", "c"], Listed("a", "b", "c"));
    }

    [Fact]
    public void ANetworkThatIsNotListed_IsForgotten()
    {
        _removed.Heard("a");
        Assert.Equal(["b"], Listed("b"));
        Assert.Equal(["a", "b"], Listed("a", "b"));
    }

    private IEnumerable<string> Listed(params string[] ids) => _removed.Without([.. ids.Select(id => new DockerNetwork(id, null, null, []))]).Select(network => network.Id);
}
