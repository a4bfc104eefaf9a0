using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Ipam;

/// <summary>The pool has a VNI that no other pool of the cluster has. Undone, it is given back, unless the pool had one before.</summary>
public sealed class AllocateVni(VniAllocator vnis) : Activity<AllocateVni.In, AllocateVni.Out>
{
    /// <param name="Requested">Docker's driver option; 0: any.</param>
    public sealed record In(string Pool, int Requested, bool HadVni);

    public sealed record Out(int Vni);

    public override string Type => "FlannelFlow.AllocateVni";

    public override bool CanCompensate => true;

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct) =>
        new(await vnis.AllocateAsync(IPv4Network.Parse(input.Pool), input.Requested > 0 ? input.Requested : null, ct));

    public override async Task CompensateAsync(In input, Out? output, ActivityExecution execution, CancellationToken ct)
    {
        if (!input.HadVni)
            await vnis.ReleaseAsync(IPv4Network.Parse(input.Pool), ct);
    }
}
