using System.Collections.Immutable;
using System.Net;
using ARSoft.Tools.Net.Dns;
using FlannelFlow.Dns.Names;
using FlannelFlow.Dns.Serving;

namespace FlannelFlow.Dns.Tests.Messages;

public sealed class MessageTests
{
    private static readonly SandboxModel Sandbox = new(["n"], [], NdotsSet: false);

    /// <summary>A dnsrr service "many" with so many tasks.</summary>
    internal static NameSnapshot Many(int tasks) => new(
        [new NamedNetwork("n", "net")],
        [new NamedService("s", "many", [new ServiceNames("n", null, [])])],
        [.. Enumerable.Range(0, tasks).Select(i => new NamedContainer(
            $"c{i}", $"many.{i}", "s", Ready: true, [new ContainerNames("n", new IPAddress([10, 9, (byte)(i >> 8), (byte)i]), [])]))]);

    [Fact]
    public void Answer_RepeatsTheQuestionToTheLetter_AndItsFlags()
    {
        var query = Wire.Question("mANY.NeT", RecordType.A);
        var answer = Wire.Respond(Wire.Responder(Many(1), Sandbox, MatchMode.FirstNetwork), query, out _)!;
        Assert.Equal("mANY.NeT.", Assert.Single(answer.Questions).Name.ToString());
        Assert.True(answer.IsQuery is false && answer.IsRecursionDesired && answer.IsRecursionAllowed && answer.IsAuthoritiveAnswer);
        Assert.Equal("many.net.", Assert.Single(answer.AnswerRecords).Name.ToString().ToLowerInvariant());
        Assert.Null(answer.EDnsOptions);
    }

    [Theory]
    [InlineData(null, 512, 30)]
    [InlineData(100, 512, 29)]
    [InlineData(1232, 1232, 74)]
    [InlineData(4096, 4096, 253)]
    [InlineData(65535, 4096, 253)]
    public void Addresses_TooManyForUdp_AreAsManyAsFitAndTruncated(int? edns, int most, int expected)
    {
        var answer = Wire.Respond(Wire.Responder(Many(300), Sandbox, MatchMode.FirstNetwork), Wire.Question("many", RecordType.A, edns), out var length)!;
        Assert.True(answer.IsTruncated);
        Assert.InRange(length, most - 16, most);
        Assert.Equal(expected, answer.AnswerRecords.Count);
        Assert.Equal(expected, answer.AnswerRecords.Select(Wire.Text).Distinct().Count());
        Assert.Equal(edns is not null, answer.EDnsOptions is not null);
    }

    [Fact]
    public void Addresses_ByTcp_AreAll()
    {
        var answer = Wire.Respond(Wire.Responder(Many(300), Sandbox, MatchMode.FirstNetwork), Wire.Question("many", RecordType.A), out _, isUdp: false)!;
        Assert.Equal(300, answer.AnswerRecords.Select(Wire.Text).Distinct().Count());
        Assert.False(answer.IsTruncated);
    }

    /// <summary>Each address is in each place: 3! orders, and each comes first in about a third of 3,000 answers (6 standard deviations are 155).</summary>
    [Fact]
    public void Addresses_ComeInEveryOrder()
    {
        var responder = Wire.Responder(Many(3), Sandbox, MatchMode.FirstNetwork);
        var random = new Random(7);
        var buffer = new byte[512];
        var orders = Enumerable.Range(0, 3000).Select(_ =>
        {
            responder.Respond(Wire.Question("many", RecordType.A), isUdp: true, buffer, 512, random, out var length);
            return string.Join(' ', DnsMessage.Parse(buffer[..length]).AnswerRecords.Select(Wire.Text));
        }).ToList();
        Assert.Equal(6, orders.Distinct().Count());
        Assert.All(orders.GroupBy(order => order.Split(' ')[0]), first => Assert.InRange(first.Count(), 845, 1155));
    }

    [Fact]
    public void Edns_OtherVersion_IsBadVersion()
    {
        var answer = Wire.Respond(Wire.Responder(Many(1), Sandbox, MatchMode.FirstNetwork), Wire.Question("many", RecordType.A, 1232, ednsVersion: 1), out _)!;
        Assert.Equal(ReturnCode.BadVersion, answer.ReturnCode);
        Assert.Equal(0, answer.EDnsOptions!.Version);
    }

