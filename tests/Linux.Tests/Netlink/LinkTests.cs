using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using FlannelFlow.Linux.Namespaces;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Tests.Netlink;

[Trait("Needs", "kernel")]
public sealed class LinkTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;
    private static readonly MacAddress Mac = MacAddress.Parse("02:11:22:33:44:55");

    private static async Task<JsonNode> ShowAsync(TestNamespace ns, string name) =>
        (await ns.IpJsonAsync("link show dev " + name))[0] ?? throw new InvalidOperationException("no " + name);

    [Fact]
    public async Task AddBridge_WithAllProperties_IpShowsThem()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var link = await ns.Netlink.AddLinkAsync(new BridgeConfig("ffbr.7") { Mtu = 1450, Mac = Mac, Alias = "flannelflow:net1", Up = true }, Ct);

        var shown = await ShowAsync(ns, "ffbr.7");
        Assert.Equal("bridge", shown.At("linkinfo", "info_kind"));
        Assert.Equal("1450", shown.At("mtu"));
        Assert.Equal(Mac.ToString(), shown.At("address"));
        Assert.Equal("flannelflow:net1", shown.At("ifalias"));
        Assert.Contains("\"UP\"", shown.At("flags"), StringComparison.Ordinal);
        Assert.Equal(link.Index.ToString(), shown.At("ifindex"));
        Assert.Equal(("bridge", 1450, Mac, "flannelflow:net1", true), (link.Kind, link.Mtu, link.Mac, link.Alias, link.IsUp));
    }

    [Fact]
    public async Task AddLink_NameTaken_SaysEexistWithTheAct()
    {
        await using var ns = await TestNamespace.CreateAsync();
        await ns.Netlink.AddLinkAsync(new BridgeConfig("ffbr.7"), Ct);
        var error = await Assert.ThrowsAsync<NetlinkException>(() => ns.Netlink.AddLinkAsync(new BridgeConfig("ffbr.7"), Ct));
        Assert.Equal("EEXIST", error.ErrnoName);
        Assert.StartsWith("adding link ffbr.7: EEXIST", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AddLink_MtuTheKernelRefuses_SaysTheKernelsWords()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var error = await Assert.ThrowsAsync<NetlinkException>(() => ns.Netlink.AddLinkAsync(new BridgeConfig("ffbr.7") { Mtu = 10 }, Ct));
        Assert.Equal("adding link ffbr.7: EINVAL: mtu less than device minimum", error.Message);
        Assert.Null(await ns.Netlink.FindLinkAsync("ffbr.7", Ct));
    }

    [Fact]
    public async Task AddVeth_WithPeerInAnotherNamespace_BothEndsAsWanted()
    {
        await using var near = await TestNamespace.CreateAsync();
        await using var far = await TestNamespace.CreateAsync();
        var bridge = await near.Netlink.AddLinkAsync(new BridgeConfig("ffbr.7") { Up = true }, Ct);
        var link = await near.Netlink.AddLinkAsync(new VethConfig("ffv0123456789a", "ffc0123456789a")
        {
            Mtu = 1450,
            Mac = Mac,
            PeerMac = MacAddress.Parse("02:42:0a:01:02:03"),
            Master = bridge.Index,
            PeerNamespace = far.Handle,
            Up = true,
        }, Ct);

        var shown = await ShowAsync(near, "ffv0123456789a");
        Assert.Equal(("veth", "1450", Mac.ToString(), "ffbr.7"),
            (shown.At("linkinfo", "info_kind"), shown.At("mtu"), shown.At("address"), shown.At("master")));
        var peer = await ShowAsync(far, "ffc0123456789a");
        Assert.Equal(("veth", "1450", "02:42:0a:01:02:03"), (peer.At("linkinfo", "info_kind"), peer.At("mtu"), peer.At("address")));
        Assert.Equal((bridge.Index, peer.At("ifindex")), (link.Master, link.Parent.ToString()));
        Assert.NotNull(link.PeerNamespaceId);
        Assert.Null(await near.Netlink.FindLinkAsync("ffc0123456789a", Ct));
    }

    [Fact]
    public async Task AddVxlan_TheFlannelWay_IpShowsEveryAttribute()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var underlay = await ns.AddUnderlayAsync();
        var link = await ns.Netlink.AddLinkAsync(new VxlanConfig("flannel.6514", 6514, underlay, IPAddress.Parse("192.0.2.1"))
        {
            Mtu = 1450,
            Mac = Mac,
            Up = true,
        }, Ct);

        var shown = await ShowAsync(ns, "flannel.6514");
        var data = shown["linkinfo"]?["info_data"];
        Assert.Equal(("vxlan", "1450", Mac.ToString()), (shown.At("linkinfo", "info_kind"), shown.At("mtu"), shown.At("address")));
        Assert.Equal(("6514", "u0", "192.0.2.1", "8472"), (data.At("id"), data.At("link"), data.At("local"), data.At("port")));
        Assert.Equal(("false", "", "", "", "", "0"),   // ip shows flags that are off as nothing, but learning
            (data.At("learning"), data.At("proxy"), data.At("rsc"), data.At("l2miss"), data.At("l3miss"), data.At("ttl")));
        Assert.Equal("", shown.At("txqlen"));   // ip leaves out a queue length of 0
        Assert.Equal(0, link.TransmitQueueLength);
        Assert.Equal(new VxlanAttributes { Vni = 6514, UnderlayIndex = underlay, Local = IPAddress.Parse("192.0.2.1"), Port = 8472 }, link.Vxlan);
    }

    [Fact]
    public async Task AddVxlan_WithPortAndPolicyAndLearning_ReadBack()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var underlay = await ns.AddUnderlayAsync();
        var config = new VxlanConfig("vx1", 9, underlay, IPAddress.Parse("192.0.2.1")) { Port = 4790, GroupPolicy = true, Learning = true };
        var link = await ns.Netlink.AddLinkAsync(config, Ct);
        var data = (await ShowAsync(ns, "vx1"))["linkinfo"]?["info_data"];
        Assert.Equal(("4790", "true", "true"), (data.At("port"), data.At("gbp"), data.At("learning")));
        Assert.True(config.IsCompatibleWith(link));
        Assert.False((config with { GroupPolicy = false }).IsCompatibleWith(link));
        Assert.False((config with { Port = 8472 }).IsCompatibleWith(link));
    }

    [Fact]
    public async Task EnsureVxlan_VniTakenByAnotherDevice_SaysTheKernelsWords()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var underlay = await ns.AddUnderlayAsync();
        await ns.Netlink.AddLinkAsync(new VxlanConfig("other", 6514, underlay, IPAddress.Parse("192.0.2.1")), Ct);
        var error = await Assert.ThrowsAsync<NetlinkException>(() =>
            ns.Netlink.EnsureLinkAsync(new VxlanConfig("flannel.6514", 6514, underlay, IPAddress.Parse("192.0.2.1")), Ct));
        Assert.Equal("adding link flannel.6514: EEXIST: A VXLAN device with the specified VNI already exists", error.Message);
    }

    [Fact]
    public async Task EnsureVxlan_Compatible_KeepsDeviceAndMac_Incompatible_ReplacesIt()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var underlay = await ns.AddUnderlayAsync();
        var config = new VxlanConfig("flannel.1", 1, underlay, IPAddress.Parse("192.0.2.1")) { Mac = Mac, Mtu = 1450, Up = true };
        var made = await ns.Netlink.EnsureLinkAsync(config, Ct);
        var kept = await ns.Netlink.EnsureLinkAsync(config with { Mac = MacAddress.Parse("02:99:99:99:99:99") }, Ct);
        var changed = await ns.Netlink.EnsureLinkAsync(config with { Mtu = 1400 }, Ct);
        var replaced = await ns.Netlink.EnsureLinkAsync(config with { Local = IPAddress.Parse("192.0.2.2") }, Ct);

        Assert.Equal((EnsureOutcome.Created, EnsureOutcome.Kept, EnsureOutcome.Changed, EnsureOutcome.Replaced),
            (made.Outcome, kept.Outcome, changed.Outcome, replaced.Outcome));
        Assert.Equal((made.Link.Index, Mac), (kept.Link.Index, kept.Link.Mac));
        Assert.Equal((made.Link.Index, 1400), (changed.Link.Index, changed.Link.Mtu));
        Assert.NotEqual(made.Link.Index, replaced.Link.Index);
        Assert.Equal("192.0.2.2", (await ShowAsync(ns, "flannel.1")).At("linkinfo", "info_data", "local"));
    }

    [Fact]
    public async Task EnsureLink_NameOfAnotherKind_IsRefusedInWords()
    {
        await using var ns = await TestNamespace.CreateAsync();
        await ns.Netlink.AddLinkAsync(new VethConfig("x", "y"), Ct);
        var error = await Assert.ThrowsAsync<NetlinkException>(() => ns.Netlink.EnsureLinkAsync(new BridgeConfig("x"), Ct));
        Assert.Equal("adding link x: EEXIST: the name belongs to a veth device, not to a bridge", error.Message);
    }

    [Fact]
    public async Task EnsureVeth_Twice_SecondKeepsAndMends()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var bridge = await ns.Netlink.AddLinkAsync(new BridgeConfig("b") { Up = true }, Ct);
        var config = new VethConfig("x", "y") { Mtu = 1450, Master = bridge.Index, Up = true };
        await ns.Netlink.EnsureLinkAsync(config, Ct);
        Assert.Equal(EnsureOutcome.Kept, (await ns.Netlink.EnsureLinkAsync(config, Ct)).Outcome);
        await ns.IpAsync("link set x nomaster down");
        var mended = await ns.Netlink.EnsureLinkAsync(config, Ct);
        Assert.Equal((EnsureOutcome.Changed, bridge.Index, true), (mended.Outcome, mended.Link.Master, mended.Link.IsUp));
        Assert.Equal("b", (await ShowAsync(ns, "x")).At("master"));
    }

    [Fact]
    public async Task ChangeLink_EachProperty_IpShowsIt()
    {
        await using var ns = await TestNamespace.CreateAsync();
        await using var target = await TestNamespace.CreateAsync();
        var veth = await ns.Netlink.AddLinkAsync(new VethConfig("x", "y"), Ct);
        await ns.Netlink.ChangeLinkAsync(veth.Index, new LinkChange { Name = "z", Mtu = 1300, Mac = Mac, Alias = "mine" }, Ct);
        var shown = await ShowAsync(ns, "z");
        Assert.Equal(("1300", Mac.ToString(), "mine"), (shown.At("mtu"), shown.At("address"), shown.At("ifalias")));

        await ns.Netlink.ChangeLinkAsync(veth.Index, new LinkChange { Up = true }, Ct);
        Assert.True((await ns.Netlink.GetLinkAsync("z", Ct)).IsUp);
        await ns.Netlink.ChangeLinkAsync(veth.Index, new LinkChange { Up = false }, Ct);
        Assert.False((await ns.Netlink.GetLinkAsync("z", Ct)).IsUp);

        await ns.Netlink.ChangeLinkAsync(veth.Index, new LinkChange { Namespace = target.Handle }, Ct);
        Assert.Null(await ns.Netlink.FindLinkAsync("z", Ct));
        Assert.Equal("veth", (await ShowAsync(target, "z")).At("linkinfo", "info_kind"));
        var moved = await target.Netlink.GetLinkAsync("z", Ct);
        await target.Netlink.ChangeLinkAsync(moved.Index, new LinkChange { Name = "eth0" }, Ct);
        Assert.NotNull(await target.Netlink.FindLinkAsync("eth0", Ct));
    }

    [Fact]
    public async Task ChangeLink_NamespaceOfPid_LinkIsThere()
    {
        await using var ns = await TestNamespace.CreateAsync();
        await using var target = await TestNamespace.CreateAsync();
        using var inside = Process.Start("nsenter", ["--net=" + target.Handle.Path, "sleep", "60"]);
        try
        {
            while (NetworkNamespace.InodeOfProcess(inside.Id) != target.Handle.Inode)
                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Ct);
            var veth = await ns.Netlink.AddLinkAsync(new VethConfig("x", "y"), Ct);
            await ns.Netlink.ChangeLinkAsync(veth.Index, new LinkChange { NamespaceOfPid = inside.Id }, Ct);
            Assert.Equal("veth", (await ShowAsync(target, "x")).At("linkinfo", "info_kind"));
            Assert.Null(await ns.Netlink.FindLinkAsync("x", Ct));
        }
        finally
        {
            inside.Kill();
        }
    }

    [Fact]
    public async Task Dump_WhileLinksComeAndGo_HoldsEachLastingLinkOnce()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var lasting = Enumerable.Range(0, 150).Select(i => "br" + i).ToHashSet();
        foreach (var name in lasting)
            await ns.Netlink.AddLinkAsync(new BridgeConfig(name), Ct);
        using var other = RouteNetlink.OpenIn(ns.Handle);
        using var stop = new CancellationTokenSource();
        var churn = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await other.AddLinkAsync(new BridgeConfig("churn"), Ct);
                await other.DeleteLinkAsync("churn", Ct);
            }
        }, Ct);
        for (var i = 0; i < 20; i++)
            Assert.Equal(150, (await ns.Netlink.ListLinksAsync(Ct)).Count(l => lasting.Contains(l.Name)));
        await stop.CancelAsync();
        await churn;
    }

    [Fact]
    public async Task ChangeLink_OfNoDevice_SaysEnodev()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var error = await Assert.ThrowsAsync<NetlinkException>(() => ns.Netlink.ChangeLinkAsync(4711, new LinkChange { Up = true }, Ct));
        Assert.Equal(("ENODEV", "changing interface 4711 (up)"), (error.ErrnoName, error.Act));
    }

    [Fact]
    public async Task ListLinks_ManyDevices_SameAsIp()
    {
        await using var ns = await TestNamespace.CreateAsync();
        for (var i = 0; i < 60; i++)
            await ns.Netlink.AddLinkAsync(new BridgeConfig("br" + i), Ct);
        await ns.AddUnderlayAsync();
        var ours = await ns.Netlink.ListLinksAsync(Ct);
        var shown = await ns.IpJsonAsync("link show");
        Assert.Equal(63, ours.Count);
        Assert.Equal(
            shown.Select(l => $"{l.At("ifindex")} {l.At("ifname")} {l.At("linkinfo", "info_kind")} {l.At("address")} {l.At("mtu")} {l.At("operstate")}"),
            ours.Select(l => $"{l.Index} {l.Name} {l.Kind} {l.Mac} {l.Mtu} {l.OperationalState.ToString().ToUpperInvariant()}"));
    }

    [Fact]
    public async Task DeleteLink_TwiceByNameAndIndex_SecondIsFalse()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var link = await ns.Netlink.AddLinkAsync(new BridgeConfig("b"), Ct);
        Assert.True(await ns.Netlink.DeleteLinkAsync("b", Ct));
        Assert.False(await ns.Netlink.DeleteLinkAsync("b", Ct));
        Assert.False(await ns.Netlink.DeleteLinkAsync(link.Index, Ct));
        Assert.Null(await ns.Netlink.FindLinkAsync(link.Index, Ct));
        var error = await Assert.ThrowsAsync<NetlinkException>(() => ns.Netlink.GetLinkAsync("b", Ct));
        Assert.Equal("reading link b: ENODEV: there is no such link", error.Message);
    }

    [Fact]
    public async Task Requests_FromManyTasksAtOnce_EachGetsItsOwnAnswer()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var links = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => ns.Netlink.AddLinkAsync(new BridgeConfig("br" + i), Ct)));
        var found = await Task.WhenAll(links.Select(l => ns.Netlink.FindLinkAsync(l.Index, Ct)));
        Assert.Equal(Enumerable.Range(0, 40).Select(i => "br" + i), found.Select(l => l?.Name));
    }

    [Fact]
    public async Task Dump_BrokenOffHalfWay_NextRequestsAreAnsweredRight()
    {
        await using var ns = await TestNamespace.CreateAsync();
        for (var i = 0; i < 100; i++)   // more than one datagram of 32 KiB
            await ns.Netlink.AddLinkAsync(new BridgeConfig("br" + i), Ct);
        using var socket = NetlinkSocket.Open(NetlinkProtocol.Route, ns.Handle);
        ReplyParser<Link> broken = static (_, _) => throw NetlinkReader.Malformed("as the test wants it");
        await Assert.ThrowsAsync<NetlinkException>(() => socket.DumpAsync("listing links", LinkCodec.List(), broken, Ct));
        Assert.Equal(101, (await socket.DumpAsync("listing links", LinkCodec.List(), LinkCodec.Parse, Ct)).Count);
        await Assert.ThrowsAsync<NetlinkException>(() => socket.RequestAsync("reading br7", LinkCodec.Get("br7"), broken, Ct));
        Assert.Equal("br8", Assert.Single(await socket.RequestAsync("reading br8", LinkCodec.Get("br8"), LinkCodec.Parse, Ct)).Name);
    }

    [Fact]
    public async Task OpenIn_LeavesNoPoolThreadInsideTheNamespace()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var home = NetworkNamespace.InodeOfProcess(Environment.ProcessId);
        using var inside = RouteNetlink.OpenIn(ns.Handle);
        Assert.NotEqual(home, ns.Handle.Inode);
        using var gate = new Barrier(2);   // at least two pool threads take part
        var seen = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Task.Run(() =>
        {
            if (i < 2) gate.SignalAndWait(TimeSpan.FromSeconds(5));
            using var current = NetworkNamespace.Current();
            return current.Inode;
        }, Ct)));
        Assert.All(seen, inode => Assert.Equal(home, inode));
        Assert.Single(await inside.ListLinksAsync(Ct));   // lo
    }
}
