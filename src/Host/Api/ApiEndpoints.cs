using System.Text.Json;
using FlannelFlow.Cluster.Access;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Operations;
using FlannelFlow.Operations.Access;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Api;

/// <summary>What an operation of the API needs of whoever asks.</summary>
public sealed record RequiredRole(Role Role);

/// <summary>How every operation of the API answers: JSON, and errors as RFC 9457 problems.</summary>
/// <remarks>
/// 400 what makes no sense, 401 not signed in, 403 not allowed, 404 what is not there, 409 what its state does not allow, 429 wrong too often, 503 while
/// stopping, while etcd is away or the kernel cannot be read, 504 another host does not answer.
/// </remarks>
internal static class ApiEndpoints
{
    public static IEndpointConventionBuilder MapApi(
        this IEndpointRouteBuilder routes, string method, string path, Func<HttpContext, Task<object>> answer, Role? role = null) =>
        routes.MapMethods(path, [method], http => AnswerAsync(http, answer))
            .WithMetadata(new RequiredRole(role ?? (method == "GET" ? Role.Viewer : Role.Operator)));

    public static async Task<T> BodyAsync<T>(this HttpContext http) =>
        await JsonSerializer.DeserializeAsync<T>(http.Request.Body, OperationsJson.Options, http.RequestAborted)
        ?? throw new BadRequestException("the body is null");

    /// <summary>The query by name; of a name that is given twice, the first.</summary>
    public static Dictionary<string, string> QueryWords(this HttpContext http) =>
        http.Request.Query.ToDictionary(word => word.Key, word => word.Value.FirstOrDefault() ?? "", StringComparer.Ordinal);

    public static string RouteWord(this HttpContext http, string name) => (string)http.Request.RouteValues[name]!;

    /// <summary>Who does it: over the network whoever has signed in, on the daemon's own socket whoever says so.</summary>
    public static string? Who(this HttpContext http, string? said) => http.Features.Get<Caller>()?.Name ?? said;

    public static Task ProblemAsync(this HttpContext http, int status, string detail)
    {
        http.Response.StatusCode = status;
        return http.Response.WriteAsJsonAsync(
            new Problem(TitleOf(status), status, detail), OperationsJson.Options, "application/problem+json", http.RequestAborted);
    }

    private static async Task AnswerAsync(HttpContext http, Func<HttpContext, Task<object>> answer)
    {
        object result;
        try
        {
            result = await answer(http);
        }
        catch (Exception failed) when (StatusOf(failed) is { } status)
        {
            await http.ProblemAsync(status, failed.Message);
            return;
        }

        await http.Response.WriteAsJsonAsync(result, result.GetType(), OperationsJson.Options, http.RequestAborted);
    }

    private static int? StatusOf(Exception failed) => failed switch
    {
        BadRequestException or InvalidAlterationException or InvalidSignalException or JsonException => 400,
        KeyNotFoundException => 404,
        AlterationRefusedException => 409,
        RuntimeStoppedException or JournalFullException or EtcdException or NetlinkException or CommandException => 503,
        HostSilentException => 504,
        _ => null,
    };

    private static string TitleOf(int status) => status switch
    {
        400 => "Bad request",
        401 => "Not signed in",
        403 => "Not allowed",
        404 => "Not found",
        409 => "Not possible now",
        429 => "Too many attempts",
        504 => "No answer",
        _ => "Not available",
    };
}
