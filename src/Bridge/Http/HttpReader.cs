using System.Buffers;
using System.Globalization;
using System.Text;

namespace FlannelFlow.Bridge.Http;

/// <summary>Reads HTTP/1.1 messages (RFC 9112) from a connection, whole, one after another.</summary>
/// <remarks>
/// Strict where leniency would let two readers see different messages: lines end in CRLF, no folded headers, one framing per message.
/// A message that ends early throws <see cref="EndOfStreamException"/>, one that is no HTTP <see cref="HttpFormatException"/>; after either the
/// connection is of no more use. Bytes after a message stay for the next one. Not thread-safe: one reader per connection.
/// </remarks>
internal sealed class HttpReader(Stream stream, int bodyLimit)
{
    /// <summary>Octets of start line and headers together; also of a chunked body's own lines and trailers together.</summary>
    private const int HeadLimit = 64 * 1024;

    // RFC 9110 §5.6.2 tchar
    private static readonly SearchValues<char> TokenChars =
        SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    private byte[] _buffer = new byte[4096];
    private int _start;
    private int _end;

    /// <summary>Waits until a message begins; false when the peer closed the connection instead.</summary>
    public async ValueTask<bool> BeginsAsync(CancellationToken ct) => _start < _end || await FillAsync(ct);

    public async ValueTask<HttpRequest> ReadRequestAsync(CancellationToken ct)
    {
        var budget = HeadLimit;
        var line = await ReadLineAsync(budget, ct);
        budget -= line.Length + 2;
        // method SP target SP HTTP/1.x
        var parts = line.Split(' ');
        if (parts.Length != 3 || !IsToken(parts[0]) || parts[1].Length == 0 || parts[1].AsSpan().ContainsAnyExceptInRange('\x21', '\x7e'))
            throw new HttpFormatException(400, "the request line is malformed");
        if (parts[2] is not ("HTTP/1.1" or "HTTP/1.0"))
            throw new HttpFormatException(parts[2].StartsWith("HTTP/", StringComparison.Ordinal) ? 505 : 400, "the request is not HTTP/1.1");
        var headers = await ReadHeadersAsync(budget, ct);
        var body = await ReadBodyAsync(Framing.Of(headers) ?? new Framing(false, 0), ct);
        return new HttpRequest(parts[0], parts[1], parts[2] == "HTTP/1.0", headers, body);
    }

    public async ValueTask<HttpResponse> ReadResponseAsync(CancellationToken ct)
    {
        while (true)
        {
            var budget = HeadLimit;
            var line = await ReadLineAsync(budget, ct);
            budget -= line.Length + 2;
            // HTTP/1.x SP 3DIGIT [SP reason]
            if (!(line.StartsWith("HTTP/1.1 ", StringComparison.Ordinal) || line.StartsWith("HTTP/1.0 ", StringComparison.Ordinal))
                || line.Length < 12 || !int.TryParse(line.AsSpan(9, 3), NumberStyles.None, CultureInfo.InvariantCulture, out var status)
                || status < 100 || (line.Length > 12 && line[12] != ' '))
                throw new HttpFormatException(502, "the status line is malformed");
            var headers = await ReadHeadersAsync(budget, ct);
            if (status is >= 100 and < 200)
                continue; // RFC 9110 §15.2: interim, the answer follows
            var framing = status is 204 or 304 ? new Framing(false, 0) : Framing.Of(headers)
                // RFC 9112 §6.3 case 8 would read until the connection ends; but then a daemon killed half-way looks like a whole answer.
                ?? throw new HttpFormatException(502, "the answer has neither a length nor chunks");
            var body = await ReadBodyAsync(framing, ct);
            return new HttpResponse(status, line.Length > 13 ? line[13..] : "", headers, body);
        }
    }

