using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Draining;

/// <summary>
/// The backend no longer stands behind the VIP on this host; what is left of its connections is reset with the client's next packet. If the drain was
/// called off it gets its weight back instead, and keeps its connections.
/// </summary>
public sealed class RemoveDestination(DockerMirror mirror, ILoadBalancer balancer) : Activity<RemoveDestination.In, RemoveDestination.Out>
{
    public sealed record In(string ServiceId, string NetworkId, string ContainerId, string Address, string Vip, int Marks, string End);

    public sealed record Out(bool Removed);

    public override string Type => "FlannelFlow.RemoveDestination";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var backend = new DrainedBackend(input.ServiceId, input.NetworkId, input.ContainerId, input.Address, input.Vip, input.Marks);

        // Also one that came back between the steps: it is looked at anew.
        if (backend.StandingIn(mirror.Current) is Standing.Ready ready)
        {
            await KernelWeights.ApplyAsync(balancer, backend, [new BackendCommand.SetWeights(ready.Weight, ready.Weight)], ct);
            return new Out(Removed: false);
        }

        // Called off, and draining anew by now: the next drain is another workflow, which waits for this one.
        if (input.End == nameof(DrainEnd.CalledOff))
            return new Out(Removed: false);
        await balancer.RemoveBackendAsync(backend.Key, backend.IP, ct);
        return new Out(Removed: true);
    }
}
