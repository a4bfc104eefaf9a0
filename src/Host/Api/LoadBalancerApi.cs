using FlannelFlow.Activities.LoadBalancing;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Host.LoadBalancing;
using FlannelFlow.Linux.LoadBalancing;

namespace FlannelFlow.Host.Api;

/// <param name="Plane">ipvs or nftables.</param>
/// <param name="Revision">Of the mirror from which the wanted state was made.</param>
/// <param name="AppliedRevision">This host acts by every change up to it.</param>
/// <param name="Wanted">What is to be in the kernel: sorted lines.</param>
/// <param name="Kernel">What is in the kernel, in the same form.</param>
public sealed record LoadBalancersView(string Plane, long Revision, long AppliedRevision, string Wanted, string Kernel);

/// <summary>What the load balancers of this host are, and what they are to be.</summary>
public static class LoadBalancerApi
{
    public static void MapLoadBalancers(this IEndpointRouteBuilder routes) => routes.MapApi("GET", "/api/v1/load-balancers", async http =>
    {
        var services = http.RequestServices;
        return await ReadAsync(
            services.GetRequiredService<Cluster.Mirror.DockerMirror>(), services.GetRequiredService<HostNetworks>(), services.GetRequiredService<HostBalancing>(),
            services.GetRequiredService<ILoadBalancer>(), services.GetRequiredService<KnownMarks>(), http.RequestAborted);
    }).Described("What this host's load balancers are, and are to be", typeof(LoadBalancersView));

    private static async Task<LoadBalancersView> ReadAsync(
        Cluster.Mirror.DockerMirror mirror, HostNetworks networks, HostBalancing balancing, ILoadBalancer balancer, KnownMarks known, CancellationToken ct)
    {
        var state = balancing.Mirror;
        var marks = (await known.ListAsync(ct)).ToDictionary(pair => pair.Value, pair => pair.Key);
        var wanted = DesiredLoadBalancers.Of(state, networks.All.Select(network => network.NetworkId).ToHashSet(StringComparer.Ordinal)).Values
            .Where(service => marks.ContainsKey(service.Service))
            .GroupBy(service => service.Service.NetworkId)
            .Select(group => (Frame: balancing.FrameOf(group.Key), Services: group.Select(service => balancing.ServiceOf(service, marks[service.Service]))))
            .Where(network => network.Frame is not null)
            .Select(network => new BalancedNetwork(network.Frame!, [.. network.Services]));
        return new LoadBalancersView(
            balancer.Plane.ToString().ToLowerInvariant(),
            state.Revision,
            mirror.AppliedRevision,
            LoadBalancerTables.ToText(wanted),
            (await balancer.ReadAsync(ct)).ToText());
    }
}
