using Google.Protobuf;

namespace FlannelFlow.Host.Tracing;

/// <summary>Spans as the request of OTLP (opentelemetry.io/docs/specs/otlp): an ExportTraceServiceRequest in protobuf's binary form.</summary>
/// <remarks>The numbers are those of the fields in opentelemetry/proto/trace/v1/trace.proto and of what it includes, which are stable.</remarks>
internal static class OtlpTraces
{
    private const int Internal = 1;
    private const int StatusError = 2;

    public static byte[] Request(IReadOnlyList<(string Name, object Value)> resource, string scope, string version, IEnumerable<Span> spans) => Bytes(request =>
        Message(request, 1, resourceSpans =>
        {
            Message(resourceSpans, 1, to => Attributes(to, 1, resource));
            Message(resourceSpans, 2, scopeSpans =>
            {
                Message(scopeSpans, 1, to =>
                {
                    Text(to, 1, scope);
                    Text(to, 2, version);
                });
                foreach (var span in spans) Message(scopeSpans, 2, to => Write(to, span));
            });
        }));

    private static void Write(CodedOutputStream to, Span span)
    {
        Id(to, 1, span.TraceId);
        Id(to, 2, span.SpanId);
        if (span.ParentId is { } parent) Id(to, 4, parent);
        Text(to, 5, span.Name);
        to.WriteTag(6, WireFormat.WireType.Varint);
        to.WriteEnum(Internal);
        Time(to, 7, span.Start);
        Time(to, 8, span.End);
        Attributes(to, 9, span.Attributes);
        foreach (var one in span.Events)
        {
            Message(to, 11, inner =>
            {
                Time(inner, 1, one.At);
                Text(inner, 2, one.Name);
                Attributes(inner, 3, one.Attributes);
            });
        }

        foreach (var link in span.Links)
        {
            Message(to, 13, inner =>
            {
                Id(inner, 1, link.TraceId);
                Id(inner, 2, link.SpanId);
            });
        }

        if (span.Error is { } error)
        {
            Message(to, 15, inner =>
            {
                Text(inner, 2, error);
                inner.WriteTag(3, WireFormat.WireType.Varint);
                inner.WriteEnum(StatusError);
            });
        }
    }

    private static void Attributes(CodedOutputStream to, int field, IReadOnlyList<(string Name, object Value)> attributes)
    {
        foreach (var (name, value) in attributes)
        {
            Message(to, field, pair =>
            {
                Text(pair, 1, name);
                Message(pair, 2, any =>
                {
                    switch (value)
                    {
                        case bool truth:
                            any.WriteTag(2, WireFormat.WireType.Varint);
                            any.WriteBool(truth);
                            break;
                        case long number:
                            any.WriteTag(3, WireFormat.WireType.Varint);
                            any.WriteInt64(number);
                            break;
                        default:
                            Text(any, 1, (string)value);
                            break;
                    }
                });
            });
        }
    }

    private static void Text(CodedOutputStream to, int field, string text)
    {
        to.WriteTag(field, WireFormat.WireType.LengthDelimited);
        to.WriteString(text);
    }

    private static void Id(CodedOutputStream to, int field, string hexadecimal)
    {
        to.WriteTag(field, WireFormat.WireType.LengthDelimited);
        to.WriteBytes(ByteString.CopyFrom(Convert.FromHexString(hexadecimal)));
    }

    /// <summary>Nanoseconds since 1970.</summary>
    private static void Time(CodedOutputStream to, int field, DateTimeOffset at)
    {
        to.WriteTag(field, WireFormat.WireType.Fixed64);
        to.WriteFixed64((ulong)(at - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick);
    }

    private static void Message(CodedOutputStream to, int field, Action<CodedOutputStream> write)
    {
        to.WriteTag(field, WireFormat.WireType.LengthDelimited);
        to.WriteBytes(UnsafeByteOperations.UnsafeWrap(Bytes(write)));
    }

    private static byte[] Bytes(Action<CodedOutputStream> write)
    {
        using var buffer = new MemoryStream();
        using (var to = new CodedOutputStream(buffer, leaveOpen: true)) write(to);
        return buffer.ToArray();
    }
}
