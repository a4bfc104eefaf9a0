using System.Net;
using CsCheck;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Tests.Netlink;

public sealed class CodecTests
{
    [Fact]
    public void Request_AttributesOfEveryKind_ReadBack()
    {
        Gen.Select(Gen.UInt, Gen.Byte, Gen.UShort, Gen.String[Gen.Char['a', 'z'], 0, 40], Gen.Byte.Array[0, 50]).Sample((number, small, port, text, blob) =>
        {
            var request = new NetlinkRequest();
            request.Begin(Rtm.NewLink, 5, Rtm.LinkBody)[4] = small;
            var nest = request.UInt32(1, number).UInt8(2, small).BeginNest(3);
            request.Text(1, text).Blob(2, blob).EndNest(nest).UInt16BigEndian(4, port).Flag(5);
            request.Begin(Rtm.DelLink, 1, Rtm.LinkBody);
            request.Stamp(100);

            var reader = new NetlinkReader(request.Bytes.Span);
            Assert.True(reader.TryRead(out var message));
            Assert.Equal((Rtm.NewLink, 5, 100u, small), (message.Type, message.Flags, message.Sequence, message.Payload[4]));
            var attributes = NetlinkAttributes.After(Rtm.LinkBody, message.Payload);
            Assert.True(attributes.TryRead(out var a) && a.UInt32 == number);
            Assert.True(attributes.TryRead(out a) && a.UInt8 == small);
            Assert.True(attributes.TryRead(out a));
            var nested = a.Nested;
            Assert.True(nested.TryRead(out var inner) && inner.Text == text);
            Assert.True(nested.TryRead(out inner) && inner.Value.SequenceEqual(blob));
            Assert.False(nested.TryRead(out _));
            Assert.True(attributes.TryRead(out a) && a.UInt16BigEndian == port);
            Assert.True(attributes.TryRead(out a) && a.Type == 5 && a.Value.IsEmpty);
            Assert.False(attributes.TryRead(out _));
            Assert.True(reader.TryRead(out message) && message.Sequence == 101 && message.Type == Rtm.DelLink);
            Assert.False(reader.TryRead(out _));
        });
    }

    private static NetlinkRequest Address()
    {
        var request = new NetlinkRequest();
        RouteCodec.AddAddress(request, new InterfaceAddress(1, IPAddress.Loopback, 8), NetlinkProtocol.Ack);
        return request;
    }

    private static readonly Gen<IPAddress> GenAddress = Gen.Byte.Array[4].Select(b => new IPAddress(b));
    private static readonly Gen<MacAddress> GenMac = Gen.Byte.Array[6].Select(b => new MacAddress(b));

    private static byte[] Written(Action<NetlinkRequest> write)
    {
        var request = new NetlinkRequest();
        write(request);
        request.Stamp(1);
        return request.Bytes.ToArray();
    }

    private static byte[] Payload(byte[] message) => message[NetlinkRequest.HeaderSize..];

    [Fact]
    public void Route_WrittenAndParsed_IsTheSame()
    {
        Gen.Select(GenAddress, Gen.Int[0, 32], GenAddress, Gen.Int[1, 100000], Gen.Bool, Gen.Int[1, 100000], Gen.Int[0, 100000])
            .Select((net, length, gateway, index, onLink, table, metric) => new Route(new IPv4Prefix(net, length))
            {
                Gateway = gateway,
                InterfaceIndex = index,
                OnLink = onLink,
                Table = table,
                Metric = metric,
                PreferredSource = onLink ? net : null,
            })
            .Sample(route => Assert.Equal(route, RouteCodec.ParseRoute(Rtm.NewRoute, Payload(Written(q => RouteCodec.Ensure(q, route, 0))))));
    }

    [Fact]
    public void Neighbours_WrittenAndParsed_AreTheSame()
    {
        Gen.Select(Gen.Int[1, 100000], GenAddress, GenMac).Sample((index, address, mac) =>
        {
            var neighbour = new Neighbour(index, address, mac);
            Assert.Equal(neighbour, NeighbourCodec.ParseNeighbour(Rtm.NewNeigh, Payload(Written(q => NeighbourCodec.Ensure(q, neighbour, 0)))));
            var entry = new ForwardingEntry(index, mac, address);
            Assert.Equal(entry, NeighbourCodec.ParseForwarding(Rtm.NewNeigh, Payload(Written(q => NeighbourCodec.Ensure(q, entry, 0)))));
        });
    }