    public static TheoryData<string, int> Wrong() => new()
    {
        { "1234 2100 0001 0000 0000 0000 00 0001 0001", 4 },                                   // the opcode NOTIFY
        { "1234 2800 0001 0000 0000 0000 00 0006 0001", 4 },                                   // UPDATE
        { "1234 0100 0000 0000 0000 0000", 1 },                                                // no question
        { "1234 0100 0002 0000 0000 0000 00 0001 0001 00 0001 0001", 1 },                      // two
        { "1234 0100 0001 0000 0000 0000", 1 },                                                // said, not there
        { "1234 0100 0001 0000 0000 0000 0361 0001 0001", 1 },                                 // a label longer than the message
        { "1234 0100 0001 0000 0000 0000 c00c 0001 0001", 1 },                                 // a name that points to itself
        { "1234 0100 0001 0000 0000 0000 40 0001 0001", 1 },                                   // a reserved kind of label
        { "1234 0100 0001 0000 0000 0000 0161 00 0001", 1 },                                   // no class
        { "1234 0100 0001 0000 0000 0001 0161 00 0001 0001 00 0029 04d0 00000000 0005", 1 },   // an OPT record longer than the message
        { "1234 0100 0001 0000 0000 0002 0161 00 0001 0001 00 0029 04d0 00000000 0000 00 0029 04d0 00000000 0000", 1 }, // two OPT records
        { "1234 0100 0001 0001 0000 0000 0161 00 0001 0001 00 0029 04d0 00000000 0000", 1 },   // an OPT record among the answers
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Wrong_IsAnsweredAsSuch(string hex, int code)
    {
        var query = Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
        var buffer = new byte[512];
        var response = Wire.Responder(Many(1), Sandbox, MatchMode.FirstNetwork).Respond(query, isUdp: true, buffer, 512, new Random(1), out var length);
        Assert.Equal(Response.Answered, response);
        Assert.Equal(query[..2], buffer[..2]);
        Assert.Equal(0x80, buffer[2] & 0x80);
        Assert.Equal(code, buffer[3] & 15);
        Assert.InRange(length, 12, 512);
    }

    [Theory]
    [InlineData("")]
    [InlineData("12340100000100000000")]
    [InlineData("123481000001000000000000000001" + "0001")]
    public void NoQuery_GetsNoAnswer(string hex)
    {
        var response = Wire.Responder(Many(1), Sandbox, MatchMode.FirstNetwork)
            .Respond(Convert.FromHexString(hex), isUdp: true, new byte[512], 512, new Random(1), out _);
        Assert.Equal(Response.Silence, response);
    }

    [Theory]
    [InlineData("086d616e792e6e657400")]   // one label "many.net"
    [InlineData("046d616ef900")]           // "man" and a byte that is not ASCII
    public void Name_ThatIsNotText_IsNoneOfOurs(string name)
    {
        var query = Convert.FromHexString("123401000001000000000000" + name + "00010001");
        var answer = Wire.Respond(Wire.Responder(Many(1), Sandbox, MatchMode.FirstNetwork), query, out _)!;
        Assert.Equal(ReturnCode.NxDomain, answer.ReturnCode);
    }

    [Fact]
    public void LongestName_IsAnswered()
    {
        var name = string.Join('.', Enumerable.Repeat(new string('x', 63), 3).Append(new string('y', 61)));
        var query = Wire.Question(name, RecordType.Aaaa, 1232);
        Assert.Equal(12 + 255 + 4 + 11, query.Length);
        var answer = Wire.Respond(Wire.Responder(Many(1), Sandbox, MatchMode.FirstNetwork), query, out var length)!;
        Assert.Equal(ReturnCode.NxDomain, answer.ReturnCode);
        Assert.InRange(length, 0, 512);
        var longer = Wire.Question(name + "y", RecordType.A);
        Assert.Equal(ReturnCode.FormatError, Wire.Respond(Wire.Responder(Many(1), Sandbox, MatchMode.FirstNetwork), longer, out _)!.ReturnCode);
    }

    /// <summary>The path that all local names take, thousands of times a second, gives the collector nothing to do.</summary>
    [Fact]
    public void LocalName_AllocatesNothing()
    {
        var responder = Wire.Responder(Many(5), Sandbox, MatchMode.FirstNetwork);
        byte[][] queries = [Wire.Question("many", RecordType.A, 1232), Wire.Question("MANY.net", RecordType.Aaaa), Wire.Question("4.0.9.10.in-addr.arpa", RecordType.Ptr)];
        var buffer = new byte[4096];
        var random = new Random(1);
        Ask();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++) Ask();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Ask()
        {
            foreach (var query in queries) responder.Respond(query, isUdp: true, buffer, 4096, random, out _);
        }
    }
}
