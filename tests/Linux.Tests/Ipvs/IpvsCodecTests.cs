using System.Net;
using CsCheck;
using FlannelFlow.Linux.Ipvs;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Tests.Ipvs;

public sealed class IpvsCodecTests
{
    private const ushort Family = 0x1c;

    private static byte[] Written(IpvsChange change)
    {
        var request = new NetlinkRequest();
        IpvsCodec.Write(request, Family, change, NetlinkProtocol.Ack);
        request.Stamp(1);
        return request.Bytes.ToArray();
    }

    [Fact]
    public void AddService_Bytes_AreThoseThatIpvsadmSends()
    {
        var bytes = Written(new IpvsChange.AddService(new IpvsService(0x10000000, "wrr")));
        // nlmsghdr (length, type, flags REQUEST|ACK, sequence, port), genlmsghdr (NEW_SERVICE, version 1), then the nest of the service:
        // AF 2, FWMARK, SCHED_NAME "wrr\0", FLAGS and their mask, TIMEOUT 0, NETMASK 255.255.255.255.
        Assert.Equal(
            "4C0000001C000500010000000000000001010000" + "38000100" + "0600010002000000" + "0800050000000010" + "0800060077727200"
            + "0C000700000000001D000000" + "0800080000000000" + "08000900FFFFFFFF",
            Convert.ToHexString(bytes));
    }

    [Fact]
    public void Service_WrittenAndParsed_IsTheSame() =>
        Gen.Select(Gen.UInt[1, uint.MaxValue], Gen.String[Gen.Char['a', 'z'], 1, 15], Gen.Int[0, 31].Select(flags => flags & 0x1d), Gen.UInt[0, 100000], Gen.Int[0, 32])
            .Select((mark, scheduler, flags, timeout, prefix) => new IpvsService(mark, scheduler)
            {
                Flags = (IpvsServiceFlags)flags,
                PersistenceTimeout = timeout,
                PersistencePrefix = prefix,
            })
            .Sample(service => Assert.Equal(service, IpvsCodec.ParseService(Family, Written(new IpvsChange.AddService(service)).AsSpan(NetlinkRequest.HeaderSize))));

    [Fact]
    public void Destination_WrittenAndParsed_IsTheSame() =>
        Gen.Select(Gen.Byte.Array[4], Gen.Int[0, int.MaxValue], Gen.Int[0, 65535], Gen.UInt[0, 1000], Gen.UInt[0, 1000])
            .Select((address, weight, port, upper, lower) => new IpvsDestination(new IPAddress(address), weight)
            {
                Port = port,
                UpperThreshold = upper,
                LowerThreshold = lower,
            })
            .Sample(destination =>
            {
                var parsed = IpvsCodec.ParseDestination(Family, Written(new IpvsChange.SetDestination(7, destination)).AsSpan(NetlinkRequest.HeaderSize));
                Assert.Equal(destination, parsed?.Destination);
            });

    [Fact]
    public void Destination_WithCountersOf64Bits_AreRead()
    {
        var request = new NetlinkRequest().Begin(Family, 0, IpvsCommand.NewDestination, IpvsProtocol.Version);
        var nest = request.BeginNest(IpvsAttribute.Destination);
        request.Blob(IpvsDestinationAttribute.Address, [10, 1, 1, 5, .. new byte[12]]).UInt32(IpvsDestinationAttribute.ActiveConnections, 3)
            .UInt32(IpvsDestinationAttribute.InactiveConnections, 4);
        var statistics = request.BeginNest(IpvsDestinationAttribute.Statistics64);
        request.Blob(IpvsStatisticsAttribute.Connections, BitConverter.GetBytes(1ul << 40)).Blob(IpvsStatisticsAttribute.OutgoingBytes, BitConverter.GetBytes(5ul))
            .EndNest(statistics).EndNest(nest);
        request.Stamp(1);
        var status = IpvsCodec.ParseDestination(Family, request.Bytes.Span[NetlinkRequest.HeaderSize..]);
        Assert.Equal(
            new IpvsDestinationStatus(new IpvsDestination(IPAddress.Parse("10.1.1.5"), 0))
            {
                ActiveConnections = 3,
                InactiveConnections = 4,
                Statistics = new IpvsStatistics { Connections = 1ul << 40, OutgoingBytes = 5 },
            },
            status);
    }

