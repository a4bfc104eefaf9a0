using System.Net;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Linux.LoadBalancing;

namespace FlannelFlow.Activities.Draining;

/// <summary>The backend that a drain is about, as its workflow carries it: enough to end the drain while etcd is away.</summary>
/// <param name="Marks">Index of the pair.</param>
internal sealed record DrainedBackend(string ServiceId, string NetworkId, string ContainerId, string Address, string Vip, int Marks)
{
    public VirtualServiceKey Key => new(IPAddress.Parse(Vip), FwMarkPair.Of(Marks));

    public IPAddress IP => IPAddress.Parse(Address);

    public ServiceInNetwork Service => new(ServiceId, NetworkId);

    public override string ToString() => $"{Service}, backend {Address} (container {ContainerId})";

    /// <summary>What the cluster says of it now.</summary>
    public Standing StandingIn(MirrorState? state)
    {
        if (state is null)
            return new Standing.Unknown();
        if (!state.Containers.TryGetValue(ContainerId, out var container)
            || !state.Runs(container)
            || !container.Networks.Any(endpoint => endpoint.NetworkId == NetworkId && endpoint.Address.ToString() == Address))
            return new Standing.Gone();
        var wanted = DesiredLoadBalancers.Of(state, Service)?.Backends.FirstOrDefault(backend => backend.ContainerId == ContainerId);
        return container.State == ContainerState.Draining || wanted is null
            ? new Standing.Drains(IsLast: wanted is { Weight: > 0 })
            : new Standing.Ready(wanted.Weight);
    }

    /// <summary>How it is drained: the daemon's options, its service's labels, and the stop grace of the container or the service.</summary>
    public DrainLimits LimitsIn(MirrorState? state, DrainTerms options)
    {
        var service = state?.Services.GetValueOrDefault(ServiceId);
        var terms = service is null ? options : options.With(service.Labels);
        var grace = state?.Containers.GetValueOrDefault(ContainerId)?.StopGrace
            ?? (service?.StopGraceSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null);
        return new DrainLimits(terms.LimitFor(grace), terms.MinimumGrace, terms.UdpGrace);
    }
}

/// <summary>What the mirror says of a backend.</summary>
internal abstract record Standing
{
    /// <summary>The mirror was not read yet since this daemon started.</summary>
    public sealed record Unknown : Standing;

    /// <summary>The container does not run any more, or has left the network.</summary>
    public sealed record Gone : Standing;

    /// <param name="IsLast">It is held open.</param>
    public sealed record Drains(bool IsLast) : Standing;

    public sealed record Ready(int Weight) : Standing;
}
