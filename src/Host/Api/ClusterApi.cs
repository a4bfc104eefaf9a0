using System.Globalization;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Operations;
using FlannelFlow.Operations.Cluster;
using FlannelFlow.Operations.Planning;

namespace FlannelFlow.Host.Api;

/// <summary>Hosts, networks, services and incidents of the whole cluster over HTTP, from this host's copy of the mirror.</summary>
public static class ClusterApi
{
    public const string HostsPath = "/api/v1/hosts";
    public const string NetworksPath = "/api/v1/networks";
    public const string ServicesPath = "/api/v1/services";
    public const string IncidentsPath = "/api/v1/incidents";
    public const string PlanPath = "/api/v1/plan";
    public const string NamesPath = "/api/v1/names";

    public static void MapCluster(this IEndpointRouteBuilder routes)
    {
        var mirror = routes.ServiceProvider.GetRequiredService<DockerMirror>();
        routes.MapApi("GET", HostsPath, _ => Task.FromResult<object>(ClusterViews.Hosts(State()))).Described("The hosts of the cluster", typeof(IReadOnlyList<HostView>));
        routes.MapApi("GET", NetworksPath, _ => Task.FromResult<object>(ClusterViews.Networks(State()))).Described("The networks", typeof(IReadOnlyList<NetworkView>));
        routes.MapApi("GET", NetworksPath + "/{id}", async http =>
            await http.RequestServices.GetRequiredService<AddressMaps>().ReadAsync(http.RouteWord("id"), http.RequestAborted))
            .Described("A network's pool: who has which address", typeof(AddressMap));
        routes.MapApi("GET", ServicesPath, _ => Task.FromResult<object>(ClusterViews.Services(State()))).Described("The services, with their backends", typeof(IReadOnlyList<ServiceView>));
        routes.MapApi("GET", ServicesPath + "/{id}", http => Task.FromResult<object>(
            ClusterViews.Service(State(), http.RouteWord("id")) ?? throw new KeyNotFoundException($"there is no service \"{http.RouteWord("id")}\" on our networks"))).Described("A service", typeof(ServiceView));
        routes.MapApi("GET", IncidentsPath, async http => await http.RequestServices.GetRequiredService<Incidents>().ReadAsync(http.RequestAborted))
            .Described("Workflows of all hosts that wait for a person", typeof(IncidentPage));
        routes.MapApi("GET", NamesPath, http =>
        {
            var words = http.QueryWords();
            return Task.FromResult<object>(NameLookup.Of(
                State(), words.GetValueOrDefault("container", ""), words.GetValueOrDefault("name", ""), http.RequestServices.GetRequiredService<DnsOptions>().Mode));
        }).Described("What a container's DNS query for a name is answered", typeof(NameLookupView), body: null, "container", "name");
        routes.MapApi("GET", PlanPath, http => Task.FromResult<object>(
            Plan(http.QueryWords(), http.RequestServices.GetRequiredService<FlannelFlowOptions>().Addresses)))
            .Described("What an address space holds", typeof(CapacityPlan), body: null, "available", "network-size", "host-size", "service-size", "services");

        MirrorState State() => mirror.Current ?? throw new EtcdException("the cluster's state has not been read from etcd yet", cause: null);
    }

    /// <summary>Of the options given, and of the daemon's own where one is not.</summary>
    internal static CapacityPlan Plan(IReadOnlyDictionary<string, string> words, AddressSpaceOptions own)
    {
        string[] known = ["available", "network-size", "host-size", "service-size", "services"];
        if (words.Keys.FirstOrDefault(key => !known.Contains(key)) is { } unknown)
            throw new BadRequestException($"unknown word \"{unknown}\" (known: {string.Join(", ", known)})");
        var options = own with
        {
            AvailableSubnets = words.GetValueOrDefault("available") ?? own.AvailableSubnets,
            NetworkSubnetSize = Number("network-size") ?? own.NetworkSubnetSize,
            DefaultHostSubnetSize = Number("host-size") ?? own.DefaultHostSubnetSize,
            ServiceSubnetSize = Number("service-size") ?? own.ServiceSubnetSize,
        };
        return CapacityPlan.Of(options, Number("services") ?? 0);

        int? Number(string name) =>
            words.GetValueOrDefault(name) is not { } text ? null
            : int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) ? value
            : throw new BadRequestException($"{name}: \"{text}\" is no whole number");
    }
}
