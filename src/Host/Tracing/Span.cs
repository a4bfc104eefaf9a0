namespace FlannelFlow.Host.Tracing;

/// <summary>A span as OpenTelemetry has it (opentelemetry.io/docs/specs/otel/trace/api).</summary>
/// <param name="TraceId">32 hexadecimal digits.</param>
/// <param name="SpanId">16 hexadecimal digits.</param>
/// <param name="ParentId">Of a span of the same trace; null at its root.</param>
internal sealed record Span(string TraceId, string SpanId, string? ParentId, string Name, DateTimeOffset Start, DateTimeOffset End)
{
    /// <summary>Values are text, whole numbers (long) or bool.</summary>
    public IReadOnlyList<(string Name, object Value)> Attributes { get; init; } = [];

    public IReadOnlyList<SpanEvent> Events { get; init; } = [];

    public IReadOnlyList<SpanLink> Links { get; init; } = [];

    /// <summary>Null: the status is not Error.</summary>
    public string? Error { get; init; }
}

internal sealed record SpanEvent(DateTimeOffset At, string Name, params IReadOnlyList<(string Name, object Value)> Attributes);

/// <summary>To a span of another trace.</summary>
internal readonly record struct SpanLink(string TraceId, string SpanId);
