using System.Text.Json;
using FlannelFlow.Bridge.Http;

namespace FlannelFlow.Bridge.Tests;

public sealed class BridgeTests
{
    private const string Join = """{"NetworkID":"n","EndpointID":"e","SandboxKey":"/var/run/docker/netns/0123456789ab","Options":{}}""";

    [Fact]
    public async Task Call_DaemonThere_IsRelayedOctetForOctet()
    {
        await using var bridge = await RunningBridge.StartAsync();
        await using var daemon = bridge.StartDaemon();
        using var client = await bridge.ConnectAsync();

        var body = string.Concat(Enumerable.Range(0, 256).Select(octet => (char)octet));
        await client.PostAsync("NetworkDriver.Join?a=b", body);
        var call = await daemon.NextAsync();
        const string answer = "HTTP/1.1 418 I'm a teapot\r\nContent-Type: text/x\u00e9\r\nX-Two:  a, b \r\nContent-Length: 3\r\nKeep-Alive: 5\r\n\r\n\0\u00ff\n";
        await call.SendAsync(answer);

        Assert.Equal(("POST", "/NetworkDriver.Join?a=b", body), (call.Request.Method, call.Request.Target, call.Body));
        Assert.Equal(
            [new("Host", "flannelflow"), new("User-Agent", "Go-http-client/1.1"), new("Accept", "application/vnd.docker.plugins.v1.2+json"), new("X-FlannelFlow-Request", "test-1"), new("Content-Length", "256")],
            call.Request.Headers);
        const string expected = "HTTP/1.1 418 I'm a teapot\r\nContent-Type: text/x\u00e9\r\nX-Two: a, b\r\nContent-Length: 3\r\n\r\n\0\u00ff\n";
        Assert.Equal(expected, await client.ReadRawAsync(expected.Length));
    }

    [Fact]
    public async Task Calls_OneAfterAnother_KeepBothConnections()
    {
        await using var bridge = await RunningBridge.StartAsync();
        await using var daemon = bridge.StartDaemon();
        using var client = await bridge.ConnectAsync();
        for (var i = 1; i <= 20; i++)
        {
            await client.PostAsync("IpamDriver.RequestAddress", $"{{\"i\":{i}}}");
            var call = await daemon.NextAsync();
            Assert.Equal($"test-{i}", call.Id);
            await call.AnswerAsync(call.Body);
            Assert.Equal($"{{\"i\":{i}}}", (await client.ReadAsync()).Text());
        }
        Assert.Equal(1, daemon.Connections);
    }

