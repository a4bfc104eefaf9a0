using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Flannel;

/// <summary>flannel.env stands: from now on this host carries the network, also after a crash, and it is in use (not idle).</summary>
public sealed class WriteFlannelEnv(HostNetworks networks, FlannelProcesses flannel) : Activity<WriteFlannelEnv.In, Nothing>
{
    /// <param name="Mtu">Bytes; 0: what the fabric allows.</param>
    /// <param name="EncryptedPort">UDP port of an encrypted network; null or 0: it is not encrypted.</param>
    public sealed record In(string NetworkId, string Pool, int Vni, int Mtu, int? EncryptedPort = null);

    public override string Type => "FlannelFlow.WriteFlannelEnv";

    public override bool CanCompensate => true;

    public override Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var pool = IPv4Network.Parse(input.Pool);
        if (networks.FindByPool(pool) is { } other && other.NetworkId != input.NetworkId)
        {
            throw new RefusalException(
                $"network {input.NetworkId}: pool {pool} is still used on this host by network {other.NetworkId}, which Docker has not deleted here");
        }

        networks.Write(
            new HostNetwork(input.NetworkId, pool, input.Vni, input.Mtu, IdleSince: null) { EncryptedPort = input.EncryptedPort ?? 0 }, flannel.EnvironmentOf(pool));
        return Task.FromResult(Nothing.Instance);
    }

    public override Task CompensateAsync(In input, Nothing? output, ActivityExecution execution, CancellationToken ct)
    {
        var pool = IPv4Network.Parse(input.Pool);
        // In doubt, the pool may be another network's: the refusal above.
        if (networks.FindByPool(pool) is not { } other || other.NetworkId == input.NetworkId)
            networks.Delete(input.NetworkId, pool);
        return Task.CompletedTask;
    }
}
