using System.Text.Json;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Operations;
using FlannelFlow.Host.Draining;
using FlannelFlow.Operations;
using FlannelFlow.Operations.Draining;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Api;

/// <summary>The drains of all hosts over HTTP: to see them, and to mend them wherever they are.</summary>
/// <remarks>Errors as of <see cref="WorkflowApi"/>; 504 when another host does not answer in time.</remarks>
public static class DrainApi
{
    public const string DrainsPath = "/api/v1/drains";

    /// <summary>For another host's answer.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    public static void MapDrains(this IEndpointRouteBuilder routes)
    {
        var list = routes.ServiceProvider.GetRequiredService<DrainList>();
        Map("GET", DrainsPath, async http => await list.ReadAsync(http.RequestAborted));
        Map("GET", DrainsPath + "/{id}", http => RunAsync(http, "show"));
        Map("POST", DrainsPath + "/{id}/{kind}", http => RunAsync(http, (string)http.Request.RouteValues["kind"]!));

        void Map(string method, string path, Func<HttpContext, Task<object>> answer) =>
            routes.MapMethods(path, [method], http => AnswerAsync(http, answer));
    }

    /// <summary>Here, or by a request to the host that has the drain.</summary>
    private static async Task<object> RunAsync(HttpContext http, string kind)
    {
        var services = http.RequestServices;
        var options = services.GetRequiredService<FlannelFlowOptions>();
        var body = kind == "show"
            ? new DrainBody(options.HostName, "to see it")
            : await JsonSerializer.DeserializeAsync<DrainBody>(http.Request.Body, OperationsJson.Options, http.RequestAborted);
        if (kind is not ("show" or "retry" or "force" or "cancel"))
            throw new InvalidAlterationException($"\"{kind}\" is none of retry, force, cancel");
        if (string.IsNullOrWhiteSpace(body?.Who) || string.IsNullOrWhiteSpace(body.Reason))
            throw new InvalidAlterationException($"{kind}: who does it, and the reason, must be given");
        var drain = await services.GetRequiredService<DrainList>().FindAsync((string)http.Request.RouteValues["id"]!, http.RequestAborted);
        var request = new OperatorRequest(
            Guid.CreateVersion7().ToString("n"), kind, drain.Id, body.Who, body.Reason, options.HostName, RequestState.Asked);
        if (drain.Host == options.HostName)
            return await services.GetRequiredService<DrainOperations>().RunAsync(request, http.RequestAborted);
        var answered = await services.GetRequiredService<OperationsStore>().AskAsync(drain.Host, request, Patience, http.RequestAborted);
        return answered switch
        {
            null => throw new HostSilentException($"host {drain.Host} did not answer within {Patience.TotalSeconds} s; it is still asked for {OperationsStore.RequestLife.TotalSeconds} s in all"),
            { State: RequestState.Refused } => throw new AlterationRefusedException(answered.Refusal ?? "refused"),
            _ => answered.Answer!,
        };
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
            http.Response.StatusCode = status.Code;
            await http.Response.WriteAsJsonAsync(
                new Problem(status.Title, status.Code, failed.Message), OperationsJson.Options, "application/problem+json", http.RequestAborted);
            return;
        }

        await http.Response.WriteAsJsonAsync(result, result.GetType(), OperationsJson.Options, http.RequestAborted);
    }

    private static (int Code, string Title)? StatusOf(Exception failed) => failed switch
    {
        InvalidAlterationException or JsonException => (400, "Bad request"),
        KeyNotFoundException => (404, "Not found"),
        AlterationRefusedException => (409, "Not possible now"),
        RuntimeStoppedException or EtcdException => (503, "Not available"),
        HostSilentException => (504, "No answer"),
        _ => null,
    };

    private sealed class HostSilentException(string message) : Exception(message);
}

public sealed record DrainBody(string? Who, string? Reason);
