using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using FlannelFlow.Operations;
using Microsoft.AspNetCore.Routing.Patterns;

namespace FlannelFlow.Host.Api;

/// <summary>What an operation is for, and what it takes and gives.</summary>
/// <param name="Answer">Null: no JSON.</param>
/// <param name="Query">Names of the words that it takes.</param>
internal sealed record ApiDescription(string Summary, Type? Answer, Type? Body, IReadOnlyList<string> Query);

/// <summary><c>/api/v1/openapi.json</c>: the API as an OpenAPI 3.1 document, written from what is mapped, so that it lacks nothing that is there.</summary>
internal static class OpenApiDocument
{
    public const string Path = "/api/v1/openapi.json";

    private const string ProblemSchema = "Problem";

    public static IEndpointConventionBuilder Described(
        this IEndpointConventionBuilder operation, string summary, Type? answer, Type? body = null, params IReadOnlyList<string> query) =>
        operation.WithMetadata(new ApiDescription(summary, answer, body, query));

    public static void MapOpenApi(this IEndpointRouteBuilder routes) => routes.MapApi(
        "GET", Path, http => Task.FromResult<object>(Of(http.RequestServices.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>())))
        .Described("This document", typeof(JsonObject));

    private static JsonObject Of(IEnumerable<RouteEndpoint> endpoints)
    {
        var schemas = new SortedDictionary<string, JsonNode>(StringComparer.Ordinal) { [ProblemSchema] = SchemaOf(typeof(Problem)) };
        var paths = new SortedDictionary<string, JsonObject>(StringComparer.Ordinal);
        foreach (var endpoint in endpoints)
        {
            if (endpoint.Metadata.GetMetadata<ApiDescription>() is not { } description || endpoint.Metadata.GetMetadata<OwnSocketOnly>() is not null) continue;
            var path = endpoint.RoutePattern.RawText!;
            if (!paths.TryGetValue(path, out var item)) paths[path] = item = [];
            foreach (var method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods)
                item[method.ToLowerInvariant()] = Operation(endpoint, method, description, schemas);
        }

        return new JsonObject
        {
            ["openapi"] = "3.1.0",
            ["info"] = new JsonObject { ["title"] = "FlannelFlow", ["version"] = "1", ["description"] = "The cluster of FlannelFlow as a host sees it. See docs/api.md." },
            ["security"] = new JsonArray(new JsonObject { ["token"] = new JsonArray() }),
            ["paths"] = new JsonObject(paths.Select(path => KeyValuePair.Create<string, JsonNode?>(path.Key, path.Value))),
            ["components"] = new JsonObject
            {
                ["securitySchemes"] = new JsonObject { ["token"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer" } },
                ["schemas"] = new JsonObject(schemas.Select(schema => KeyValuePair.Create<string, JsonNode?>(schema.Key, schema.Value))),
            },
        };
    }

    private static JsonObject Operation(RouteEndpoint endpoint, string method, ApiDescription description, SortedDictionary<string, JsonNode> schemas)
    {
        var places = endpoint.RoutePattern.Parameters;
        var operation = new JsonObject
        {
            ["operationId"] = string.Concat(endpoint.RoutePattern.PathSegments.SelectMany(segment => segment.Parts).Select(NameOf).Skip(2).Prepend(method.ToLowerInvariant())),
            ["summary"] = description.Summary,
            ["parameters"] = new JsonArray(
            [
                .. places.Select(place => Parameter(place.Name, "path", isRequired: true)),
                .. description.Query.Select(word => Parameter(word, "query", isRequired: false)),
            ]),
            ["responses"] = Responses(endpoint, method, description, schemas),
        };
        if (description.Body is { } body)
            operation["requestBody"] = new JsonObject { ["required"] = true, ["content"] = Content("application/json", Reference(body, schemas)) };
        return operation;
    }

    private static JsonObject Responses(RouteEndpoint endpoint, string method, ApiDescription description, SortedDictionary<string, JsonNode> schemas)
    {
        var responses = new JsonObject
        {
            ["200"] = description.Answer is { } answer
                ? new JsonObject { ["description"] = "Done", ["content"] = Content("application/json", Reference(answer, schemas)) }
                : new JsonObject { ["description"] = "Text" },
        };
        var takesId = endpoint.RoutePattern.Parameters.Count > 0;
        foreach (var (status, meaning, applies) in new[]
        {
            ("400", "It makes no sense", description.Body is not null || description.Query.Count > 0 || takesId), ("401", "Not signed in", true), ("403", "Not allowed", true), ("404", "Not there", takesId),
            ("409", "Not in the state that it is in", takesId && method == "POST"), ("429", "Too many wrong tokens", true), ("503", "Stopping, or without etcd", true), ("504", "Another host did not answer", takesId),
        })
        {
            if (applies)
                responses[status] = new JsonObject { ["description"] = meaning, ["content"] = Content("application/problem+json", new JsonObject { ["$ref"] = "#/components/schemas/" + ProblemSchema }) };
        }

        return responses;
    }

    private static string NameOf(RoutePatternPart part) => part switch
    {
        RoutePatternLiteralPart literal => string.Concat(literal.Content.Split('-', '.').Select(word => char.ToUpperInvariant(word[0]) + word[1..])),
        RoutePatternParameterPart parameter => "By" + char.ToUpperInvariant(parameter.Name[0]) + parameter.Name[1..],
        _ => "",
    };

    private static JsonObject Parameter(string name, string place, bool isRequired) =>
        new() { ["name"] = name, ["in"] = place, ["required"] = isRequired, ["schema"] = new JsonObject { ["type"] = "string" } };

    private static JsonObject Content(string type, JsonNode schema) => new() { [type] = new JsonObject { ["schema"] = schema } };

    private static JsonObject Reference(Type type, SortedDictionary<string, JsonNode> schemas)
    {
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>))
            return new JsonObject { ["type"] = "array", ["items"] = Reference(type.GenericTypeArguments[0], schemas) };
        if (type == typeof(JsonObject)) return new JsonObject { ["type"] = "object" };
        if (type == typeof(string)) return new JsonObject { ["type"] = "string" };
        schemas.TryAdd(NameOf(type), SchemaOf(type));
        return new JsonObject { ["$ref"] = "#/components/schemas/" + NameOf(type) };
    }

    private static string NameOf(Type type) =>
        type.IsGenericType ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}Of{string.Concat(type.GenericTypeArguments.Select(NameOf))}" : type.Name;

    private static JsonNode SchemaOf(Type type)
    {
        OperationsJson.Options.MakeReadOnly(populateMissingResolver: true);
        return OperationsJson.Options.GetJsonSchemaAsNode(type, new JsonSchemaExporterOptions
        {
            TreatNullObliviousAsNonNullable = true,
            // Anything goes: written as an object, which every reader of OpenAPI knows, instead of as "true".
            TransformSchemaNode = (_, schema) => schema is JsonValue ? new JsonObject() : schema,
        });
    }
}
