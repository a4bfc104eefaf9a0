using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Cluster.Access;
using FlannelFlow.Operations;
using FlannelFlow.Operations.Workflows;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Api;

/// <summary>The workflows of this host over HTTP, or with <c>?host=</c> of another: to see them and to mend them.</summary>
public static class WorkflowApi
{
    public const string WorkflowsPath = "/api/v1/workflows";
    public const string ClusterWorkflowsPath = "/api/v1/cluster/workflows";
    public const string DefinitionsPath = "/api/v1/definitions";
    public const string SignalsPath = "/api/v1/signals";
    public const string LanesPath = "/api/v1/lanes";

    public static void MapWorkflows(this IEndpointRouteBuilder routes)
    {
        var runtime = routes.ServiceProvider.GetRequiredService<WorkflowRuntime>();
        var here = new HostWorkflows(runtime);
        routes.MapApi("GET", WorkflowsPath, async http =>
        {
            var words = http.QueryWords();
            return words.Remove("host", out var host) ? await Desk(http).ListAsync(host, WorkflowQuery.Parse(words), http.RequestAborted) : here.List(WorkflowQuery.Parse(words));
        }).Described("A page of a host's workflows, newest first", typeof(WorkflowPage), body: null, ["host", .. WorkflowQuery.Known]);
        routes.MapApi("GET", ClusterWorkflowsPath, async http =>
        {
            var words = http.QueryWords();
            words.Remove("before", out var before);
            return await Desk(http).ListAllAsync(WorkflowQuery.Parse(words), before, http.RequestAborted);
        }).Described("A page of the workflows of all hosts, newest first", typeof(ClusterWorkflowPage), body: null, [.. WorkflowQuery.Known]);
        routes.MapApi("GET", WorkflowsPath + "/{id}", async http =>
            HostOf(http) is { } host ? await Desk(http).ShowAsync(host, http.RouteWord("id"), http.RequestAborted) : here.Show(http.RouteWord("id")))
            .Described("All about a workflow", typeof(WorkflowDetail), body: null, "host");
        routes.MapApi("POST", WorkflowsPath + "/{id}/alterations", async http =>
        {
            var given = await http.BodyAsync<AlterationBody>();
            var body = given with { Who = http.Who(given.Who) };
            return HostOf(http) is { } host
                ? await Desk(http).AlterAsync(host, http.RouteWord("id"), body, http.RequestAborted)
                : await here.AlterAsync(http.RouteWord("id"), body, http.RequestAborted);
        }).Described("Alters a workflow", typeof(WorkflowDetail), typeof(AlterationBody), "host");
        routes.MapApi("GET", DefinitionsPath, _ => Task.FromResult<object>(
            runtime.Definitions.OrderBy(d => d.Id, StringComparer.Ordinal).Select(DefinitionView.Of).ToList()))
            .Described("The definitions that workflows are started with", typeof(IReadOnlyList<DefinitionView>));
        routes.MapApi("GET", DefinitionsPath + "/versions", _ => Task.FromResult<object>(runtime.Versions()))
            .Described("The contents that each definition has had", typeof(IReadOnlyList<DefinitionVersion>));
        routes.MapApi("GET", LanesPath, _ => Task.FromResult<object>(runtime.Lanes().Select(LaneDetail.Of).ToList()))
            .Described("The lanes that are claimed", typeof(IReadOnlyList<LaneDetail>));
        routes.MapApi("GET", SignalsPath, _ => Task.FromResult<object>(runtime.UnmatchedSignals(WorkflowQuery.MaximumLimit).Select(SignalView.Of).ToList()))
            .Described("The signals that are kept", typeof(IReadOnlyList<SignalView>));
        routes.MapApi("POST", SignalsPath, async http =>
        {
            var body = await http.BodyAsync<SignalBody>();
            var payload = body.Payload is null ? (JsonElement?)null : JsonSerializer.SerializeToElement(body.Payload, OperationsJson.Options);
            var receipt = await runtime.SignalAsync(new Signal(body.Name ?? "", body.Correlation ?? "", payload, body.Id), http.RequestAborted);
            return new SignalSent(receipt.Id, receipt.Instance?.Value, receipt.IsKnown);
        }).Described("Sends a signal", typeof(SignalSent), typeof(SignalBody));
        routes.MapApi(
            "POST",
            DefinitionsPath + "/check",
            async http =>
            {
                using var reader = new StreamReader(http.Request.Body);
                var text = await reader.ReadToEndAsync(http.RequestAborted);
                return new DefinitionCheck(runtime.Check(new DefinitionFile(http.Request.Query["name"].FirstOrDefault() ?? "definition", text)));
            },
            Role.Viewer).Described("What would keep the definition in the body from loading", typeof(DefinitionCheck), typeof(JsonObject), "name");
    }

    private static string? HostOf(HttpContext http) => http.Request.Query["host"].FirstOrDefault();

    private static OperatorDesk Desk(HttpContext http) => http.RequestServices.GetRequiredService<OperatorDesk>();
}
