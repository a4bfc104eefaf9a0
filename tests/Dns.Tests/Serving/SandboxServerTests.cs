using System.Net;
using System.Net.Sockets;
using ARSoft.Tools.Net.Dns;
using CsCheck;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Dns.Tests.Messages;
using FlannelFlow.Dns.Upstreams;

namespace FlannelFlow.Dns.Tests.Serving;

public sealed class SandboxServerTests
{
    private static readonly byte[] Local = Wire.Question("many", RecordType.A);
    private static readonly byte[] Foreign = Wire.Question("example.com", RecordType.A, 1232);

    [Fact]
    public async Task Local_ByUdpAndTcp()
    {
        await using var server = new Loopback(MessageTests.Many(300));
        Assert.True((await server.AskUdpAsync(Local)).IsTruncated);
        using var tcp = await server.ConnectAsync();
        // More than one on a connection (RFC 7766 6.2.1).
        Assert.Equal(300, (await Loopback.AskTcpAsync(tcp, Local)).AnswerRecords.Count);
        Assert.Equal(300, (await Loopback.AskTcpAsync(tcp, Local)).AnswerRecords.Count);
    }

    [Fact]
    public async Task Tcp_QueryInPieces_AndTwoInOne_AreAnswered()
    {
        await using var server = new Loopback(MessageTests.Many(1));
        using var tcp = await server.ConnectAsync();
        var framed = Loopback.Framed(Local);
        foreach (var octet in framed[..^1]) await tcp.SendAllAsync(new[] { octet }, Loopback.Ct);
        await tcp.SendAllAsync(framed[^1..].Concat(framed).ToArray(), Loopback.Ct);
        var both = new byte[2 * (2 + Local.Length + 16)];
        Assert.True(await tcp.TryReceiveAllAsync(both, Loopback.Ct));
        Assert.Equal(both[..(both.Length / 2)], both[(both.Length / 2)..]);
    }

    [Fact]
    public async Task Probe_ComesBackBehindAllAnswers()
    {
        await using var server = new Loopback(MessageTests.Many(1));
        using var client = server.Client();
        for (var i = 0; i < 100; i++) await client.SendAsync(Local, SocketFlags.None, Loopback.Ct);
        await client.SendAsync(Array.Empty<byte>(), SocketFlags.None, Loopback.Ct);
        await client.SendAsync(new byte[] { 7 }, SocketFlags.None, Loopback.Ct);
        var buffer = new byte[512];
        for (var i = 0; i < 100; i++) Assert.InRange(await client.ReceiveAsync(buffer, SocketFlags.None, Loopback.Ct), 12, 512);
        Assert.Equal(0, await client.ReceiveAsync(buffer, SocketFlags.None, Loopback.Ct));
        Assert.Equal(1, await client.ReceiveAsync(buffer, SocketFlags.None, Loopback.Ct));
        Assert.Equal(7, buffer[0]);
    }

