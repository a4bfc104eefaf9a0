using System.Globalization;
using System.Text;
using System.Text.Json;
using FlannelFlow.Cluster.Access;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Operations.Cluster;
using FlannelFlow.Operations.Workflows;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Api;

/// <summary><c>/metrics</c>: what this host's meters have counted, and how things stand now, as OpenMetrics text 1.0.0.</summary>
public static class MetricsApi
{
    public const string MetricsPath = "/metrics";

    /// <summary>What a scraper that does not ask for OpenMetrics reads: Prometheus' older form, which differs in its last line only.</summary>
    private const string PrometheusText = "text/plain; version=0.0.4; charset=utf-8";
    private const string OpenMetricsText = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    public static void MapMetrics(this IEndpointRouteBuilder routes)
    {
        var meters = routes.ServiceProvider.GetRequiredService<MeterTotals>();
        routes.MapGet(MetricsPath, async http =>
        {
            var isOpenMetrics = http.Request.Headers.Accept.ToString().Contains("application/openmetrics-text", StringComparison.Ordinal);
            var text = new MetricsText();
            Standing(text, http.RequestServices.GetRequiredService<WorkflowRuntime>(), http.RequestServices.GetRequiredService<DockerMirror>());
            meters.WriteTo(text);
            http.Response.ContentType = isOpenMetrics ? OpenMetricsText : PrometheusText;
            http.Response.Headers.CacheControl = "no-store";
            await http.Response.WriteAsync(text + (isOpenMetrics ? "# EOF\n" : ""), http.RequestAborted);
        }).WithMetadata(new RequiredRole(Role.Viewer)).Described("This host's metrics, as OpenMetrics text", answer: null);
    }

    private static void Standing(MetricsText text, WorkflowRuntime runtime, DockerMirror mirror)
    {
        text.Family("flannelflow_workflows_open", "gauge", "Workflows of this host that are not over");
        foreach (var group in Summaries.OpenRows(runtime, definition: null).GroupBy(row => (row.DefinitionId, row.Status)))
            text.Sample("flannelflow_workflows_open", group.Count(), ("definition", group.Key.DefinitionId), ("status", JsonNamingPolicy.CamelCase.ConvertName(group.Key.Status.ToString())));
        text.Family("flannelflow_incidents_open", "gauge", "Incidents of this host that wait for a person");
        text.Sample("flannelflow_incidents_open", runtime.Incidents(new IncidentFilter(OpenOnly: true, Limit: 10_000)).Count);
        text.Family("flannelflow_journal_sequence", "gauge", "The journal's newest event");
        text.Sample("flannelflow_journal_sequence", runtime.CommittedSeq);
        text.Family("flannelflow_resident_memory_bytes", "gauge", "Of the daemon's process");
        text.Sample("flannelflow_resident_memory_bytes", Environment.WorkingSet);
        if (mirror.Current is not { } state) return;
        text.Family("flannelflow_hosts", "gauge", "Hosts of the cluster as this one sees them");
        foreach (var group in ClusterViews.Hosts(state).GroupBy(host => host.State))
            text.Sample("flannelflow_hosts", group.Count(), ("state", JsonNamingPolicy.CamelCase.ConvertName(group.Key.ToString())));
        text.Family("flannelflow_networks", "gauge", "Docker networks of ours");
        text.Sample("flannelflow_networks", state.Networks.Count);
        text.Family("flannelflow_services", "gauge", "Swarm services on them");
        text.Sample("flannelflow_services", state.Services.Count);
        text.Family("flannelflow_containers", "gauge", "Containers on them, of all hosts");
        text.Sample("flannelflow_containers", state.Containers.Count);
        text.Family("flannelflow_mirror_behind", "gauge", "Revisions that this host does not act by yet");
        text.Sample("flannelflow_mirror_behind", Math.Max(0, state.Revision - mirror.AppliedRevision));
    }
}

/// <summary>The text form (OpenMetrics 1.0.0, section 3: Data Formats).</summary>
internal sealed class MetricsText
{
    private readonly StringBuilder _text = new();

    public void Family(string name, string type, string help) =>
        _text.Append(CultureInfo.InvariantCulture, $"# TYPE {name} {type}\n# HELP {name} {Escape(help)}\n");

    public void Sample(string name, double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        _text.Append(name);
        for (var i = 0; i < labels.Length; i++)
            _text.Append(i == 0 ? '{' : ',').Append(labels[i].Name).Append("=\"").Append(Escape(labels[i].Value)).Append('"');
        if (labels.Length > 0) _text.Append('}');
        _text.Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
    }

    public override string ToString() => _text.ToString();

    private static string Escape(string text) =>
        text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
