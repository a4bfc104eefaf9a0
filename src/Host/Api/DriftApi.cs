using FlannelFlow.Operations;
using FlannelFlow.Operations.Reconcile;

namespace FlannelFlow.Host.Api;

/// <summary>What differs on this host, or with <c>?host=</c> on another, between Docker, etcd, the kernel and its files, and what was mended.</summary>
public static class DriftApi
{
    public const string DriftPath = "/api/v1/drift";

    public static void MapDrift(this IEndpointRouteBuilder routes) =>
        routes.MapApi("GET", DriftPath, async http =>
            await http.RequestServices.GetRequiredService<OperatorDesk>().DriftAsync(http.Request.Query["host"].FirstOrDefault(), http.RequestAborted))
            .Described("What differs on a host between Docker, etcd, the kernel and its files, and what was mended", typeof(DriftView), body: null, "host");
}
