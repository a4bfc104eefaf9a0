using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Draining;

/// <summary>
/// This host sends the backend no new connection; those that it has live on. Unless it is the last of its service that lives: then it goes on
/// getting them. Nothing is done for one that is gone or ready again: the next step finds that out.
/// </summary>
public sealed class SetWeightZero(DockerMirror mirror, ILoadBalancer balancer, DrainTerms terms, TimeProvider time) : Activity<SetWeightZero.In, SetWeightZero.Out>
{
    /// <param name="Marks">Index of the pair.</param>
    public sealed record In(string ServiceId, string NetworkId, string ContainerId, string Address, string Vip, int Marks);

    /// <param name="Began">By this host's clock.</param>
    public sealed record Out(DateTimeOffset Began, TimeSpan Limit, TimeSpan MinimumGrace, TimeSpan UdpGrace);

    public override string Type => "FlannelFlow.SetWeightZero";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var backend = new DrainedBackend(input.ServiceId, input.NetworkId, input.ContainerId, input.Address, input.Vip, input.Marks);
        var state = mirror.Current;
        var limits = backend.LimitsIn(state, terms);
        var now = time.GetUtcNow();
        var standing = backend.StandingIn(state);
        if (standing is Standing.Unknown or Standing.Drains)
        {
            var began = new BackendEvent.DrainBegan(limits, IsLast: standing is Standing.Drains { IsLast: true }, now);
            await KernelWeights.ApplyAsync(balancer, backend, BackendLife.Decide(new BackendState.Ready(BackendLife.HeldOpenWeight), began).Commands, ct);
        }

        return new Out(now, limits.Limit, limits.MinimumGrace, limits.UdpGrace);
    }
}

/// <summary>The commands of <see cref="BackendLife"/> that change weights, in the kernel. Removals are a step of their own.</summary>
internal static class KernelWeights
{
    public static async Task ApplyAsync(ILoadBalancer balancer, DrainedBackend backend, IEnumerable<BackendCommand> commands, CancellationToken ct)
    {
        foreach (var weights in commands.OfType<BackendCommand.SetWeights>())
        {
            try
            {
                await balancer.EnsureBackendAsync(backend.Key, new Backend(backend.IP, weights.Tcp, weights.Udp), ct);
            }
            catch (ServiceMissingException)
            {
                // Withdrawn meanwhile, with all its backends: nobody is sent anywhere.
            }
        }
    }
}
