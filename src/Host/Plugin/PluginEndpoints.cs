namespace FlannelFlow.Host.Plugin;

/// <summary>The calls of dockerd, by path. What is not here is answered 404, which dockerd takes as "not offered".</summary>
public static class PluginEndpoints
{
    public static void MapPlugin(this IEndpointRouteBuilder routes)
    {
        var services = routes.ServiceProvider;
        var edge = services.GetRequiredService<PluginCallEdge>();
        var network = services.GetRequiredService<NetworkDriver>();
        var ipam = services.GetRequiredService<IpamDriver>();

        Fixed("/Plugin.Activate", new ActivateAnswer(["NetworkDriver", "IpamDriver"]));

        Fixed("/NetworkDriver.GetCapabilities", new NetworkCapabilities("global", "global"));
        Fixed("/NetworkDriver.DiscoverNew", new EmptyAnswer());
        Fixed("/NetworkDriver.DiscoverDelete", new EmptyAnswer());
        Call<AllocateNetworkRequest, AllocateNetworkAnswer>("/NetworkDriver.AllocateNetwork", network.AllocateNetworkAsync);
        Call<NetworkRequest, EmptyAnswer>("/NetworkDriver.FreeNetwork", network.FreeNetworkAsync);
        Call<CreateNetworkRequest, EmptyAnswer>("/NetworkDriver.CreateNetwork", network.CreateNetworkAsync);
        Call<NetworkRequest, EmptyAnswer>("/NetworkDriver.DeleteNetwork", network.DeleteNetworkAsync);
        Call<CreateEndpointRequest, CreateEndpointAnswer>("/NetworkDriver.CreateEndpoint", network.CreateEndpointAsync);
        Call<EndpointRequest, EmptyAnswer>("/NetworkDriver.DeleteEndpoint", network.DeleteEndpointAsync);
        Call<EndpointRequest, EndpointInfoAnswer>("/NetworkDriver.EndpointOperInfo", network.EndpointOperInfoAsync);
        Call<JoinRequest, JoinAnswer>("/NetworkDriver.Join", network.JoinAsync);
        Call<EndpointRequest, EmptyAnswer>("/NetworkDriver.Leave", network.LeaveAsync);
        Call<EndpointRequest, EmptyAnswer>("/NetworkDriver.ProgramExternalConnectivity", NothingToDo);
        Call<EndpointRequest, EmptyAnswer>("/NetworkDriver.RevokeExternalConnectivity", NothingToDo);

        Fixed("/IpamDriver.GetCapabilities", new IpamCapabilities(RequiresMacAddress: false, RequiresRequestReplay: false));
        Fixed("/IpamDriver.GetDefaultAddressSpaces", new AddressSpacesAnswer(AddressSpaces.Local, AddressSpaces.Global));
        Call<RequestPoolRequest, RequestPoolAnswer>("/IpamDriver.RequestPool", ipam.RequestPoolAsync);
        Call<PoolRequest, EmptyAnswer>("/IpamDriver.ReleasePool", ipam.ReleasePoolAsync);
        Call<RequestAddressRequest, RequestAddressAnswer>("/IpamDriver.RequestAddress", ipam.RequestAddressAsync);
        Call<ReleaseAddressRequest, EmptyAnswer>("/IpamDriver.ReleaseAddress", ipam.ReleaseAddressAsync);

        // The answer does not depend on the body, so calls with Content-Length 0 are taken.
        void Fixed<T>(string path, T answer) =>
            routes.MapPost(path, http => PluginCallEdge.WriteAsync(http, StatusCodes.Status200OK, answer));

        void Call<TRequest, TAnswer>(string path, Func<TRequest, PluginCall, CancellationToken, Task<TAnswer>> handler)
            where TRequest : class =>
            routes.MapPost(path, http => edge.AnswerAsync(http, handler));

        // Joins answer without a Gateway, so Docker publishes ports through its own docker_gwbridge and has nothing to ask of us.
        static Task<EmptyAnswer> NothingToDo(EndpointRequest request, PluginCall call, CancellationToken ct) =>
            Task.FromResult(new EmptyAnswer());
    }
}
