using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Flannel;

/// <summary>flannel's configuration of the network is in etcd, where any flanneld can read it. Undone, it is deleted, unless it is older.</summary>
public sealed class WriteFlannelConfig(PoolAllocator pools, FlannelNetworkConfigs configs) : Activity<WriteFlannelConfig.In, Nothing>
{
    /// <param name="HadVni">The network was configured before this run.</param>
    /// <param name="EncryptedPort">UDP port of an encrypted network; null or 0: it is not encrypted.</param>
    public sealed record In(string Pool, int Vni, bool HadVni, int? EncryptedPort = null);

    public override string Type => "FlannelFlow.WriteFlannelConfig";

    public override bool CanCompensate => true;

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var pool = IPv4Network.Parse(input.Pool);
        var record = await pools.FindAsync(pool, ct)
            ?? throw new InvalidOperationException($"writing the flannel configuration of {pool}: the pool is not in etcd any more");
        // The layout is the pool's own: options that changed since do not move an existing network.
        await configs.WriteAsync(pool, FlannelNetworkConfig.For(record.Layout(), input.Vni, input.EncryptedPort ?? 0), ct);
        return Nothing.Instance;
    }

    public override async Task CompensateAsync(In input, Nothing? output, ActivityExecution execution, CancellationToken ct)
    {
        if (!input.HadVni)
            await configs.DeleteAsync(IPv4Network.Parse(input.Pool), ct);
    }
}
