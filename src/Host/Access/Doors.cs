using System.Net;
using FlannelFlow.Host.Api;
using FlannelFlow.Operations.Access;
using Microsoft.AspNetCore.Connections.Features;

namespace FlannelFlow.Host.Access;

/// <summary>Which door a request came in by, and what is behind it.</summary>
/// <remarks>
/// Docker's calls have a socket of their own, the command line another, which root and its group can open. Over the network come people, whose browser
/// may act for somebody else: the Host header must name the address (so that no name that was turned to 127.0.0.1 is served), and what comes from a page of
/// another origin is refused. No cookie opens the API, only the token itself; the dashboard's cookies are behind the last door.
/// </remarks>
internal sealed class Doors(FlannelFlowOptions options, Gate gate, IDashboard dashboard)
{
    private static readonly string[] ApiPaths = ["/api", "/elsa/api", "/health", "/metrics"];

    /// <summary>For <see cref="WebApplication"/>, after routing.</summary>
    public Task EnterAsync(HttpContext http, Func<HttpContext, Task> next)
    {
        var socket = SocketOf(http);
        var isApi = ApiPaths.Any(path => http.Request.Path.StartsWithSegments(path, StringComparison.Ordinal));
        if (socket is IPEndPoint) return FromNetworkAsync(http, isApi, next);
        if (socket?.ToString() == options.Plugin.Socket != isApi) return next(http);
        http.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }

    private async Task FromNetworkAsync(HttpContext http, bool isApi, Func<HttpContext, Task> next)
    {
        if (Strange(http) is { } reason)
        {
            await http.ProblemAsync(StatusCodes.Status403Forbidden, reason);
            return;
        }

        if (!isApi)
        {
            await dashboard.ServeAsync(http);
            return;
        }

        http.Response.Headers.XContentTypeOptions = "nosniff";
        var endpoint = http.GetEndpoint();
        if (endpoint is null || endpoint.Metadata.GetMetadata<OwnSocketOnly>() is not null)
        {
            await http.ProblemAsync(StatusCodes.Status404NotFound, $"there is no {http.Request.Method} {http.Request.Path}");
            return;
        }

        if (endpoint.Metadata.GetMetadata<RequiredRole>() is not { Role: var role })
        {
            await next(http);
            return;
        }

        if (await CallerAsync(http) is not { } caller) return;
        if (!caller.May(role))
        {
            await http.ProblemAsync(StatusCodes.Status403Forbidden, $"{caller.Name} is {caller.Role.ToString().ToLowerInvariant()}; this needs {role.ToString().ToLowerInvariant()}");
            return;
        }

        http.Features.Set(caller);
        await next(http);
    }

    /// <summary>Null: it was answered.</summary>
    private async Task<Caller?> CallerAsync(HttpContext http)
    {
        var header = http.Request.Headers.Authorization.ToString();
        if (header.Length == 0 && options.Access.Anonymous is { } role) return new Caller("anonymous", role);
        var from = http.Connection.RemoteIpAddress ?? IPAddress.None;
        if (gate.Failures.Wait(from) is { } wait)
        {
            http.Response.Headers.RetryAfter = ((int)Math.Ceiling(wait.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture);
            await http.ProblemAsync(StatusCodes.Status429TooManyRequests, $"{FailureLimit.Maximum} wrong tokens came from {from}: wait for {Math.Ceiling(wait.TotalSeconds)} s");
            return null;
        }

        if (header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) && await gate.FindAsync(header[7..], http.RequestAborted) is { } caller) return caller;
        if (header.Length > 0) gate.Failures.Failed(from);
        http.Response.Headers.WWWAuthenticate = "Bearer";
        await http.ProblemAsync(
            StatusCodes.Status401Unauthorized,
            header.Length == 0 ? "send Authorization: Bearer TOKEN (flannelflow token create makes one)" : "the token is none of this cluster, was revoked, or has expired");
        return null;
    }

    /// <summary>Why it must not be answered; null: it may.</summary>
    private string? Strange(HttpContext http)
    {
        var host = http.Request.Host;
        if (!options.Access.IsTls && host.Host is not ("localhost" or "127.0.0.1" or "[::1]") && !(IPAddress.TryParse(host.Host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address)))
            return $"this is no address of \"{host.Host}\"; use {options.Access.Endpoint}";
        var isSafe = HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method);
        var origin = http.Request.Headers.Origin.ToString();
        if (origin.Length > 0 && !origin.Equals($"{http.Request.Scheme}://{host}", StringComparison.OrdinalIgnoreCase) && (!isSafe || IsUpgrade(http)))
            return $"a page of {origin} asks for this";
        return null;
    }

    private static bool IsUpgrade(HttpContext http) =>
        http.Request.Headers.ContainsKey("Upgrade") || HttpMethods.IsConnect(http.Request.Method);

    /// <summary>Null: the caller has gone away meanwhile, and gets no answer.</summary>
    private static EndPoint? SocketOf(HttpContext http)
    {
        try
        {
            return http.Features.Get<IConnectionSocketFeature>()?.Socket.LocalEndPoint;
        }
        catch (ObjectDisposedException)
        {
            return null;
        }
    }
}

/// <summary>What people's browsers see.</summary>
internal interface IDashboard
{
    Task ServeAsync(HttpContext http);
}