    [Theory]
    [InlineData(0, ReturnCode.NoError)]
    [InlineData(3, ReturnCode.NxDomain)]
    public async Task Foreign_FirstUpstreamAnswers_PassesAsItIs(int code, ReturnCode expected)
    {
        await using var first = new FakeUpstream(query => FakeUpstream.Answer(query, code));
        await using var second = new FakeUpstream(query => FakeUpstream.Answer(query, 0, last: 2));
        await using var server = new Loopback(MessageTests.Many(1), first.Server, second.Server);
        var answer = await server.AskUdpAsync(Foreign);
        Assert.Equal(expected, answer.ReturnCode);
        Assert.Equal(0x1234, answer.TransactionID);
        using var tcp = await server.ConnectAsync();
        Assert.Equal(expected, (await Loopback.AskTcpAsync(tcp, Foreign)).ReturnCode);
        Assert.Equal((2, 0), (first.Asked, second.Asked));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public async Task Foreign_FirstUpstreamFails_TheSecondIsAsked(int code)
    {
        await using var first = new FakeUpstream(query => FakeUpstream.Answer(query, code));
        await using var second = new FakeUpstream(query => FakeUpstream.Answer(query, 0, last: 2));
        await using var server = new Loopback(MessageTests.Many(1), first.Server, second.Server);
        var answer = await server.AskUdpAsync(Foreign);
        Assert.Equal("198.51.100.2", Wire.Text(Assert.Single(answer.AnswerRecords)));
        Assert.Equal(1, first.Asked);
    }

    /// <summary>By UDP and by TCP, with answers that do not count as silence: another id, another question.</summary>
    [Theory]
    [InlineData(-1, true)]
    [InlineData(1, true)]
    [InlineData(13, true)]
    [InlineData(-1, false)]
    [InlineData(13, false)]
    public async Task Foreign_FirstUpstreamIsSilentOrForged_TheSecondIsAskedInTime(int forged, bool isUdp)
    {
        await using var first = new FakeUpstream(Forge);
        await using var second = new FakeUpstream(query => FakeUpstream.Answer(query, 0, last: 2));
        await using var server = new Loopback(MessageTests.Many(1), first.Server, second.Server);
        using var tcp = await server.ConnectAsync();
        var asked = isUdp ? server.AskUdpAsync(Foreign) : Loopback.AskTcpAsync(tcp, Foreign);
        await first.FirstAsked;
        // A wrong answer by TCP is the end of that connection: there is nothing to wait for.
        if (isUdp || forged < 0) server.Time.Advance(Forwarder.Patience);
        var answer = await asked;
        Assert.Equal("198.51.100.2", Wire.Text(Assert.Single(answer.AnswerRecords)));
        Assert.Equal(1, first.Asked);

        byte[]? Forge(byte[] query)
        {
            if (forged < 0) return null;
            var answer = FakeUpstream.Answer(query, 0);
            answer[forged] ^= 1;
            return answer;
        }
    }

    [Fact]
    public async Task Foreign_NobodyListens_IsAFailure()
    {
        using var closed = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        closed.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var server = (IPEndPoint)closed.LocalEndPoint!;
        closed.Close();
        await using var sandbox = new Loopback(MessageTests.Many(1), server);
        Assert.Equal(ReturnCode.ServerFailure, (await sandbox.AskUdpAsync(Foreign)).ReturnCode);
    }

    [Fact]
    public async Task Foreign_AllFail_TheLastFailurePasses()
    {
        await using var first = new FakeUpstream(query => FakeUpstream.Answer(query, 2));
        await using var second = new FakeUpstream(query => FakeUpstream.Answer(query, 5));
        await using var server = new Loopback(MessageTests.Many(1), first.Server, second.Server);
        Assert.Equal(ReturnCode.Refused, (await server.AskUdpAsync(Foreign)).ReturnCode);
    }

    [Fact]
    public async Task Foreign_LongerThanTheClientTakes_IsTruncated()
    {
        await using var upstream = new FakeUpstream(query => [.. FakeUpstream.Answer(query, 0), .. new byte[900]]);
        await using var server = new Loopback(MessageTests.Many(1), upstream.Server);
        var plain = await server.AskUdpAsync(Wire.Question("example.com", RecordType.A));
        Assert.True(plain.IsTruncated);
        Assert.Empty(plain.AnswerRecords);
        using var client = server.Client();
        Assert.InRange((await Loopback.AskAsync(client, Foreign)).Length, 900, 1232);
    }

    [Fact]
    public async Task Foreign_BeyondTheLimit_IsRefusedAtOnce_AndLocalNamesGoOn()
    {
        await using var upstream = new FakeUpstream(_ => null);
        await using var server = new Loopback(MessageTests.Many(1), upstream.Server);
        using var client = server.Client();
        for (var i = 0; i < 1400; i++)
        {
            await client.SendAsync(Foreign, SocketFlags.None, Loopback.Ct);
            // The socket's queue holds a few hundred: none may be lost.
            if (i % 50 == 0) await server.AskUdpAsync(Local);
        }

        Assert.Single((await server.AskUdpAsync(Local)).AnswerRecords);
        var buffer = new byte[512];
        var length = await client.ReceiveAsync(buffer, SocketFlags.None, Loopback.Ct);
        Assert.Equal(ReturnCode.Refused, DnsMessage.Parse(buffer[..length]).ReturnCode);
    }

    /// <summary>Each twentieth also as a stream that ends in the middle, with a length before it or without.</summary>
    [Fact]
    public async Task Garbage_ByUdpAndTcp_TheNextQueryIsAnswered_AndMemoryDoesNotGrow()
    {
        const int atATime = 2000;
        await using var server = new Loopback(MessageTests.Many(1));
        using var noise = server.Client();
        long before = 0;
        for (var sent = 0; sent < (FuzzTests.AskedFor ?? atATime); sent += atATime)
        {
            var garbage = new List<byte[]>(atATime);
            FuzzTests.Damaged.Sample(garbage.Add, iter: atATime, threads: 1);
            foreach (var (datagram, i) in garbage.Select((datagram, i) => (datagram, i)))
            {
                await noise.SendAsync(datagram, SocketFlags.None, Loopback.Ct);
                if (i % 20 != 0) continue;
                Assert.Single((await server.AskUdpAsync(Local)).AnswerRecords);
                using var tcp = await server.ConnectAsync();
                await tcp.SendAsync(i % 40 == 0 ? datagram : Loopback.Framed(datagram), SocketFlags.None, Loopback.Ct);
            }

            if (sent == 0) before = GC.GetTotalMemory(forceFullCollection: true);
        }

        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 4_000_000);
        using var good = await server.ConnectAsync();
        Assert.Single((await Loopback.AskTcpAsync(good, Local)).AnswerRecords);
    }

    [Fact]
    public async Task Dispose_WithForwardsAndConnectionsUnderWay_Ends()
    {
        await using var upstream = new FakeUpstream(_ => null);
        var server = new Loopback(MessageTests.Many(1), upstream.Server);
        using var tcp = await server.ConnectAsync();
        await tcp.SendAllAsync(Loopback.Framed(Foreign), Loopback.Ct);
        using var client = server.Client();
        await client.SendAsync(Foreign, SocketFlags.None, Loopback.Ct);
        await server.AskUdpAsync(Local);
        await server.DisposeAsync();
        Assert.Equal(0, server.Forwarder.UnderWay);
    }
}
