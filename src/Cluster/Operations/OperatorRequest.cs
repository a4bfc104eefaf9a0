using System.Text.Json.Nodes;

namespace FlannelFlow.Cluster.Operations;

public enum RequestState
{
    Asked,
    Done,

    /// <summary>It made no sense there; Answer says why. Nothing was changed.</summary>
    Refused,
}

/// <summary>
/// <c>hosts/&lt;host&gt;/requests/&lt;id&gt;</c>: what a person wants of that host; it does it, with its audit row, and answers in place.
/// On an etcd lease: one that nobody takes goes by itself.
/// </summary>
/// <param name="Kind">Of a drain: show, retry, force or cancel. Of any workflow: workflows.list, workflows.show or workflows.alter. Of the host: drift.</param>
/// <param name="Instance">The workflow's id; empty with workflows.list and drift.</param>
/// <param name="From">The host on which the person was.</param>
/// <param name="Body">What more the kind needs: a query, an alteration.</param>
public sealed record OperatorRequest(
    string Id, string Kind, string Instance, string Who, string Why, string From, RequestState State, string? Refusal = null, JsonNode? Answer = null, JsonNode? Body = null);