    [Fact]
    public void Service_OfAnAddress_OrOfIPv6_IsLeftOutOfSight()
    {
        var request = new NetlinkRequest().Begin(Family, 0, IpvsCommand.NewService, IpvsProtocol.Version);
        var nest = request.BeginNest(IpvsAttribute.Service);
        request.UInt16(IpvsServiceAttribute.Family, 2).Text(IpvsServiceAttribute.Scheduler, "rr").EndNest(nest);
        request.Stamp(1);
        Assert.Null(IpvsCodec.ParseService(Family, request.Bytes.Span[NetlinkRequest.HeaderSize..]));
        request = new NetlinkRequest().Begin(Family, 0, IpvsCommand.NewService, IpvsProtocol.Version);
        nest = request.BeginNest(IpvsAttribute.Service);
        request.UInt16(IpvsServiceAttribute.Family, 10).UInt32(IpvsServiceAttribute.FwMark, 7).EndNest(nest);
        request.Stamp(1);
        Assert.Null(IpvsCodec.ParseService(Family, request.Bytes.Span[NetlinkRequest.HeaderSize..]));
    }

    [Fact]
    public void Messages_CutAnywhere_AreMalformedOrLess_NeverACrash()
    {
        var whole = Written(new IpvsChange.AddDestination(7, new IpvsDestination(IPAddress.Parse("10.1.1.5"), 3)))[NetlinkRequest.HeaderSize..];
        for (var length = 0; length < whole.Length; length++)
        {
            try
            {
                IpvsCodec.ParseDestination(Family, whole.AsSpan(0, length));
                IpvsCodec.ParseService(Family, whole.AsSpan(0, length));
            }
            catch (NetlinkException e)
            {
                Assert.Equal("EPROTO", e.ErrnoName);
            }
        }
    }

    [Theory]
    [InlineData("TCP 0A010105 D431 0A010002 1F90 0A010106 1F90 ESTABLISHED     899", "TCP 10.1.1.5:54321 10.1.0.2:8080 10.1.1.6:8080 Established 899")]
    [InlineData("UDP 0A010105 9A7A 0A010005 1F90 0A01010B 1F90 UDP             283 sip x", "UDP 10.1.1.5:39546 10.1.0.5:8080 10.1.1.11:8080 Udp 283")]
    [InlineData("TCP 0A010105 D431 0A010002 1F90 0A010106 1F90 SYN_RECV     -1", "TCP 10.1.1.5:54321 10.1.0.2:8080 10.1.1.6:8080 SynReceived -1")]
    [InlineData("Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData", null)]
    [InlineData("TCP fc00:0000:0000:0000:0000:0000:0000:0001 0050 fc00:0000:0000:0000:0000:0000:0000:0002 0050 fc00:0000:0000:0000:0000:0000:0000:0003 0050 CLOSE 9", null)]
    public void Connection_Line_IsRead(string line, string? expected)
    {
        var read = IpvsConnections.Parse(line);
        Assert.Equal(expected, read is null ? null : $"{read.Protocol} {read.Client} {read.Virtual} {read.Backend} {read.State} {read.Expires}");
    }

    [Theory]
    [InlineData("TCP 0A010105 D431")]
    [InlineData("TCP 0A0101XX D431 0A010002 1F90 0A010106 1F90 ESTABLISHED     899")]
    [InlineData("TCP 0A010105 D431 0A010002 1F90 0A010106 1F90 ESTABLISHED soon")]
    public void Connection_NonsenseLine_SaysSo(string line) =>
        Assert.Equal($"not a line of ip_vs_conn: '{line}'", Assert.Throws<InvalidDataException>(() => IpvsConnections.Parse(line)).Message);
}

/// <summary>In the guest of tests/lab/uml, with ipvsadm as the witness.</summary>
[Trait("Needs", "guest")]
public sealed class IpvsNetlinkTests
{
    private static readonly IPAddress First = IPAddress.Parse("10.1.1.5");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static async Task<IpvsNetlink> OpenAsync(TestNamespace ns) =>
        await IpvsNetlink.TryOpenAsync(ns.Handle, Ct) ?? throw new InvalidOperationException("this kernel has no IPVS");

