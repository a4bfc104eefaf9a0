using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Text;
using ARSoft.Tools.Net.Dns;
using FlannelFlow.Dns.Names;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Dns.Upstreams;

namespace FlannelFlow.Dns.Tests;

/// <summary>Queries made by hand, answers read by ARSoft.Tools.Net: no code is shared with what is tested.</summary>
internal static class Wire
{
    public const int Ttl = 5;

    public static UpstreamModel Upstream { get; } = new(new IPEndPoint(IPAddress.Parse("192.0.2.53"), 53), UpstreamSide.Sandbox);

    /// <param name="name">Labels joined with dots.</param>
    /// <param name="ednsSize">Null: without an OPT record.</param>
    public static byte[] Question(string name, RecordType type, int? ednsSize = null, ushort id = 0x1234, byte ednsVersion = 0)
    {
        var bytes = new List<byte> { (byte)(id >> 8), (byte)id, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, (byte)(ednsSize is null ? 0 : 1) };
        foreach (var label in name.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            bytes.Add((byte)label.Length);
            bytes.AddRange(Encoding.ASCII.GetBytes(label));
        }

        bytes.AddRange([0, (byte)((int)type >> 8), (byte)type, 0, 1]);
        if (ednsSize is { } size) bytes.AddRange([0, 0, 41, (byte)(size >> 8), (byte)size, 0, ednsVersion, 0, 0, 0, 0]);
        return [.. bytes];
    }

    public static Responder Responder(NameSnapshot snapshot, SandboxModel sandbox, MatchMode mode)
    {
        var board = new NameBoard();
        board.Publish(NameIndex.Build(snapshot));
        return new Responder(board, new DnsOptions(mode, Ttl), sandbox);
    }

    /// <returns>Null: an upstream is to be asked.</returns>
    public static DnsMessage? Respond(NameSnapshot snapshot, SandboxModel sandbox, MatchMode mode, byte[] query) =>
        Respond(Responder(snapshot, sandbox, mode), query, out _);

    public static DnsMessage? Respond(Responder responder, byte[] query, out int length, bool isUdp = true)
    {
        var answer = new byte[65_535];
        var response = responder.Respond(query, isUdp, answer, isUdp ? 4096 : 65_535, new Random(1), out length);
        if (response == Response.Forward) return null;
        Assert.Equal(Response.Answered, response);
        Assert.Equal(query[..2], answer[..2]);
        return DnsMessage.Parse(answer[..length]);
    }

    /// <summary>"?" for an upstream's, "-" for none, else sorted addresses or names.</summary>
    public static string Outcome(DnsMessage? answer)
    {
        if (answer is null) return "?";
        Assert.Equal(ReturnCode.NoError, answer.ReturnCode);
        Assert.False(answer.IsTruncated);
        if (answer.AnswerRecords.Count == 0)
        {
            Assert.Equal(Ttl, Assert.IsType<SoaRecord>(Assert.Single(answer.AuthorityRecords)).TimeToLive);
            return "-";
        }

        Assert.All(answer.AnswerRecords, record => Assert.Equal(Ttl, record.TimeToLive));
        return string.Join(' ', answer.AnswerRecords.Select(Text).Order(StringComparer.Ordinal));
    }

    public static string Text(DnsRecordBase record) => record switch
    {
        ARecord a => a.Address.ToString(),
        PtrRecord pointer => pointer.PointerDomainName.ToString(),
        _ => record.ToString(),
    };
}