    /// <summary>Real messages, to be cut and bent: random bytes alone hardly get past the first header.</summary>
    private static readonly byte[][] Seeds =
    [
        Stamped(LinkCodec.Create(new VxlanConfig("flannel.1", 1, 2, IPAddress.Loopback) { Mtu = 1450, Mac = default(MacAddress), Port = 8472 })),
        Stamped(LinkCodec.Create(new VethConfig("a", "b") { Mtu = 1400 })),
        Written(q => RouteCodec.Ensure(q, new Route(IPv4Prefix.Parse("10.0.0.0/8")) { Gateway = IPAddress.Loopback, InterfaceIndex = 3 }, 0)),
        Written(q => NeighbourCodec.Ensure(q, new Neighbour(1, IPAddress.Loopback, default(MacAddress)), 0)),
        Written(q => NeighbourCodec.Ensure(q, new ForwardingEntry(1, default, IPAddress.Loopback), 0)),
        Stamped(Address()),
    ];

    private static byte[] Stamped(NetlinkRequest request)
    {
        request.Stamp(1);
        return request.Bytes.ToArray();
    }

    private static void ReadAll(byte[] datagram)
    {
        try
        {
            RouteEventSocket.Parse(datagram);
            var reader = new NetlinkReader(datagram);
            while (reader.TryRead(out var message))
                NetlinkSocket.ReplySink.ReadError("fuzzing", message);
        }
        catch (NetlinkException e)
        {
            Assert.Equal("EPROTO", e.ErrnoName);
        }
    }

    [Fact]
    public void Parser_GarbageAndBentMessages_ThrowNothingButNetlinkException()
    {
        Gen.Byte.Array[0, 200].Sample(ReadAll, iter: 20_000);
        var bent = Gen.Select(Gen.Int[0, Seeds.Length - 1], Gen.Int[0, 400], Gen.Select(Gen.Int[0, 400], Gen.Byte).Array[0, 6]).Select((seed, cut, bends) =>
        {
            var bytes = Seeds[seed][..Math.Min(cut, Seeds[seed].Length)];
            foreach (var (at, value) in bends)
                if (at < bytes.Length) bytes[at] = value;
            return bytes;
        });
        bent.Sample(ReadAll, iter: 50_000);
        // Whole messages with bends behind the length field, so that the attributes are reached.
        var inner = Gen.Select(Gen.Int[0, Seeds.Length - 1], Gen.Select(Gen.Int[16, 400], Gen.Byte).Array[1, 6]).Select((seed, bends) =>
        {
            var bytes = Seeds[seed].ToArray();
            foreach (var (at, value) in bends)
                if (at < bytes.Length) bytes[at] = value;
            return bytes;
        });
        inner.Sample(ReadAll, iter: 100_000);
    }

    private static NetlinkMessage First(NetlinkRequest request, uint sequence)
    {
        request.Stamp(sequence);
        var reader = new NetlinkReader(request.Bytes.Span);
        Assert.True(reader.TryRead(out var message));
        return message;
    }

    private static NetlinkMessage ErrorMessage(ushort type, int errno, ushort flags, string words, byte[] echo)
    {
        var request = new NetlinkRequest();
        var body = request.Begin(type, flags, 4 + echo.Length);
        BitConverter.TryWriteBytes(body, -errno);
        echo.CopyTo(body[4..]);
        return First(request.Text(NetlinkProtocol.ErrorMessageAttribute, words), 7);
    }

    [Fact]
    public void ReadError_CappedEchoedAndDone_FindTheKernelsWords()
    {
        var echoed = Stamped(Address());
        var capped = ErrorMessage(NetlinkProtocol.TypeError, 17, NetlinkProtocol.Capped | NetlinkProtocol.AckTlvs, "taken", echoed[..NetlinkRequest.HeaderSize]);
        Assert.Equal("adding x: EEXIST: taken", NetlinkSocket.ReplySink.ReadError("adding x", capped)?.Message);
        var whole = ErrorMessage(NetlinkProtocol.TypeError, 22, NetlinkProtocol.AckTlvs, "bad", echoed);
        Assert.Equal("adding x: EINVAL: bad", NetlinkSocket.ReplySink.ReadError("adding x", whole)?.Message);
        var done = ErrorMessage(NetlinkProtocol.TypeDone, 19, NetlinkProtocol.AckTlvs, "gone", []);
        Assert.Equal("listing x: ENODEV: gone", NetlinkSocket.ReplySink.ReadError("listing x", done)?.Message);
        Assert.Null(NetlinkSocket.ReplySink.ReadError("adding x", ErrorMessage(NetlinkProtocol.TypeError, 0, NetlinkProtocol.Capped, "", echoed[..NetlinkRequest.HeaderSize])));
    }

