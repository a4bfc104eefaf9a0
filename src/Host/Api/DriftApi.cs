using FlannelFlow.Host.Reconcile;
using FlannelFlow.Operations.Reconcile;

namespace FlannelFlow.Host.Api;

/// <summary>What differs on this host between Docker, etcd, the kernel and its files, and what was mended.</summary>
public static class DriftApi
{
    public const string DriftPath = "/api/v1/drift";

    public static void MapDrift(this IEndpointRouteBuilder routes) =>
        routes.MapApi("GET", DriftPath, http => Task.FromResult<object>(http.RequestServices.GetRequiredService<DriftBook>().View()))
            .Described("What differs on this host between Docker, etcd, the kernel and its files, and what was mended", typeof(DriftView));
}