    [Fact]
    public async Task Calls_Concurrent_DoNotWaitForEachOther()
    {
        await using var bridge = await RunningBridge.StartAsync();
        await using var daemon = bridge.StartDaemon();
        var clients = new List<RawClient>();
        for (var i = 0; i < 100; i++)
        {
            clients.Add(await bridge.ConnectAsync());
            await clients[i].PostAsync("NetworkDriver.CreateEndpoint", $"{i}");
        }
        var calls = new List<ReceivedCall>();
        while (calls.Count < 100)
            calls.Add(await daemon.NextAsync());
        Assert.Equal(100, calls.Select(call => call.Id).Distinct().Count());

        foreach (var call in Enumerable.Reverse(calls))
            await call.AnswerAsync(call.Body);
        for (var i = 0; i < 100; i++)
            Assert.Equal($"{i}", (await clients[i].ReadAsync()).Text());
        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task Call_IdFromOutside_IsReplaced()
    {
        await using var bridge = await RunningBridge.StartAsync();
        await using var daemon = bridge.StartDaemon();
        using var client = await bridge.ConnectAsync();
        await client.SendAsync("POST /x HTTP/1.1\r\nx-flannelflow-request: mine\r\nContent-Length: 0\r\n\r\n");
        Assert.Equal("test-1", (await daemon.NextAsync()).Id);
    }

    [Fact]
    public async Task Call_DaemonAway_IsHeldUntilItIsBack()
    {
        await using var bridge = await RunningBridge.StartAsync();
        using var client = await bridge.ConnectAsync();
        await client.PostAsync("NetworkDriver.Join", Join);
        await UntilAsync(() => bridge.LogText.Contains("the call is held", StringComparison.Ordinal));

        await using var daemon = bridge.StartDaemon();
        var call = await daemon.NextAsync();
        Assert.Equal(Join, call.Body);
        await call.AnswerAsync("{}");
        Assert.Equal("{}", (await client.ReadAsync()).Text());
        Assert.Contains("the daemon is back", bridge.LogText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Le")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"half\":")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"h\r\n")]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\n")]
    public async Task Call_DaemonKilledMidAnswer_IsSentAgainWithItsId(string part)
    {
        await using var bridge = await RunningBridge.StartAsync();
        using var client = await bridge.ConnectAsync();
        string id;
        await using (var killed = bridge.StartDaemon())
        {
            await client.PostAsync("NetworkDriver.Join", Join);
            var first = await killed.NextAsync();
            id = first.Id;
            await first.SendAsync(part);
        }
        await using var daemon = bridge.StartDaemon();
        var again = await daemon.NextAsync();
        Assert.Equal((id, Join), (again.Id, again.Body));
        await again.AnswerAsync("{\"ok\":1}");
        Assert.Equal("{\"ok\":1}", (await client.ReadAsync()).Text());
    }

