using System.Text;

namespace FlannelFlow.Bridge.Http;

/// <summary>A field line (RFC 9112 §5). The value is Latin-1, so that every byte survives a relay.</summary>
internal readonly record struct HttpHeader(string Name, string Value);

/// <summary>A whole request: <paramref name="Target"/> as sent ("/NetworkDriver.Join"), the body without its transfer coding.</summary>
internal sealed record HttpRequest(string Method, string Target, bool IsHttp10, IReadOnlyList<HttpHeader> Headers, ReadOnlyMemory<byte> Body)
{
    /// <summary>Whether the client expects the connection to end with the answer (RFC 9112 §9.3).</summary>
    public bool EndsConnection => Headers.HasToken("Connection", "close") || (IsHttp10 && !Headers.HasToken("Connection", "keep-alive"));
}

internal sealed record HttpResponse(int Status, string Reason, IReadOnlyList<HttpHeader> Headers, ReadOnlyMemory<byte> Body)
{
    public bool EndsConnection => Headers.HasToken("Connection", "close");
}

/// <summary>What was read is not HTTP/1.1 as we take it. <see cref="Status"/> is the answer to a client that sent it: 400, 413, 431, 501, 505.</summary>
internal sealed class HttpFormatException(int status, string message) : Exception(message)
{
    public int Status { get; } = status;
}

internal static class HttpHeaders
{
    /// <summary>RFC 9110 §7.6.1, with Content-Length (written anew), Expect (answered hop by hop) and Host (ours to name).</summary>
    private static readonly string[] HopByHop =
    [
        "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer", "Transfer-Encoding",
        "Upgrade", "Content-Length", "Expect", "Host",
    ];

    public static bool HasToken(this IReadOnlyList<HttpHeader> headers, string name, string token)
    {
        foreach (var header in headers)
        {
            if (!Is(header.Name, name))
                continue;
            foreach (var range in header.Value.AsSpan().Split(','))
            {
                if (header.Value.AsSpan(range).Trim(" \t").Equals(token, StringComparison.OrdinalIgnoreCase))
                    return true;
            }
        }
        return false;
    }

    /// <summary>The headers that go on past this hop.</summary>
    public static IEnumerable<HttpHeader> EndToEnd(this IReadOnlyList<HttpHeader> headers) =>
        headers.Where(header => !HopByHop.Any(name => Is(header.Name, name)));

    public static bool Is(string name, string other) => name.Equals(other, StringComparison.OrdinalIgnoreCase);
}

/// <summary>Messages as bytes: head and body in one array, for one write.</summary>
internal static class HttpWriter
{
    public static byte[] Request(HttpRequest request, string host, string requestIdHeader, string requestId)
    {
        var head = new StringBuilder(256);
        head.Append(request.Method).Append(' ').Append(request.Target).Append(" HTTP/1.1\r\n");
        Append(head, "Host", host);
        foreach (var header in request.Headers.EndToEnd())
        {
            // Only the bridge names a call: an id from outside could make one call join another.
            if (!HttpHeaders.Is(header.Name, requestIdHeader))
                Append(head, header.Name, header.Value);
        }
        Append(head, requestIdHeader, requestId);
        return Finish(head, request.Body);
    }

    public static byte[] Response(HttpResponse response, bool close)
    {
        var head = new StringBuilder(256);
        head.Append("HTTP/1.1 ").Append(response.Status).Append(' ').Append(response.Reason).Append("\r\n");
        foreach (var header in response.Headers.EndToEnd())
            Append(head, header.Name, header.Value);
        if (close)
            Append(head, "Connection", "close");
        return Finish(head, response.Body);
    }

    private static void Append(StringBuilder head, string name, string value) => head.Append(name).Append(": ").Append(value).Append("\r\n");

    private static byte[] Finish(StringBuilder head, ReadOnlyMemory<byte> body)
    {
        head.Append("Content-Length: ").Append(body.Length).Append("\r\n\r\n");
        var message = new byte[head.Length + body.Length];
        var written = Encoding.Latin1.GetBytes(head.ToString(), message);
        body.CopyTo(message.AsMemory(written));
        return message;
    }
}
