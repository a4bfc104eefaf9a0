using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Cluster.Access;
using FlannelFlow.Operations;
using FlannelFlow.Operations.Elsa;

namespace FlannelFlow.Host.Api;

/// <summary>This host's workflows by the paths and in the shapes of Elsa 3's API, for tools that know that.</summary>
public static class ElsaApi
{
    private const string Prefix = "/elsa/api";

    public static void MapElsa(this IEndpointRouteBuilder routes)
    {
        Read("/workflow-definitions", (elsa, http) => elsa.Definitions(http.Word("versionOptions"), http.Word("page"), http.Word("pageSize")))
            .Described("Elsa: the definitions", typeof(ElsaPage<ElsaDefinitionSummary>), body: null, "versionOptions", "page", "pageSize");
        Read("/workflow-definitions/by-definition-id/{id}", (elsa, http) => elsa.Definition(http.RouteWord("id"), http.Word("versionOptions")))
            .Described("Elsa: a definition", typeof(JsonObject), body: null, "versionOptions");
        Read("/workflow-definitions/by-id/{id}", (elsa, http) => elsa.DefinitionVersion(http.RouteWord("id"))).Described("Elsa: a version of a definition", typeof(JsonObject));
        Read("/workflow-instances", (elsa, http) => elsa.Instances(Query(http)))
            .Described("Elsa: a page of instances, newest first", typeof(ElsaPage<ElsaInstanceSummary>), body: null, QueryWords);
        routes.MapApi("POST", Prefix + "/workflow-instances", async http => Elsa(http).Instances(await http.BodyAsync<ElsaInstanceQuery>()), Role.Viewer)
            .Described("Elsa: the same, asked for by a body", typeof(ElsaPage<ElsaInstanceSummary>), typeof(ElsaInstanceQuery));
        Read("/workflow-instances/{id}", (elsa, http) => elsa.Instance(http.RouteWord("id"))).Described("Elsa: an instance", typeof(ElsaInstance));
        Read("/workflow-instances/{id}/execution-state", (elsa, http) => elsa.ExecutionState(http.RouteWord("id"))).Described("Elsa: how an instance stands", typeof(ElsaExecutionState));
        Read("/workflow-instances/{id}/journal", (elsa, http) => elsa.Journal(http.RouteWord("id"), http.Word("page"), http.Word("pageSize")))
            .Described("Elsa: what the journal has of an instance", typeof(ElsaPage<ElsaLogRecord>), body: null, "page", "pageSize");
        Read("/activity-executions/list", (elsa, http) => elsa.Executions(http.Word("workflowInstanceId"), http.Word("activityNodeId")))
            .Described("Elsa: the activity executions of an instance", typeof(ElsaPage<ElsaActivityExecution>), body: null, "workflowInstanceId", "activityNodeId");
        Read("/activity-executions/{id}", (elsa, http) => elsa.Execution(http.RouteWord("id"))).Described("Elsa: an activity execution", typeof(ElsaActivityExecution));
        routes.MapApi("POST", Prefix + "/cancel/workflow-instances/{id}", async http => await Elsa(http).CancelAsync(http.RouteWord("id"), Who(http), http.RequestAborted))
            .Described("Elsa: cancels an instance, which is undone", typeof(ElsaExecutionState));
        routes.MapApi("POST", Prefix + "/alterations/run", async http => await Elsa(http).RunAsync(await http.BodyAsync<ElsaAlterationRun>(), Who(http), http.RequestAborted))
            .Described("Elsa: alters instances; what came of it is said of each", typeof(ElsaAlterationResults), typeof(ElsaAlterationRun));
        routes.MapApi("POST", Prefix + "/alterations/workflows/retry", async http => await Elsa(http).RetryAsync(await http.BodyAsync<ElsaRetry>(), Who(http), http.RequestAborted))
            .Described("Elsa: retries steps of instances; what came of it is said of each", typeof(ElsaAlterationResults), typeof(ElsaRetry));

        IEndpointConventionBuilder Read(string path, Func<ElsaWorkflows, HttpContext, object> answer) =>
            routes.MapApi("GET", Prefix + path, http => Task.FromResult(answer(Elsa(http), http)));
    }

    private static readonly string[] QueryWords = ["page", "pageSize", "searchTerm", "definitionId", "correlationId", "status", "subStatus", "orderBy", "orderDirection"];

    private static ElsaWorkflows Elsa(HttpContext http) => http.RequestServices.GetRequiredService<ElsaWorkflows>();

    /// <summary>Elsa's bodies do not say who asks; on the daemon's own socket that is its holder.</summary>
    private static string Who(HttpContext http) => http.Who("the daemon's own socket")!;

    private static string? Word(this HttpContext http, string name) => http.Request.Query[name].FirstOrDefault();

    private static ElsaInstanceQuery Query(HttpContext http)
    {
        var words = http.QueryWords();
        if (words.Keys.FirstOrDefault(key => !QueryWords.Contains(key)) is { } unknown)
            throw new BadRequestException($"unknown word \"{unknown}\" (known: {string.Join(", ", QueryWords)})");
        // The same words as in the body; numbers stand in a query as text, which the web's way of reading JSON takes.
        return JsonSerializer.SerializeToNode(words)!.Deserialize<ElsaInstanceQuery>(OperationsJson.Options)!;
    }
}