    [Fact]
    public async Task Call_KeptConnectionOfAnEarlierDaemon_GoesToTheNewOneEvenWithoutHold()
    {
        await using var bridge = await RunningBridge.StartAsync(options => options with { Hold = TimeSpan.Zero });
        using var client = await bridge.ConnectAsync();
        await using (var earlier = bridge.StartDaemon())
        {
            await client.PostAsync("a", "1");
            await (await earlier.NextAsync()).AnswerAsync("1");
            await client.ReadAsync();
        }
        await using var daemon = bridge.StartDaemon();
        await client.PostAsync("a", "2");
        var call = await daemon.NextAsync();
        Assert.Equal(("test-2", "2"), (call.Id, call.Body));
        await call.AnswerAsync("2");
        Assert.Equal("2", (await client.ReadAsync()).Text());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Call_DaemonAwayBeyondTheHold_IsRefusedInBothFields(bool deadSocket)
    {
        await using var bridge = await RunningBridge.StartAsync(options => options with { Hold = TimeSpan.FromSeconds(0.3) });
        if (deadSocket)
            await bridge.StartDaemon().DisposeAsync();
        using var client = await bridge.ConnectAsync();
        await client.PostAsync("IpamDriver.RequestPool", "{}");
        var answer = await client.ReadAsync();
        var message = $"the flannelflow daemon does not answer on {bridge.Options.DaemonSocket} (waited 0.3 s): is flannelflow.service running?";
        AssertRefusal(500, message, answer);

        // The connection serves on.
        await client.PostAsync("NetworkDriver.GetCapabilities", "");
        Assert.Equal(200, (await client.ReadAsync()).Status);
    }

    [Fact]
    public async Task Call_DaemonThatBreaksEachTime_IsGivenUpAfterTheHold()
    {
        await using var bridge = await RunningBridge.StartAsync(options => options with { Hold = TimeSpan.FromSeconds(0.3) });
        await using var daemon = bridge.StartDaemon();
        using var client = await bridge.ConnectAsync();
        await client.PostAsync("NetworkDriver.Join", Join);
        var answer = client.ReadAsync();
        var tries = 0;
        while (await Task.WhenAny(answer, UntilAsync(() => !daemon.IsIdle || answer.IsCompleted)) is var _ && !answer.IsCompleted)
        {
            (await daemon.NextAsync()).Break();
            tries++;
        }
        Assert.InRange(tries, 2, 20);
        Assert.Equal(500, (await answer).Status);
    }

    [Fact]
    public async Task Call_DaemonThatNeverAnswers_IsRefusedAtTheAnswerBound()
    {
        await using var bridge = await RunningBridge.StartAsync(options => options with { Answer = TimeSpan.FromSeconds(0.3) });
        await using var daemon = bridge.StartDaemon();
        using var client = await bridge.ConnectAsync();
        await client.PostAsync("NetworkDriver.Join", Join);
        await daemon.NextAsync();
        AssertRefusal(500, $"the flannelflow daemon did not answer NetworkDriver.Join on {bridge.Options.DaemonSocket} within 0.3 s", await client.ReadAsync());

        // A late answer must not be taken for that of the next call: the old connection is not used again.
        await client.PostAsync("NetworkDriver.Leave", "{}");
        Assert.Equal("test-2", (await daemon.NextAsync()).Id);
        Assert.Equal(2, daemon.Connections);
    }

    [Fact]
    public async Task Call_DaemonSpeaksSomethingElse_IsRefusedAndNotRepeated()
    {
        await using var bridge = await RunningBridge.StartAsync();
        await using var daemon = bridge.StartDaemon();
        using var client = await bridge.ConnectAsync();
        await client.PostAsync("NetworkDriver.Join", Join);
        await (await daemon.NextAsync()).SendAsync("SSH-2.0-OpenSSH_9.2\r\n");
        AssertRefusal(500, $"the flannelflow daemon answered NetworkDriver.Join on {bridge.Options.DaemonSocket} with what is not HTTP/1.1: the status line is malformed", await client.ReadAsync());
        Assert.True(daemon.IsIdle);
    }

    [Fact]
    public async Task Client_LeavesWhileHeld_CallIsNotSentAgain()
    {
        await using var bridge = await RunningBridge.StartAsync();
        using (var leaving = await bridge.ConnectAsync())
        {
            await leaving.PostAsync("NetworkDriver.Join", Join);
            await UntilAsync(() => bridge.LogText.Contains("the call is held", StringComparison.Ordinal));
        }
        await UntilAsync(() => bridge.LogText.Contains("dockerd gave up on a call", StringComparison.Ordinal));

        await using var daemon = bridge.StartDaemon();
        using var client = await bridge.ConnectAsync();
        await client.PostAsync("NetworkDriver.Leave", "{}");
        Assert.Equal("test-2", (await daemon.NextAsync()).Id);
        Assert.True(daemon.IsIdle);
    }

    [Fact]
    public async Task Client_LeavesDuringTheCall_DaemonSeesItsConnectionEnd()
    {
        await using var bridge = await RunningBridge.StartAsync();
        await using var daemon = bridge.StartDaemon();
        ReceivedCall call;
        using (var leaving = await bridge.ConnectAsync())
        {
            await leaving.PostAsync("NetworkDriver.Join", Join);
            call = await daemon.NextAsync();
        }
        await UntilAsync(() => call.Connection.Poll(0, System.Net.Sockets.SelectMode.SelectRead) || !call.Connection.Connected);
    }

    [Fact]
    public async Task Request_InPiecesAndChunks_ArrivesWhole()
    {
        await using var bridge = await RunningBridge.StartAsync();
        await using var daemon = bridge.StartDaemon();
        using var client = await bridge.ConnectAsync();
        foreach (var piece in "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n")
            await client.SendAsync($"{piece}");
        var call = await daemon.NextAsync();
        Assert.Equal("hello0123456789", call.Body);
        Assert.False(call.Request.Headers.HasToken("Transfer-Encoding", "chunked"));
        await call.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
        const string expected = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        Assert.Equal(expected, await client.ReadRawAsync(expected.Length));
    }

    [Fact]
    public async Task Requests_SentAhead_AreAnsweredInOrder()
    {
        await using var bridge = await RunningBridge.StartAsync();
        await using var daemon = bridge.StartDaemon();
        using var client = await bridge.ConnectAsync();
        await client.SendAsync("POST /a HTTP/1.1\r\nContent-Length: 1\r\n\r\n1POST /b HTTP/1.1\r\nContent-Length: 1\r\n\r\n2");
        foreach (var body in new[] { "1", "2" })
        {
            var call = await daemon.NextAsync();
            Assert.Equal(body, call.Body);
            await call.AnswerAsync(body);
        }
        Assert.Equal("1", (await client.ReadAsync()).Text());
        Assert.Equal("2", (await client.ReadAsync()).Text());
    }

    [Theory]
    [InlineData("GET\r\n\r\n", 400)]
    [InlineData("POST  /x HTTP/1.1\r\n\r\n", 400)]
    [InlineData("POST /x HTTP/2.0\r\n\r\n", 505)]
    [InlineData("POST /x HTTP/1.1\nContent-Length: 0\n\n", 400)]
    [InlineData("POST /x HTTP/1.1\r\nNo colon\r\n\r\n", 400)]
    [InlineData("POST /x HTTP/1.1\r\nName : v\r\n\r\n", 400)]
    [InlineData("POST /x HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400)]
    [InlineData("POST /x HTTP/1.1\r\nA: b\0\r\n\r\n", 400)]
    [InlineData("POST /x HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400)]
    [InlineData("POST /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400)]
    [InlineData("POST /x HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)]
    [InlineData("POST /x HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501)]
    [InlineData("POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", 400)]
    [InlineData("POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", 431)]
    [InlineData("POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413)]
    [InlineData("POST /x HTTP/1.1\r\nContent-Length: 1025\r\n\r\n", 413)]
    [InlineData("POST /x HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400)]
    public async Task Request_MalformedOrTooLarge_IsRefusedAndTheConnectionEnds(string raw, int status)
    {
        await using var bridge = await RunningBridge.StartAsync(options => options with { BodyLimit = 1024 });
        await using var daemon = bridge.StartDaemon();
        using var client = await bridge.ConnectAsync();
        await client.SendAsync(raw);
        var answer = await client.ReadToEndAsync();
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.Contains("\r\nConnection: close\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("{\"Err\":\"", answer, StringComparison.Ordinal);
        Assert.True(daemon.IsIdle);
    }

    [Fact]
    public async Task Request_BodyOfManyMegabytesBeyondTheBound_ClientReadsTheRefusal()
    {
        await using var bridge = await RunningBridge.StartAsync();
        using var client = await bridge.ConnectAsync();
        await client.PostAsync("NetworkDriver.Join", new string('x', (8 * 1024 * 1024) + 1));
        Assert.StartsWith("HTTP/1.1 413 ", await client.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_BodyAtTheBound_IsRelayed()
    {
        await using var bridge = await RunningBridge.StartAsync();
        await using var daemon = bridge.StartDaemon();
        using var client = await bridge.ConnectAsync();
        var body = new string('x', 8 * 1024 * 1024);
        await client.PostAsync("NetworkDriver.Join", body);
        var call = await daemon.NextAsync();
        Assert.Equal(body.Length, call.Body.Length);
        await call.AnswerAsync(body);
        Assert.Equal(body, (await client.ReadAsync()).Text());
    }

    [Theory]
    [InlineData("Plugin.Activate", """{"Implements":["NetworkDriver","IpamDriver"]}""")]
    [InlineData("NetworkDriver.GetCapabilities", """{"Scope":"global","ConnectivityScope":"global"}""")]
    [InlineData("IpamDriver.GetCapabilities", """{"RequiresMACAddress":false,"RequiresRequestReplay":false}""")]
    [InlineData("IpamDriver.GetDefaultAddressSpaces", """{"LocalDefaultAddressSpace":"FlannelLocal","GlobalDefaultAddressSpace":"FlannelGlobal"}""")]
    [InlineData("NetworkDriver.DiscoverNew", "{}")]
    [InlineData("NetworkDriver.DiscoverDelete", "{}")]
    public async Task StandingCall_DaemonAway_IsAnsweredAtOnce(string method, string expected)
    {
        await using var bridge = await RunningBridge.StartAsync();
        using var client = await bridge.ConnectAsync();
        await client.PostAsync(method, "");
        var answer = await client.ReadAsync();
        Assert.Equal((200, expected), (answer.Status, answer.Text()));
        Assert.DoesNotContain("held", bridge.LogText, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stop_CallInFlight_IsAnsweredFirstAndIdleConnectionsEnd()
    {
        await using var bridge = await RunningBridge.StartAsync();
        await using var daemon = bridge.StartDaemon();
        using var idle = await bridge.ConnectAsync();
        using var client = await bridge.ConnectAsync();
        await client.PostAsync("NetworkDriver.Join", Join);
        var call = await daemon.NextAsync();
        var stopping = bridge.StopAsync();
        Assert.Equal("", await idle.ReadToEndAsync());
        Assert.False(stopping.IsCompleted);
        await call.AnswerAsync("{}");
        Assert.EndsWith("\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", await client.ReadToEndAsync(), StringComparison.Ordinal);
        await stopping;
        Assert.False(File.Exists(bridge.Options.ListenSocket));
    }

    [Fact]
    public async Task Stop_CallThatDoesNotEnd_IsRefusedAtTheBound()
    {
        await using var bridge = await RunningBridge.StartAsync(options => options with { Stop = TimeSpan.FromSeconds(0.2) });
        await using var daemon = bridge.StartDaemon();
        using var client = await bridge.ConnectAsync();
        await client.PostAsync("NetworkDriver.Join", Join);
        await daemon.NextAsync();
        await bridge.StopAsync();
        AssertRefusal(500, "the flannelflow plugin was stopped before the daemon answered NetworkDriver.Join", await client.ReadAsync());
    }

    [Fact]
    public async Task Client_AsksToClose_ConnectionEndsAfterTheAnswer()
    {
        await using var bridge = await RunningBridge.StartAsync();
        using var client = await bridge.ConnectAsync();
        await client.SendAsync("POST /IpamDriver.GetCapabilities HTTP/1.1\r\nConnection: Foo, Close\r\n\r\n");
        Assert.EndsWith("false}", await client.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public void Options_WrongValues_GiveWayAndAreAllNamed()
    {
        var environment = new Dictionary<string, string?>
        {
            ["FLANNELFLOW_HOLD_SECONDS"] = "26",
            ["FLANNELFLOW_ANSWER_SECONDS"] = "1m",
            ["FLANNELFLOW_DAEMON_SOCKET"] = "relative",
            ["FLANNELFLOW_BRIDGE_SOCKET"] = "/there.sock",
        };
        var wrong = new List<string>();
        var options = BridgeOptions.Read(environment.GetValueOrDefault, wrong);
        Assert.Equal(new BridgeOptions { ListenSocket = "/there.sock" }, options);
        Assert.Equal(
            [
                "FLANNELFLOW_DAEMON_SOCKET=relative: not an absolute path of at most 107 characters, /var/lib/flannelflow/plugin/daemon.sock is taken",
                "FLANNELFLOW_HOLD_SECONDS=26: not a whole number of seconds from 0 to 25, 10 is taken",
                "FLANNELFLOW_ANSWER_SECONDS=1m: not a whole number of seconds from 1 to 600, 60 is taken",
            ],
            wrong);
    }

    private static void AssertRefusal(int status, string message, HttpResponse answer)
    {
        Assert.Equal(status, answer.Status);
        using var json = JsonDocument.Parse(answer.Body);
        Assert.Equal((message, message), (json.RootElement.GetProperty("Err").GetString(), json.RootElement.GetProperty("Error").GetString()));
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        var bound = TestBound.Token();
        while (!holds())
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, bound);
    }
}
