using System.Globalization;

namespace FlannelFlow.Host.Tracing;

/// <summary>Where the traces of workflows go.</summary>
/// <param name="Endpoint">That takes OTLP's requests, its path included.</param>
/// <param name="Headers">Of each request.</param>
/// <param name="Timeout">Of one request.</param>
/// <param name="Resource">What the spans are of: service.name, host.name and what the user adds.</param>
public sealed record TracingOptions(
    Uri Endpoint, IReadOnlyList<(string Name, string Value)> Headers, TimeSpan Timeout, IReadOnlyList<(string Name, object Value)> Resource)
{
    private const string DefaultEndpoint = "http://localhost:4318";

    /// <summary>
    /// By OpenTelemetry's own variables (opentelemetry.io/docs/specs/otel/protocol/exporter and /configuration/sdk-environment-variables); null: no traces.
    /// </summary>
    internal static TracingOptions? Read(Func<string, string> text, string host, string version, List<string> problems)
    {
        string Of(string name) => text("OTEL_EXPORTER_OTLP_TRACES_" + name) is { Length: > 0 } ofTraces ? ofTraces : text("OTEL_EXPORTER_OTLP_" + name);

        var exporter = text("OTEL_TRACES_EXPORTER");
        if (exporter is not ("" or "otlp" or "none"))
            problems.Add($"OTEL_TRACES_EXPORTER: \"{exporter}\" is neither otlp nor none");
        var (ofTraces, ofAll) = (text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), text("OTEL_EXPORTER_OTLP_ENDPOINT"));
        if (text("OTEL_SDK_DISABLED").Equals("true", StringComparison.OrdinalIgnoreCase) || exporter == "none" || (exporter.Length == 0 && ofTraces.Length == 0 && ofAll.Length == 0))
            return null;
        // The one of traces stands as it is; to the other their path is added.
        var address = ofTraces.Length > 0 ? ofTraces : (ofAll.Length > 0 ? ofAll : DefaultEndpoint).TrimEnd('/') + "/v1/traces";
        if (!Uri.TryCreate(address, UriKind.Absolute, out var endpoint) || endpoint.Scheme is not ("http" or "https"))
            problems.Add($"{(ofTraces.Length > 0 ? "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" : "OTEL_EXPORTER_OTLP_ENDPOINT")}: \"{(ofTraces.Length > 0 ? ofTraces : ofAll)}\" is not of the form http://HOST:PORT or https://HOST:PORT");
        if (Of("PROTOCOL") is not ("" or "http/protobuf") and var protocol)
            problems.Add($"OTEL_EXPORTER_OTLP_PROTOCOL: \"{protocol}\" is not http/protobuf, the only one there is here");
        var timeout = 10_000;
        if (Of("TIMEOUT") is { Length: > 0 } milliseconds && (!int.TryParse(milliseconds, NumberStyles.None, CultureInfo.InvariantCulture, out timeout) || timeout == 0))
            problems.Add($"OTEL_EXPORTER_OTLP_TIMEOUT: \"{milliseconds}\" is not a number of milliseconds");
        var resource = Pairs("OTEL_RESOURCE_ATTRIBUTES", text("OTEL_RESOURCE_ATTRIBUTES"), problems).ToDictionary(pair => pair.Name, pair => (object)pair.Value, StringComparer.Ordinal);
        resource.TryAdd("service.name", "flannelflow");
        if (text("OTEL_SERVICE_NAME") is { Length: > 0 } service) resource["service.name"] = service;
        resource.TryAdd("service.version", version);
        resource.TryAdd("service.instance.id", host);
        resource.TryAdd("host.name", host);
        return endpoint is null ? null : new TracingOptions(
            endpoint, Pairs("OTEL_EXPORTER_OTLP_HEADERS", Of("HEADERS"), problems), TimeSpan.FromMilliseconds(timeout), [.. resource.Select(pair => (pair.Key, pair.Value))]);
    }

    /// <summary>NAME=VALUE,NAME=VALUE, with percent-encoding in the values (W3C baggage).</summary>
    private static List<(string Name, string Value)> Pairs(string option, string text, List<string> problems)
    {
        var pairs = new List<(string, string)>();
        foreach (var pair in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (pair.Split('=', 2) is [{ Length: > 0 } name, var value]) pairs.Add((name.Trim(), Uri.UnescapeDataString(value.Trim())));
            else problems.Add($"{option}: \"{pair}\" is not of the form NAME=VALUE");
        }

        return pairs;
    }
}
