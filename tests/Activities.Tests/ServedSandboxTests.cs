using System.Net;
using System.Net.Sockets;
using FlannelFlow.Activities.Dns;
using FlannelFlow.Dns.Upstreams;

namespace FlannelFlow.Activities.Tests;

/// <summary>The server, the redirect and real clients in a namespace that looks like a container's.</summary>
[Trait("Needs", "kernel")]
public sealed class ServedSandboxTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Queries_GoToUs_AsLongAsWeAreAlive(bool withIptables)
    {
        await using var sandbox = await DnsSandbox.CreateAsync(withIptables);
        sandbox.Board.Publish(DnsSandbox.Names);
        using var udp = sandbox.Client(ProtocolType.Udp);
        Assert.Equal(DnsSandbox.Docker, await DnsSandbox.AskAsync(udp));

        await using (var served = await sandbox.ServeAsync())
        {
            Assert.Equal(DnsSandbox.Docker, await DnsSandbox.AskAsync(udp));
            await AliveAsync(served, sandbox);

            // The same socket, so the same connection to the kernel.
            Assert.Equal(DnsSandbox.Ours, await DnsSandbox.AskAsync(udp));
            using var tcp = sandbox.Client(ProtocolType.Tcp);
            Assert.Equal(DnsSandbox.Ours, await DnsSandbox.AskAsync(tcp));

            await served.FarewellAsync();
            Assert.Equal(DnsSandbox.Docker, await DnsSandbox.AskAsync(udp));
            Assert.Equal(DnsSandbox.Ours, await DnsSandbox.AskAsync(tcp));
            using var another = sandbox.Client(ProtocolType.Tcp);
            Assert.Equal(DnsSandbox.Docker, await DnsSandbox.AskAsync(another));

            await AliveAsync(served, sandbox);
            Assert.Equal(DnsSandbox.Ours, await DnsSandbox.AskAsync(udp));
            Assert.Equal(DnsSandbox.Docker, await DnsSandbox.AskAsync(another));
        }

        Assert.Equal(DnsSandbox.Docker, await DnsSandbox.AskAsync(udp));
        Assert.DoesNotContain("flannelflow", await sandbox.Commands.RunCheckedAsync("nft", ["list", "ruleset"], null, Ct), StringComparison.Ordinal);
    }

    /// <summary>The answers that are sent together come, each by itself, from the port that was asked.</summary>
    [Fact]
    public async Task Burst_OfOneClient_EachQueryIsAnswered()
    {
        await using var sandbox = await DnsSandbox.CreateAsync();
        sandbox.Board.Publish(DnsSandbox.Names);
        await using var served = await sandbox.ServeAsync();
        await AliveAsync(served, sandbox);
        using var client = sandbox.Client(ProtocolType.Udp);
        for (byte i = 0; i < 100; i++) client.Send([i, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, .. "web"u8, 0, 0, 1, 0, 1]);
        var answers = new List<(int Id, string Address)>();
        var answer = new byte[512];
        for (var i = 0; i < 100; i++)
        {
            var length = await client.ReceiveAsync(answer, SocketFlags.None, Ct);
            answers.Add((answer[0], new IPAddress(answer.AsSpan(length - 4, 4)).ToString()));
        }

        Assert.Equal(Enumerable.Range(0, 100).Select(i => (i, DnsSandbox.Ours)), answers);
    }

    [Fact]
    public async Task Clients_OfManyKinds_Resolve()
    {
        await using var sandbox = await DnsSandbox.CreateAsync();
        sandbox.Board.Publish(DnsSandbox.Names);
        await using var served = await sandbox.ServeAsync();
        await AliveAsync(served, sandbox);

        Assert.Equal(DnsSandbox.Ours, await sandbox.GetentAsync("web"));
        Assert.Equal(DnsSandbox.Ours, await sandbox.GetentAsync("WEB.net"));
        Assert.Equal("", await sandbox.GetentAsync("nobody"));
        Assert.Equal(300, (await sandbox.GetentAsync("many")).Split('\n').Length);

        // musl has TCP only from 1.2.4 on; before, a part of the answer is all it gets, and it is content with that.
        Assert.InRange((await sandbox.MuslAsync("many")).Split('\n').Length, 25, 300);
        Assert.Equal(DnsSandbox.Ours, (await sandbox.DigAsync("web")).Trim());
        Assert.Equal(DnsSandbox.Ours, (await sandbox.DigAsync("web", "+tcp")).Trim());
        Assert.Equal(DnsSandbox.Ours, (await sandbox.DigAsync("web", "+noedns")).Trim());
        Assert.Equal("", (await sandbox.DigAsync("web", "AAAA")).Trim());
        Assert.Equal("web.net.", (await sandbox.DigAsync("-x", DnsSandbox.Ours)).Trim());
        Assert.Equal(300, (await sandbox.DigAsync("tasks.many")).Trim().Split('\n').Length);
        Assert.Contains(DnsSandbox.Ours, await sandbox.Commands.RunCheckedAsync("busybox", ["nslookup", "web", "127.0.0.11"], null, Ct), StringComparison.Ordinal);
        Assert.Equal(0, sandbox.AskedDocker);
    }

    /// <summary>The names before ours in the search do not exist, since there is no upstream.</summary>
    [Theory]
    [InlineData("web", "")]
    [InlineData("web", "search corp.example")]
    [InlineData("web", "search corp.example other.example\noptions ndots:5")]
    [InlineData("web.net", "search corp.example\noptions ndots:5")]
    [InlineData("web", "search net")]
    [InlineData("web.", "search corp.example\noptions ndots:5")]
    [InlineData("WEB", "options edns0 single-request")]
    [InlineData("web", "options use-vc")]
    public async Task Libraries_WithSearchListsAndOptions_Resolve(string name, string options)
    {
        await using var sandbox = await DnsSandbox.CreateAsync();
        sandbox.Board.Publish(DnsSandbox.Names);
        await using var served = await sandbox.ServeAsync();
        await AliveAsync(served, sandbox);
        Assert.Equal((DnsSandbox.Ours, DnsSandbox.Ours), (await sandbox.GetentAsync(name, options), await sandbox.MuslAsync(name, options)));
        Assert.Equal(("", ""), (await sandbox.GetentAsync("nobody", options), await sandbox.MuslAsync("nobody", options)));
        Assert.Equal(0, sandbox.AskedDocker);
    }

    /// <summary>Go's resolver asks for both families at once, each on a socket of its own, with EDNS and 1,232 bytes (net/dnsclient_unix.go).</summary>
    [Fact]
    public async Task Go_AsksForBothFamiliesAtOnce_AndIsAnsweredBoth()
    {
        await using var sandbox = await DnsSandbox.CreateAsync();
        sandbox.Board.Publish(DnsSandbox.Names);
        await using var served = await sandbox.ServeAsync();
        await AliveAsync(served, sandbox);
        var answers = await Task.WhenAll(AskAsync("web", 1), AskAsync("web", 28), AskAsync("nobody", 1), AskAsync("nobody", 28));

        // Code, answers, authorities (the SOA of what is not there), additional records (OPT).
        Assert.Equal([(0, 1, 0, 1), (0, 0, 1, 1), (3, 0, 1, 1), (3, 0, 1, 1)], answers);

        async Task<(int Code, int Answers, int Authorities, int More)> AskAsync(string name, byte type)
        {
            using var client = sandbox.Client(ProtocolType.Udp);
            byte[] query =
            [
                0x12, 0x34, 1, 0x20, 0, 1, 0, 0, 0, 0, 0, 1,
                (byte)name.Length, .. System.Text.Encoding.ASCII.GetBytes(name), 0, 0, type, 0, 1,
                0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0,
            ];
            await client.SendAsync(query, SocketFlags.None, Ct);
            var answer = new byte[1232];
            Assert.InRange(await client.ReceiveAsync(answer, SocketFlags.None, Ct), 12, 1232);
            return (answer[3] & 15, answer[7], answer[9], answer[11]);
        }
    }

    /// <summary>The real one; 300 addresses come to it by TCP.</summary>
    [Fact(Explicit = true)]
    public async Task Go_OfDebian_Resolves()
    {
        await using var sandbox = await DnsSandbox.CreateAsync();
        sandbox.Board.Publish(DnsSandbox.Names);
        await using var served = await sandbox.ServeAsync();
        await AliveAsync(served, sandbox);
        foreach (var options in (string[])["", "search corp.example other.example\noptions ndots:5", "search net", "options edns0 single-request", "options use-vc"])
        {
            Assert.Equal(DnsSandbox.Ours, await sandbox.GoAsync("web", options));
            Assert.Equal(DnsSandbox.Ours, await sandbox.GoAsync("WEB.net.", options));
            Assert.Equal(300, (await sandbox.GoAsync("tasks.many", options)).Split('\n').Distinct().Count());
            Assert.Equal("", await sandbox.GoAsync("nobody", options));
        }

        Assert.Equal(0, sandbox.AskedDocker);
    }

    /// <summary>The second line: closed sockets, and a redirect that still points to them.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Server_IsGoneWithoutFarewell_TheFirstClientIsToldAndTheNextAttemptReachesDocker(bool withIptables)
    {
        await using var sandbox = await DnsSandbox.CreateAsync(withIptables);
        sandbox.Board.Publish(DnsSandbox.Names);
        await using var served = await sandbox.ServeAsync();
        await AliveAsync(served, sandbox);
        using var udp = sandbox.Client(ProtocolType.Udp);
        Assert.Equal(DnsSandbox.Ours, await DnsSandbox.AskAsync(udp));
        served.Probe();
        await served.Server.DisposeAsync();

        var told = await Assert.ThrowsAsync<SocketException>(() => DnsSandbox.AskAsync(udp));
        Assert.Equal(SocketError.ConnectionRefused, told.SocketErrorCode);
        Assert.Equal(DnsSandbox.Docker, await DnsSandbox.AskAsync(udp));
        using var tcp = sandbox.Client(ProtocolType.Tcp);
        Assert.Equal(DnsSandbox.Docker, await DnsSandbox.AskAsync(tcp));
    }

    /// <summary>The kernel closes all that a process has, the canary too: no client is told anything but Docker's answer.</summary>
    [Fact]
    public async Task Process_IsGone_TheFirstQueryReachesDocker()
    {
        await using var sandbox = await DnsSandbox.CreateAsync();
        sandbox.Board.Publish(DnsSandbox.Names);
        await using var served = await sandbox.ServeAsync();
        await AliveAsync(served, sandbox);
        using var udp = sandbox.Client(ProtocolType.Udp);
        Assert.Equal(DnsSandbox.Ours, await DnsSandbox.AskAsync(udp));
        await served.DieAsync();
        Assert.Equal(DnsSandbox.Docker, await DnsSandbox.AskAsync(udp));
        Assert.Equal(DnsSandbox.Docker, await sandbox.GetentAsync("web"));
    }

    [Fact]
    public async Task Server_IsGoneWithoutFarewell_TheFirstTcpClientIsToldToo()
    {
        await using var sandbox = await DnsSandbox.CreateAsync();
        sandbox.Board.Publish(DnsSandbox.Names);
        await using var served = await sandbox.ServeAsync();
        await AliveAsync(served, sandbox);
        served.Probe();
        await served.Server.DisposeAsync();
        Assert.Equal(SocketError.ConnectionRefused, Assert.Throws<SocketException>(() => sandbox.Client(ProtocolType.Tcp)).SocketErrorCode);
        using var second = sandbox.Client(ProtocolType.Tcp);
        Assert.Equal(DnsSandbox.Docker, await DnsSandbox.AskAsync(second));
    }

    /// <summary>A server that still has its sockets, and does not answer any more.</summary>
    [Fact]
    public async Task Server_Hangs_DockerAnswersWhenItsLifeIsOver()
    {
        await using var sandbox = await DnsSandbox.CreateAsync();
        sandbox.Board.Publish(DnsSandbox.Names);
        await using var served = await sandbox.ServeAsync(DnsRedirect.Life);
        await AliveAsync(served, sandbox);
        using var udp = sandbox.Client(ProtocolType.Udp);
        while (await DnsSandbox.AskAsync(udp) != DnsSandbox.Docker) await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Ct);
    }

    /// <summary>A container in networks of Docker's own too: what we do not know is asked of Docker's resolver, which we have taken the place of.</summary>
    [Fact]
    public async Task Unknown_WithDockersResolverAsUpstream_IsAskedThere()
    {
        await using var sandbox = await DnsSandbox.CreateAsync();
        sandbox.Board.Publish(DnsSandbox.Names);
        await using var served = await sandbox.ServeAsync(UpstreamChoice.DockersResolver);
        await AliveAsync(served, sandbox);
        Assert.Equal(DnsSandbox.Docker, (await sandbox.DigAsync("elsewhere")).Trim());
        Assert.Equal(DnsSandbox.Docker, (await sandbox.DigAsync("elsewhere", "+tcp")).Trim());
        Assert.Equal(DnsSandbox.Ours, (await sandbox.DigAsync("web")).Trim());
        Assert.Equal((2, 2), (sandbox.AskedDocker, served.Server.Forwarded));
    }

    [Fact]
    public async Task Upstream_OfTheHost_IsAskedFromTheHost()
    {
        await using var sandbox = await DnsSandbox.CreateAsync();
        using var upstream = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        upstream.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await using var served = await sandbox.ServeAsync(new UpstreamModel((IPEndPoint)upstream.LocalEndPoint!, UpstreamSide.Host));
        await AliveAsync(served, sandbox);
        using var client = sandbox.Client(ProtocolType.Udp);
        var asked = DnsSandbox.AskAsync(client);
        var buffer = new byte[512];
        var query = await upstream.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), Ct);
        buffer[2] |= 0x80;
        buffer[3] = 3;
        await upstream.SendToAsync(buffer.AsMemory(0, query.ReceivedBytes), SocketFlags.None, query.RemoteEndPoint, Ct);
        await asked;
    }

    private static async Task AliveAsync(ServedSandbox served, DnsSandbox sandbox)
    {
        served.Probe();
        while (!(await sandbox.Commands.RunCheckedAsync("nft", ["list", "set", "ip", "flannelflow-dns", "alive"], null, Ct)).Contains("expires", StringComparison.Ordinal))
            served.Probe();
    }
}
