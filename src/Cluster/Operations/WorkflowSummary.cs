using System.Text.Json.Nodes;

namespace FlannelFlow.Cluster.Operations;

/// <summary><c>hosts/&lt;host&gt;/workflows/&lt;id&gt;</c>: a workflow of that host that is open and of interest to the others, or waits for a person.</summary>
/// <param name="Status">running, suspended …</param>
/// <param name="Step">The one that it is at.</param>
/// <param name="Error">Of the incident that waits for a person, or of the last attempt.</param>
public sealed record WorkflowSummary(
    string Id,
    string Host,
    string Definition,
    string Status,
    string Step,
    JsonObject Input,
    DateTimeOffset AcceptedAt,
    string? Error = null);