    [Fact]
    public async Task Batch_OfThousands_IsMade_AndEachErrorIsAtItsPlace()
    {
        await using var ns = await TestNamespace.CreateAsync();
        using var ipvs = await OpenAsync(ns);
        List<IpvsChange> changes = [];
        for (uint mark = 1; mark <= 200; mark++)
        {
            changes.Add(new IpvsChange.AddService(new IpvsService(mark, mark == 77 ? "fastest" : "wrr")));
            for (byte n = 1; n <= 10; n++) changes.Add(new IpvsChange.AddDestination(mark, new IpvsDestination(new IPAddress([10, 1, 1, n]), n == 9 && mark == 5 ? -1 : n)));
        }

        changes.Add(new IpvsChange.AddService(new IpvsService(1, "rr")));
        changes.Add(new IpvsChange.SetDestination(2, new IpvsDestination(IPAddress.Parse("10.9.9.9"), 1)));
        var failed = (await ipvs.ApplyAsync(changes, Ct)).Where(result => result is not null).Select(result => result!.Message).ToList();
        Assert.Equal("adding destination 10.1.1.9 (weight -1) to IPVS service 0x5: ERANGE: the weight is negative, or the lower threshold above the upper one", failed[0]);
        Assert.Equal("adding IPVS service 0x4d (fastest): ENOENT: the kernel has no scheduler 'fastest'", failed[1]);
        Assert.Equal(Enumerable.Repeat("there is no such service", 10), failed.Skip(2).Take(10).Select(message => message.Split("ESRCH: ")[1]));
        Assert.Equal("adding IPVS service 0x1 (rr): EEXIST: there is one with this mark already", failed[12]);
        Assert.Equal("changing destination 10.9.9.9 (weight 1) of IPVS service 0x2: ENOENT: there is no such destination", failed[13]);
        Assert.Equal(14, failed.Count);

        var services = await ipvs.ListServicesAsync(Ct);
        Assert.Equal(199, services.Count);
        Assert.Equal(new IpvsService(3, "wrr"), Assert.Single(services, service => service.FwMark == 3));
        Assert.Equal(9, (await ipvs.ListDestinationsAsync(5, Ct)).Count);
        Assert.Empty(await ipvs.ListDestinationsAsync(77, Ct));
        Assert.Null(await ipvs.FindServiceAsync(77, Ct));
        var saved = await ns.Commands.RunCheckedAsync("ipvsadm", ["-S", "-n"], null, Ct);
        Assert.Equal(199 + (199 * 10) - 1, saved.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("-a -f 3 -r 10.1.1.7:0 -m -w 7", saved, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Changes_AreMadeInPlace_AndDeletingWhatIsNotThereIsSuccess()
    {
        await using var ns = await TestNamespace.CreateAsync();
        using var ipvs = await OpenAsync(ns);
        var service = new IpvsService(9, "rr") { Flags = IpvsServiceFlags.Persistent, PersistenceTimeout = 60, PersistencePrefix = 24 };
        async Task ApplyAsync(params IpvsChange[] changes) => Assert.All(await ipvs.ApplyAsync(changes, Ct), Assert.Null);
        await ApplyAsync(new IpvsChange.AddService(service), new IpvsChange.AddDestination(9, new IpvsDestination(First, 1) { UpperThreshold = 20, LowerThreshold = 10 }));
        Assert.Equal(service, await ipvs.FindServiceAsync(9, Ct));
        Assert.Equal("-A -f 9 -s rr -p 60 -M 255.255.255.0", (await ns.Commands.RunCheckedAsync("ipvsadm", ["-S", "-n"], null, Ct)).Split('\n')[0].Trim());
        await ApplyAsync(new IpvsChange.SetService(new IpvsService(9, "wlc")), new IpvsChange.SetDestination(9, new IpvsDestination(First, 0)));
        Assert.Equal(new IpvsService(9, "wlc"), await ipvs.FindServiceAsync(9, Ct));
        Assert.Equal(new IpvsDestinationStatus(new IpvsDestination(First, 0)), Assert.Single(await ipvs.ListDestinationsAsync(9, Ct)));
        await ApplyAsync(new IpvsChange.DeleteDestination(9, First, 0), new IpvsChange.DeleteDestination(9, First, 0), new IpvsChange.DeleteDestination(8, First, 0));
        await ApplyAsync(new IpvsChange.DeleteService(9), new IpvsChange.DeleteService(9));
        Assert.Empty(await ipvs.ListServicesAsync(Ct));
    }

    [Fact]
    public async Task Timeouts_AreSet_AndZeroLeavesOneAlone()
    {
        await using var ns = await TestNamespace.CreateAsync();
        using var ipvs = await OpenAsync(ns);
        await ipvs.SetTimeoutsAsync(new IpvsTimeouts(7800, 0, 30), Ct);
        Assert.Equal(new IpvsTimeouts(7800, 120, 30), await ipvs.GetTimeoutsAsync(Ct));
    }

    [Fact]
    public async Task Settings_EnsuredTwice_ChangeOnce()
    {
        await using var ns = await TestNamespace.CreateAsync();
        using var ipvs = await OpenAsync(ns);
        Assert.Contains("net.ipv4.vs.expire_nodest_conn=1", IpvsSettings.Ensure(ns.Handle));
        Assert.Empty(IpvsSettings.Ensure(ns.Handle));
    }
}
