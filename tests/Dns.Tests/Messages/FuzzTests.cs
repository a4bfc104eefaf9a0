using System.Globalization;
using ARSoft.Tools.Net.Dns;
using CsCheck;
using FlannelFlow.Dns.Names;
using FlannelFlow.Dns.Serving;

namespace FlannelFlow.Dns.Tests.Messages;

/// <summary>
/// Datagrams that are damaged queries, or noise. FLANNELFLOW_DNS_FUZZ says how many (30,000 without it); tests/campaigns/dns is the long form.
/// </summary>
public sealed class FuzzTests
{
    private static readonly int Datagrams = AskedFor ?? 30_000;

    /// <summary>What the long form was told; null in the short one.</summary>
    internal static int? AskedFor =>
        int.TryParse(Environment.GetEnvironmentVariable("FLANNELFLOW_DNS_FUZZ"), CultureInfo.InvariantCulture, out var asked) ? asked : null;

    internal static Gen<byte[]> Damaged { get; } = Gen.Select(
        OneOf("many", "MANY.net", "tasks.many", "4.0.9.10.in-addr.arpa", "x", "", new string('a', 63)),
        OneOf(RecordType.A, RecordType.Aaaa, RecordType.Ptr, RecordType.Any, RecordType.Https),
        OneOf<int?>(null, 0, 512, 1232, 65_535),
        Gen.Select(Gen.Int[0, 80], OneOf<byte>(0, 1, 0x29, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff)).Array[0, 6],
        Gen.Int[0, 80],
        Gen.Byte.Array[0, 40],
        (name, type, edns, changes, length, tail) =>
        {
            var query = Wire.Question(name, type, edns);
            foreach (var (at, value) in changes) query[at % query.Length] = value;
            return length switch
            {
                < 15 => query[..Math.Min(length, query.Length)],
                < 40 => [.. query, .. tail],
                < 45 => tail,
                _ => query,
            };
        });

    private static Gen<T> OneOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    [Fact]
    public void Damaged_IsAnsweredOrNot_WithinTheSizeAndWithoutGrowth()
    {
        var responder = Wire.Responder(MessageTests.Many(300), new SandboxModel(["n"], [Wire.Upstream], NdotsSet: false), MatchMode.FirstNetwork);
        var buffer = new byte[65_535];
        var random = new Random(3);
        var grown = 0L;
        Damaged.Sample(
            datagram =>
            {
                foreach (var isUdp in new[] { true, false })
                {
                    buffer.AsSpan().Fill(0xaa);
                    var before = GC.GetAllocatedBytesForCurrentThread();
                    var response = responder.Respond(datagram, isUdp, buffer, isUdp ? 512 : 65_535, random, out var length);
                    grown += GC.GetAllocatedBytesForCurrentThread() - before;
                    if (response != Response.Answered) continue;
                    Assert.InRange(length, 12, isUdp ? 512 : 65_535);
                    Assert.Equal(datagram[..2], buffer[..2]);
                    Assert.All(buffer[length..(length + 20)], untouched => Assert.Equal(0xaa, untouched));
                    if ((buffer[3] & 15) == 0) DnsMessage.Parse(buffer[..length]);
                }
            },
            iter: Datagrams,
            threads: 1);
        Assert.InRange(grown, 0, 100_000);
    }
}
