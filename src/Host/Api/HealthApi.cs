using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Operations;

namespace FlannelFlow.Host.Api;

/// <param name="Detail">Of what is not well: why.</param>
public sealed record HealthCheck(string Name, bool Ok, string? Detail = null);

public sealed record Health(string Status, IReadOnlyList<HealthCheck> Checks);

/// <summary><c>/health/live</c>: the process serves. <c>/health/ready</c>: it can also do what Docker asks. For anybody.</summary>
public static class HealthApi
{
    public const string LivePath = "/health/live";
    public const string ReadyPath = "/health/ready";

    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        routes.MapGet(LivePath, http => WriteAsync(http, []));
        routes.MapGet(ReadyPath, async http => await WriteAsync(http, await ChecksAsync(http)));
    }

    private static async Task<IReadOnlyList<HealthCheck>> ChecksAsync(HttpContext http)
    {
        var services = http.RequestServices;
        HealthCheck etcd;
        try
        {
            await services.GetRequiredService<IEtcd>().RangeAsync(EtcdKeys.One(services.GetRequiredService<ClusterKeys>().Host("-")), http.RequestAborted);
            etcd = new HealthCheck("etcd", true);
        }
        catch (EtcdException e)
        {
            etcd = new HealthCheck("etcd", false, e.Message);
        }

        var mirror = services.GetRequiredService<DockerMirror>().Current is null
            ? new HealthCheck("mirror", false, "the cluster's state has not been read from etcd yet")
            : new HealthCheck("mirror", true);
        return [etcd, mirror];
    }

    private static Task WriteAsync(HttpContext http, IReadOnlyList<HealthCheck> checks)
    {
        var isWell = checks.All(check => check.Ok);
        http.Response.StatusCode = isWell ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        http.Response.Headers.CacheControl = "no-store";
        return http.Response.WriteAsJsonAsync(new Health(isWell ? "ok" : "not ready", checks), OperationsJson.Options, http.RequestAborted);
    }
}