    [Fact]
    public void Exchange_OtherSequence_IsDropped_InterruptedDump_IsNoticed()
    {
        var exchange = new NetlinkSocket.Exchange<Route>("listing routes", 7, RouteCodec.ParseRoute);
        NetlinkRequest RouteMessage(ushort flags)
        {
            var request = new NetlinkRequest();
            RouteCodec.Ensure(request, new Route(IPv4Prefix.Parse("10.0.0.0/8")), flags);
            return request;
        }
        Assert.False(exchange.Accept(First(RouteMessage(0), sequence: 6)));
        Assert.Empty(exchange.Replies);
        Assert.False(exchange.Accept(First(RouteMessage(0), sequence: 7)));
        Assert.False(exchange.Interrupted);
        Assert.False(exchange.Accept(First(RouteMessage(NetlinkProtocol.DumpInterrupted), sequence: 7)));
        Assert.Equal((2, true), (exchange.Replies.Count, exchange.Interrupted));
        Assert.True(exchange.Accept(ErrorMessage(NetlinkProtocol.TypeDone, 0, 0, "", [])));
        Assert.Null(exchange.Error);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(15)]
    public void Reader_MessageLengthShorterThanItsHeader_IsMalformed(byte length)
    {
        var datagram = new byte[32];
        datagram[0] = length;
        var error = Assert.Throws<NetlinkException>(() =>
        {
            var reader = new NetlinkReader(datagram);
            while (reader.TryRead(out _))
            {
            }
        });
        Assert.Equal($"reading netlink: EPROTO: a message of {length} bytes in 32", error.Message);
    }

    [Fact]
    public void Attributes_OfLengthZero_AreMalformedNotEndless()
    {
        Assert.Throws<NetlinkException>(() =>
        {
            var attributes = new NetlinkAttributes(new byte[8]);
            while (attributes.TryRead(out _))
            {
            }
        });
    }
}

public sealed class AddressTypeTests
{
    [Theory]
    [InlineData("c6:d2:32:6f:8f:44", true)]
    [InlineData("C6:D2:32:6F:8F:44", true)]
    [InlineData("c6-d2-32-6f-8f-44", false)]
    [InlineData("c6:d2:32:6f:8f", false)]
    [InlineData("c6:d2:32:6f:8f:4", false)]
    [InlineData("+6:d2:32:6f:8f:44", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void MacAddress_Parse_TakesColonForm(string? text, bool valid)
    {
        Assert.Equal(valid, MacAddress.TryParse(text, out var mac));
        if (valid) Assert.Equal("c6:d2:32:6f:8f:44", mac.ToString());
    }

    [Fact]
    public void MacAddress_Random_IsLocalAndUnicast()
    {
        var chance = new Random(1);
        for (var i = 0; i < 1000; i++)
            Assert.Equal(2, MacAddress.Random(chance).ToBytes()[0] & 3);
    }

    [Theory]
    [InlineData("10.1.2.3/24", "10.1.2.0/24")]
    [InlineData("0.0.0.0/0", "0.0.0.0/0")]
    [InlineData("255.255.255.255/32", "255.255.255.255/32")]
    [InlineData("10.1/16", null)]
    [InlineData("10.1.2.3", null)]
    [InlineData("10.1.2.3/33", null)]
    [InlineData("10.1.2.3/-1", null)]
    [InlineData("::/0", null)]
    [InlineData(null, null)]
    public void IPv4Prefix_Parse_CutsHostBits(string? text, string? expected) =>
        Assert.Equal(expected, IPv4Prefix.TryParse(text, out var prefix) ? prefix.ToString() : null);

    [Theory]
    [InlineData("10.0.0.0/8", "10.1.0.0/16", true, true)]
    [InlineData("10.1.0.0/16", "10.0.0.0/8", false, true)]
    [InlineData("10.1.0.0/16", "10.2.0.0/16", false, false)]
    [InlineData("0.0.0.0/0", "10.2.0.0/16", true, true)]
    public void IPv4Prefix_ContainsAndOverlaps(string a, string b, bool contains, bool overlaps)
    {
        var (x, y) = (IPv4Prefix.Parse(a), IPv4Prefix.Parse(b));
        Assert.Equal((contains, overlaps, overlaps), (x.Contains(y), x.Overlaps(y), y.Overlaps(x)));
        Assert.Equal(contains, x.Contains(y.Network) && x.Length <= y.Length);
    }
}