    private async ValueTask<List<HttpHeader>> ReadHeadersAsync(int budget, CancellationToken ct)
    {
        var headers = new List<HttpHeader>();
        while (true)
        {
            var line = await ReadLineAsync(budget, ct);
            if (line.Length == 0)
                return headers;
            budget -= line.Length + 2;
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0 || !IsToken(line.AsSpan(0, colon)))
                throw new HttpFormatException(400, "a header line is malformed");
            headers.Add(new HttpHeader(line[..colon], line[(colon + 1)..].Trim(' ', '\t')));
        }
    }

    private async ValueTask<byte[]> ReadBodyAsync(Framing framing, CancellationToken ct)
    {
        if (!framing.Chunked)
        {
            if (framing.Length > bodyLimit)
                throw TooLarge();
            var body = new byte[framing.Length];
            await ReadExactlyAsync(body, ct);
            return body;
        }

        // RFC 9112 §7.1: chunk = size[;ext] CRLF data CRLF, the last of size 0, then trailers (dropped) and an empty line.
        var whole = new ArrayBufferWriter<byte>();
        var lines = HeadLimit;
        while (true)
        {
            var line = await ReadLineAsync(lines, ct);
            lines -= line.Length + 2;
            var digits = line.AsSpan(0, line.AsSpan().IndexOf(';') is var at and >= 0 ? at : line.Length).Trim(" \t");
            if (digits.Length is 0 or > 8 || !uint.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var size))
                throw new HttpFormatException(400, "a chunk's size is malformed");
            if (size > bodyLimit - whole.WrittenCount)
                throw TooLarge();
            if (size == 0)
                break;
            await ReadExactlyAsync(whole.GetMemory((int)size)[..(int)size], ct);
            whole.Advance((int)size);
            if ((await ReadLineAsync(2, ct)).Length != 0)
                throw new HttpFormatException(400, "a chunk is longer than its size says");
        }
        _ = await ReadHeadersAsync(lines, ct);
        return whole.WrittenSpan.ToArray();
    }

    /// <summary>A line without its CRLF, which with it takes at most <paramref name="limit"/> octets.</summary>
    private async ValueTask<string> ReadLineAsync(int limit, CancellationToken ct)
    {
        var searched = 0;
        while (true)
        {
            var at = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            if (at >= 0 ? searched + at + 1 > limit : _end - _start >= limit)
                throw new HttpFormatException(431, "a line or the head of the message is too long");
            if (at < 0)
            {
                searched = _end - _start;
                if (!await FillAsync(ct))
                    throw new EndOfStreamException("the connection ended inside a message");
                continue;
            }
            var line = _buffer.AsSpan(_start, searched + at + 1);
            _start += line.Length;
            if (line.Length < 2 || line[^2] != '\r')
                throw new HttpFormatException(400, "a line does not end in CRLF");
            line = line[..^2];
            // RFC 9110 §5.5: CR, LF and NUL in a field are dangerous; other controls but HTAB have no business there either.
            foreach (var octet in line)
            {
                if (octet is < 0x20 and not (byte)'\t' or 0x7f)
                    throw new HttpFormatException(400, "a control character in the head of the message");
            }
            return Encoding.Latin1.GetString(line);
        }
    }

    private async ValueTask ReadExactlyAsync(Memory<byte> target, CancellationToken ct)
    {
        var buffered = Math.Min(target.Length, _end - _start);
        _buffer.AsMemory(_start, buffered).CopyTo(target);
        _start += buffered;
        await stream.ReadExactlyAsync(target[buffered..], ct);
    }

    private async ValueTask<bool> FillAsync(CancellationToken ct)
    {
        if (_start == _end)
            _start = _end = 0;
        if (_end == _buffer.Length)
        {
            if (_start > 0)
                _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            else
                Array.Resize(ref _buffer, _buffer.Length * 2);
            _end -= _start;
            _start = 0;
        }
        var read = await stream.ReadAsync(_buffer.AsMemory(_end), ct);
        _end += read;
        return read > 0;
    }

    private HttpFormatException TooLarge() => new(413, $"the body is larger than {bodyLimit} octets");

    private static bool IsToken(ReadOnlySpan<char> text) => text.Length > 0 && !text.ContainsAnyExcept(TokenChars);

    private readonly record struct Framing(bool Chunked, long Length)
    {
        /// <summary>RFC 9112 §6.3; null where neither Content-Length nor Transfer-Encoding is there.</summary>
        public static Framing? Of(List<HttpHeader> headers)
        {
            Framing? found = null;
            foreach (var header in headers)
            {
                Framing next;
                if (HttpHeaders.Is(header.Name, "Transfer-Encoding"))
                    next = header.Value.Equals("chunked", StringComparison.OrdinalIgnoreCase)
                        ? new Framing(true, 0)
                        : throw new HttpFormatException(501, $"the transfer coding {header.Value} is not understood");
                else if (HttpHeaders.Is(header.Name, "Content-Length"))
                    next = header.Value.Length <= 18 && long.TryParse(header.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var length)
                        ? new Framing(false, length)
                        : throw new HttpFormatException(400, "Content-Length is malformed");
                else
                    continue;
                if (found is not null && found != next)
                    throw new HttpFormatException(400, "the message is framed in two ways");
                found = next;
            }
            return found;
        }
    }
}
