using System.Text;
using CsCheck;
using FlannelFlow.Bridge.Http;

namespace FlannelFlow.Bridge.Tests;

/// <summary>What holds for every input: a message survives writing and reading in any pieces; anything else ends in one of two known exceptions.</summary>
public sealed class HttpReaderTests
{
    private const int Limit = 4096;

    private static readonly Gen<string> Token = Gen.String[Gen.Char["!#$%&'*+-.^_`|~019azAZ"], 1, 12];
    private static readonly Gen<string> Value = Gen.String[Gen.Char['\x21', '\x7e'], 0, 40];
    private static readonly Gen<HttpHeader> Header = Gen.Select(Token.Where(name => new List<HttpHeader> { new(name, "") }.EndToEnd().Any()), Value, (name, value) => new HttpHeader("X" + name, value));

    [Fact]
    public Task Request_WrittenAndReadInAnyPieces_IsTheSame() =>
        Gen.Select(Token, Value, Header.Array[0, 8], Gen.Byte.Array[0, Limit], Gen.Int[1, 64]).SampleAsync(
            async (method, target, headers, body, piece) =>
            {
                var written = HttpWriter.Request(new HttpRequest(method, "/" + target, false, headers, body), "h", "Id", "7");
                var reader = new HttpReader(new Pieces(written, piece), Limit);
                var read = await reader.ReadRequestAsync(CancellationToken.None);
                Assert.Equal((method, "/" + target), (read.Method, read.Target));
                Assert.Equal(body, read.Body.ToArray());
                Assert.Equal([new("Host", "h"), .. headers, new("Id", "7"), new("Content-Length", $"{body.Length}")], read.Headers);
                Assert.False(await reader.BeginsAsync(CancellationToken.None));
            }, iter: 300);

    [Fact]
    public Task Response_InChunksAndPieces_IsTheSame() =>
        Gen.Select(Gen.Byte.Array[1, 200].Array[0, 12], Gen.Int[1, 64]).SampleAsync(
            async (chunks, piece) =>
            {
                byte[] raw =
                [
                    .. "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"u8,
                    .. chunks.SelectMany(chunk => (byte[])[.. Encoding.ASCII.GetBytes($"{chunk.Length:x}\r\n"), .. chunk, .. "\r\n"u8]),
                    .. "0\r\n\r\n"u8,
                ];
                var read = await new HttpReader(new Pieces(raw, piece), Limit).ReadResponseAsync(CancellationToken.None);
                Assert.Equal(chunks.SelectMany(chunk => chunk), read.Body.ToArray());
            }, iter: 300);

    /// <summary>A whole message, mutilated: octets changed, cut out, doubled, or the end missing.</summary>
    [Fact]
    public Task Anything_MutilatedMessage_EndsInAMessageOrAKnownRefusal()
    {
        string[] seeds =
        [
            "POST /NetworkDriver.Join HTTP/1.1\r\nHost: \r\nContent-Length: 12\r\nAccept: x\r\n\r\n{\"a\":\"bcde\"}",
            "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
        ];
        return Gen.Select(Gen.Int[0, 3].Select(which => seeds[which]), Gen.Select(Gen.Int[0, 120], Gen.Int[0, 3], Gen.Byte).Array[0, 6], Gen.Int[1, 64]).SampleAsync(
            async (seed, edits, piece) =>
            {
                var octets = Encoding.Latin1.GetBytes(seed).ToList();
                foreach (var (where, how, octet) in edits.Where(edit => edit.Item1 < octets.Count))
                {
                    if (where >= octets.Count)
                        continue;
                    switch (how)
                    {
                        case 0: octets[where] = octet; break;
                        case 1: octets.Insert(where, octets[where]); break;
                        case 2: octets.RemoveAt(where); break;
                        default: octets.RemoveRange(where, octets.Count - where); break;
                    }
                }
                await SurvivesAsync([.. octets], piece);
            }, iter: 20_000);
    }

    [Fact]
    public Task Anything_RandomOctets_EndsInAKnownRefusal() =>
        Gen.Select(Gen.Byte.Array[0, 300], Gen.Int[1, 64]).SampleAsync((octets, piece) => SurvivesAsync(octets, piece), iter: 5_000);

    [Fact]
    public async Task Head_WithoutEnd_IsRefusedAtTheLimit()
    {
        var endless = Encoding.ASCII.GetBytes("POST /x HTTP/1.1\r\n" + string.Concat(Enumerable.Repeat("A: b\r\n", 20_000)));
        var refusal = await Assert.ThrowsAsync<HttpFormatException>(async () => await new HttpReader(new Pieces(endless, 4096), Limit).ReadRequestAsync(CancellationToken.None));
        Assert.Equal(431, refusal.Status);
        var line = new byte[1_000_000];
        Array.Fill(line, (byte)'a');
        refusal = await Assert.ThrowsAsync<HttpFormatException>(async () => await new HttpReader(new Pieces(line, 4096), Limit).ReadRequestAsync(CancellationToken.None));
        Assert.Equal(431, refusal.Status);
    }

    [Fact]
    public async Task Response_WithoutLength_IsRefused()
    {
        var raw = Encoding.ASCII.GetBytes("HTTP/1.0 200 OK\r\n\r\n{}");
        await Assert.ThrowsAsync<HttpFormatException>(async () => await new HttpReader(new Pieces(raw, 64), Limit).ReadResponseAsync(CancellationToken.None));
    }

    private static async Task SurvivesAsync(byte[] octets, int piece)
    {
        foreach (var read in new Func<HttpReader, Task>[] { async reader => await reader.ReadRequestAsync(CancellationToken.None), async reader => await reader.ReadResponseAsync(CancellationToken.None) })
        {
            try
            {
                await read(new HttpReader(new Pieces(octets, piece), Limit));
            }
            catch (Exception fault) when (fault is EndOfStreamException or HttpFormatException { Status: 400 or 413 or 431 or 501 or 502 or 505 })
            {
            }
        }
    }

    /// <summary>A stream that gives at most so many octets at a time.</summary>
    private sealed class Pieces(byte[] octets, int piece) : MemoryStream(octets, writable: false)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(piece, buffer.Length)], cancellationToken);
    }
}
