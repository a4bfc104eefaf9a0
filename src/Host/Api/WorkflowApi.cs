using System.Globalization;
using System.Text.Json;
using FlannelFlow.Operations;
using FlannelFlow.Operations.Workflows;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Api;

/// <summary>The workflows of this host over HTTP, on the daemon's own socket: to see them and to mend them.</summary>
/// <remarks>Errors are RFC 9457 problems: 400 what makes no sense, 404 what is not there, 409 what its state does not allow, 503 while stopping.</remarks>
public static class WorkflowApi
{
    public const string WorkflowsPath = "/api/v1/workflows";
    public const string DefinitionsPath = "/api/v1/definitions";
    public const string SignalsPath = "/api/v1/signals";
    public const string LanesPath = "/api/v1/lanes";

    private const int MaximumPage = 500;

    /// <summary>So that a slip of a finger does not alter another workflow.</summary>
    private const int ShortestId = 6;

    public static void MapWorkflows(this IEndpointRouteBuilder routes)
    {
        var runtime = routes.ServiceProvider.GetRequiredService<WorkflowRuntime>();
        Map("GET", WorkflowsPath, http => Task.FromResult<object>(List(runtime, http.Request.Query)));
        Map("GET", WorkflowsPath + "/{id}", http => Task.FromResult<object>(WorkflowDetail.Of(runtime, Find(runtime, http))));
        Map("POST", WorkflowsPath + "/{id}/alterations", async http =>
        {
            var body = await BodyAsync<AlterationBody>(http);
            var id = Find(runtime, http).Id;
            await runtime.AlterAsync(id, AlterationOf(body), body.Who ?? "", body.Reason ?? "", http.RequestAborted);
            return WorkflowDetail.Of(runtime, runtime.Instance(id)!);
        });
        Map("GET", DefinitionsPath, _ => Task.FromResult<object>(
            runtime.Definitions.OrderBy(d => d.Id, StringComparer.Ordinal).Select(DefinitionView.Of).ToList()));
        Map("GET", DefinitionsPath + "/versions", _ => Task.FromResult<object>(runtime.Versions()));
        Map("GET", LanesPath, _ => Task.FromResult<object>(runtime.Lanes().Select(LaneDetail.Of).ToList()));
        Map("GET", SignalsPath, _ => Task.FromResult<object>(runtime.UnmatchedSignals(MaximumPage).Select(SignalView.Of).ToList()));
        Map("POST", SignalsPath, async http =>
        {
            var body = await BodyAsync<SignalBody>(http);
            var payload = body.Payload is null ? (JsonElement?)null : JsonSerializer.SerializeToElement(body.Payload, OperationsJson.Options);
            var receipt = await runtime.SignalAsync(new Signal(body.Name ?? "", body.Correlation ?? "", payload, body.Id), http.RequestAborted);
            return new SignalSent(receipt.Id, receipt.Instance?.Value, receipt.IsKnown);
        });
        Map("POST", DefinitionsPath + "/check", async http =>
        {
            using var reader = new StreamReader(http.Request.Body);
            var text = await reader.ReadToEndAsync(http.RequestAborted);
            return new DefinitionCheck(runtime.Check(new DefinitionFile(http.Request.Query["name"].FirstOrDefault() ?? "definition", text)));
        });

        void Map(string method, string path, Func<HttpContext, Task<object>> answer) =>
            routes.MapMethods(path, [method], http => AnswerAsync(http, answer));
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
            http.Response.StatusCode = status;
            var title = status switch { 400 => "Bad request", 404 => "Not found", 409 => "Not possible now", _ => "Not available" };
            await http.Response.WriteAsJsonAsync(
                new Problem(title, status, failed.Message), OperationsJson.Options, "application/problem+json", http.RequestAborted);
            return;
        }
        await http.Response.WriteAsJsonAsync(result, result.GetType(), OperationsJson.Options, http.RequestAborted);
    }

    private static int? StatusOf(Exception failed) => failed switch
    {
        BadRequestException or InvalidAlterationException or InvalidSignalException or JsonException => 400,
        KeyNotFoundException => 404,
        AlterationRefusedException => 409,
        RuntimeStoppedException or JournalFullException => 503,
        _ => null,
    };

    private static WorkflowPage List(WorkflowRuntime runtime, IQueryCollection query)
    {
        string[] known = ["definition", "status", "key", "parent", "incident", "since", "until", "before", "limit"];
        if (query.Keys.FirstOrDefault(k => !known.Contains(k)) is { } unknown)
            throw new BadRequestException($"unknown filter \"{unknown}\" (known: {string.Join(", ", known)})");
        var limit = Parse<int>("limit", 100, (text, out value) => int.TryParse(text, CultureInfo.InvariantCulture, out value) && value is >= 1 and <= MaximumPage);
        var filter = new InstanceFilter(
            Text("definition"),
            Text("status") is null ? null : Parse<InstanceStatus>("status", default, (text, out value) => Enum.TryParse(text, ignoreCase: true, out value) && Enum.IsDefined(value) && !char.IsDigit(text[0])),
            Parse<long>("before", long.MaxValue, (text, out value) => long.TryParse(text, CultureInfo.InvariantCulture, out value)),
            limit + 1)
        {
            Key = Text("key"),
            Parent = Text("parent") is { } parent ? new InstanceId(parent) : null,
            WithOpenIncident = Parse<bool>("incident", false, bool.TryParse),
            Since = Parse<DateTimeOffset>("since", DateTimeOffset.MinValue, Time),
            Until = Parse<DateTimeOffset>("until", DateTimeOffset.MaxValue, Time),
        };
        // One more than asked for tells whether there is another page.
        var rows = runtime.Instances(filter);
        return new WorkflowPage([.. rows.Take(limit).Select(WorkflowView.Of)], rows.Count > limit ? rows[limit - 1].Row : null);

        string? Text(string name) => query[name].FirstOrDefault();

        static bool Time(string text, out DateTimeOffset value) =>
            DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out value);

        T Parse<T>(string name, T absent, TryParse<T> parse) =>
            Text(name) is not { } text ? absent
            : text.Length > 0 && parse(text, out var value) ? value
            : throw new BadRequestException($"{name}: \"{text}\" is no {typeof(T).Name}{(typeof(T).IsEnum ? $" ({string.Join(", ", Enum.GetNames(typeof(T)))})" : "")}");
    }

    private delegate bool TryParse<T>(string text, out T value);

    /// <summary>By its id, or by the end of it, such as <c>flannelflow follow</c> prints.</summary>
    private static InstanceRow Find(WorkflowRuntime runtime, HttpContext http)
    {
        var id = (string)http.Request.RouteValues["id"]!;
        if (runtime.Instance(new InstanceId(id)) is { } exact)
            return exact;
        if (id.Length < ShortestId || !id.All(char.IsAsciiHexDigitLower))
            throw new KeyNotFoundException($"no workflow \"{id}\" (an id, or its last {ShortestId} or more digits)");
        var found = runtime.InstancesEndingIn(id, limit: 2);
        return found.Count switch
        {
            0 => throw new KeyNotFoundException($"no workflow whose id ends in {id}"),
            1 => found[0],
            _ => throw new BadRequestException($"more than one workflow's id ends in {id}: {string.Join(", ", found.Select(f => f.Id.Value))}"),
        };
    }

    private static async Task<T> BodyAsync<T>(HttpContext http) =>
        await JsonSerializer.DeserializeAsync<T>(http.Request.Body, OperationsJson.Options, http.RequestAborted)
        ?? throw new BadRequestException("the body is null");

    private static Alteration AlterationOf(AlterationBody body) => body.Kind switch
    {
        "retry" => new Alteration.Retry(body.Activity),
        "skip" => new Alteration.Skip(body.Outputs, body.Activity),
        "migrate" => new Alteration.Migrate(),
        "compensate" => new Alteration.Compensate(),
        "cancel" => new Alteration.Cancel(),
        "terminate" => new Alteration.Terminate(),
        "modifyVariable" => new Alteration.ModifyVariable(
            body.Variable ?? throw new BadRequestException("modifyVariable: no variable is named"),
            body.Value is null ? null : JsonSerializer.SerializeToElement(body.Value, OperationsJson.Options)),
        _ => throw new BadRequestException($"kind: \"{body.Kind}\" is none of retry, skip, compensate, cancel, terminate, migrate, modifyVariable"),
    };

    private sealed class BadRequestException(string message) : Exception(message);
}
