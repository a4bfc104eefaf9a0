using FlannelFlow.Operations;
using FlannelFlow.Operations.Draining;

namespace FlannelFlow.Host.Api;

/// <summary>The drains of all hosts over HTTP: to see them, and to mend them wherever they are.</summary>
public static class DrainApi
{
    public const string DrainsPath = "/api/v1/drains";

    public static void MapDrains(this IEndpointRouteBuilder routes)
    {
        var services = routes.ServiceProvider;
        routes.MapApi("GET", DrainsPath, async http => await services.GetRequiredService<DrainList>().ReadAsync(http.RequestAborted))
            .Described("The open drains of all hosts", typeof(DrainPage));
        routes.MapApi("GET", DrainsPath + "/{id}", async http =>
            await services.GetRequiredService<OperatorDesk>().DrainAsync(http.RouteWord("id"), "show", Asker.ToSee("api"), http.RequestAborted))
            .Described("An open drain, wherever it is", typeof(DrainDetail));
        foreach (var kind in new[] { "retry", "force", "cancel" })
        {
            routes.MapApi("POST", $"{DrainsPath}/{{id}}/{kind}", async http =>
            {
                var body = await http.BodyAsync<DrainBody>();
                return await services.GetRequiredService<OperatorDesk>()
                    .DrainAsync(http.RouteWord("id"), kind, new Asker(http.Who(body.Who), body.Reason), http.RequestAborted);
            }).Described($"Does it to the drain, wherever it is: {kind}", typeof(DrainDetail), typeof(DrainBody));
        }
    }
}

/// <param name="Who">On the daemon's own socket only; over the network it is whoever has signed in.</param>
public sealed record DrainBody(string? Who, string? Reason);
