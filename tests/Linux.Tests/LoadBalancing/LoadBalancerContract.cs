using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Tests.LoadBalancing;

/// <summary>What both planes promise. The tests share a host, and begin without services; each has a VIP of its own.</summary>
public abstract class LoadBalancerContract(BalancedHost host) : IClassFixture<BalancedHost>, IAsyncLifetime
{
    private static int _tests;

    private readonly int _number = Interlocked.Increment(ref _tests);

    private IPAddress Vip => IPAddress.Parse($"10.1.0.{_number}");

    private FwMarkPair Marks => FwMarkPair.Of(40000 + _number);

    /// <summary>A second service, beside the one that is tested.</summary>
    private VirtualService Other => new() { Vip = IPAddress.Parse($"10.1.0.{128 + _number}"), Marks = FwMarkPair.Of(_number), Backends = [Active("two")] };

    /// <summary>For anything that is to happen at once: only a hang is a failure, as the machine may be busy.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    protected BalancedHost Host => host;

    protected ILoadBalancer Balancer { get; private set; } = null!;

    protected abstract LoadBalancerPlane Plane { get; }

    protected async Task<OpenedLoadBalancer> OpenAsync(LoadBalancerPlane? plane) =>
        await LoadBalancers.OpenAsync(new LoadBalancerOptions { Plane = plane }, Host.Netlink, Host.Commands, Host.Host, Ct);

    public async ValueTask InitializeAsync()
    {
        Balancer = (await OpenAsync(Plane)).Balancer;
        await Balancer.ApplyAsync([], Ct);
    }

    public ValueTask DisposeAsync()
    {
        Balancer?.Dispose();
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    protected VirtualService Service(params Backend[] backends) => new() { Vip = Vip, Marks = Marks, Backends = backends };

    protected VirtualService Service(params string[] backends) => Service([.. backends.Select(name => Active(name))]);

    protected static Backend Active(string name, int weight = 1) => Backend.Active(BalancedHost.Address(name), weight);

    protected static BalancedNetwork Network(params VirtualService[] services) => new(BalancedHost.Frame, services);

    private Task<IReadOnlyList<string>> EnsureAsync(VirtualService service) => Balancer.EnsureServiceAsync(BalancedHost.Frame, service, Ct);

    protected async Task<string> TextAsync() => (await Balancer.ReadAsync(Ct)).ToText();

    private static CancellationTokenSource Bound() => new(Patience);

    private async Task<Socket> ConnectAsync(string from, IPAddress? to = null)
    {
        using var bound = Bound();
        var socket = Host.Open(from, SocketType.Stream);
        try
        {
            await socket.ConnectAsync(new IPEndPoint(to ?? Vip, BalancedHost.Port), bound.Token);
            return socket;
        }
        catch (Exception e)
        {
            socket.Dispose();
            if (e is not OperationCanceledException) throw;
            throw new TimeoutException($"from {from}: no answer within {Patience}; on the host:\n{await Host.DumpAsync()}");
        }
    }

    private static async Task<string> HearAsync(Socket socket)
    {
        using var bound = Bound();
        var buffer = new byte[64];
        var received = await socket.ReceiveAsync(buffer, bound.Token);
        return received > 0 ? Encoding.ASCII.GetString(buffer, 0, received) : throw new IOException("closed by the other side");
    }

    private static async Task<string> AskAsync(Socket socket)
    {
        await socket.SendAsync(new byte[1]);
        return await HearAsync(socket);
    }

    /// <summary>Answers of new connections: "one 10.1.1.10".</summary>
    private async Task<List<string>> ConnectAsync(string from, int times)
    {
        var answers = new List<string>();
        for (var i = 0; i < times; i++)
        {
            using var socket = await ConnectAsync(from);
            answers.Add(await HearAsync(socket));
        }

        return answers;
    }

    private async Task<Socket> OpenFlowAsync(string from)
    {
        var socket = Host.Open(from, SocketType.Dgram);
        await socket.ConnectAsync(new IPEndPoint(Vip, BalancedHost.Port));
        return socket;
    }

    private async Task<List<string>> SendAsync(string from, int times)
    {
        var answers = new List<string>();
        for (var i = 0; i < times; i++)
        {
            using var socket = await OpenFlowAsync(from);
            answers.Add(await AskAsync(socket));
        }

        return answers;
    }

    private static string NameOf(string answer) => answer.Split(' ')[0];

    private static string Names(IEnumerable<string> answers) => string.Join(' ', answers.Select(NameOf).Distinct().Order());

    private async Task<SocketError> RefusalAsync(string from)
    {
        var error = await Assert.ThrowsAsync<SocketException>(async () => (await ConnectAsync(from)).Dispose());
        return error.SocketErrorCode;
    }

    /// <summary>Sends again as any client of UDP would: the kernel says "port unreachable" to one address only so often (icmp_ratelimit).</summary>
    private static async Task<SocketError> RefusalAsync(Socket flow)
    {
        using var bound = Bound();
        var buffer = new byte[64];
        var error = await Assert.ThrowsAsync<SocketException>(async () =>
        {
            var answer = flow.ReceiveAsync(buffer, bound.Token).AsTask();
            while (!answer.IsCompleted)
            {
                await flow.SendAsync(new byte[1], bound.Token);
                await Task.WhenAny(answer, Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, bound.Token));
            }

            throw new IOException($"{await answer} bytes of an answer");
        });
        return error.SocketErrorCode;
    }

    /// <summary>Speaks until the connection is reset.</summary>
    private static async Task UntilResetAsync(Socket socket)
    {
        using var bound = Bound();
        var error = await Assert.ThrowsAsync<SocketException>(async () =>
        {
            var buffer = new byte[64];
            while (true)
            {
                await socket.SendAsync(new byte[1], bound.Token);
                if (await socket.ReceiveAsync(buffer, bound.Token) == 0) throw new IOException("closed, not reset");
            }
        });
        Assert.True(error.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown, error.SocketErrorCode.ToString());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Service_ThreeBackends_ReachedFromEverywhere_WithTcpAndUdp(bool bridgeNetfilter)
    {
        var had = Host.Host.Run(() => Sysctl.Find("net/bridge/bridge-nf-call-iptables"));
        Assert.SkipWhen(bridgeNetfilter && had is null, "this kernel has no br_netfilter");
        if (had is not null) Host.Host.Run(() => Sysctl.Ensure("net/bridge/bridge-nf-call-iptables", bridgeNetfilter ? "1" : "0"));
        var seen = new StringBuilder();
        foreach (var from in (string[])["client", "one", "stranger", "host"])
        {
            // The stranger is on three's host, which would not send three's reply through this one; there it would be balanced itself.
            await EnsureAsync(from == "stranger" ? Service("one", "two") : Service("one", "two", "three"));
            List<string> tcp = await ConnectAsync(from, 6), udp = await SendAsync(from, 6);
            seen.Append(from).Append(": tcp ").Append(Names(tcp)).Append(", udp ").Append(Names(udp)).Append('\n');
            // Who is not of this subnet, or speaks to one that is not, is seen as itself; the host is seen as its address there.
            foreach (var answer in tcp.Concat(udp))
            {
                var expected = (from, NameOf(answer)) switch
                {
                    ("host", "three") => "192.0.2.1",
                    ("host", _) => "10.1.1.1",
                    ("stranger", _) or (_, "three") => BalancedHost.Address(from).ToString(),
                    _ => "10.1.1.1",
                };
                Assert.Equal((from, $"{NameOf(answer)} {expected}"), (from, answer));
            }
        }

        Assert.Equal(
            """
            client: tcp one three two, udp one three two
            one: tcp one three two, udp one three two
            stranger: tcp one two, udp one two
            host: tcp one three two, udp one three two

            """,
            seen.ToString());
        // Nobody but the VIP's clients is translated.
        using var direct = await ConnectAsync("client", BalancedHost.Address("one"));
        Assert.Equal("one 10.1.1.10", await HearAsync(direct));
        if (had is not null) Host.Host.Run(() => Sysctl.Ensure("net/bridge/bridge-nf-call-iptables", had));
    }

    [Fact]
    public async Task Weights_ThreeToOne_AreKept()
    {
        await EnsureAsync(Service(Active("one", 30), Active("three", 10)));
        var names = (await ConnectAsync("client", 40)).CountBy(NameOf).OrderBy(pair => pair.Key, StringComparer.Ordinal);
        Assert.Equal("one 30, three 10", string.Join(", ", names.Select(pair => $"{pair.Key} {pair.Value}")));
    }

    [Fact]
    public async Task Drain_TcpLivesOn_UdpMoves_NothingNewComes_AndTheBackendReturns()
    {
        var service = Service("one", "three");
        await EnsureAsync(service);
        var (one, three) = (await ConnectToAsync("one"), await ConnectToAsync("three"));
        using (one)
        using (three)
        {
            using var flow = await OpenFlowToAsync("one");
            await Balancer.EnsureBackendAsync(service.Key, Backend.Draining(BalancedHost.Address("one")), Ct);
            Assert.Equal("one", NameOf(await AskAsync(one)));
            Assert.Equal("three", Names(await ConnectAsync("client", 6)));
            Assert.Equal("three", NameOf(await AskAsync(flow)));
            Assert.Equal("one", NameOf(await AskAsync(one)));
            var draining = Assert.Single(await Balancer.CountConnectionsAsync(Vip, Ct), found => found.Backend.Equals(BalancedHost.Address("one")));
            Assert.Equal((1, 0), (draining.Established, draining.Udp));
            Assert.Equal(LoadBalancerTables.ToText([Network(Service(Active("three"), Backend.Draining(BalancedHost.Address("one"))))]), await TextAsync());

            await Balancer.EnsureBackendAsync(service.Key, Active("one"), Ct);
            Assert.Equal("one", NameOf(await AskAsync(one)));
            Assert.Equal("one three", Names(await ConnectAsync("client", 6)));
            Assert.Equal("one three", Names(await SendAsync("client", 6)));
            Assert.Equal("three", NameOf(await AskAsync(three)));
        }
    }

    [Fact]
    public async Task WeightZero_OfUdpToo_KeepsTheFlow()
    {
        var service = Service("one", "three");
        await EnsureAsync(service);
        using var flow = await OpenFlowToAsync("one");
        await Balancer.EnsureBackendAsync(service.Key, new Backend(BalancedHost.Address("one"), 0, 0), Ct);
        Assert.Equal("one", NameOf(await AskAsync(flow)));
        Assert.Equal("three", Names(await SendAsync("client", 4)));
    }

    private async Task<Socket> ConnectToAsync(string backend)
    {
        for (var i = 0; i < 20; i++)
        {
            var socket = await ConnectAsync("client");
            if (NameOf(await HearAsync(socket)) == backend) return socket;
            socket.Dispose();
        }

        throw new InvalidOperationException($"20 connections, and none went to {backend}");
    }

    private async Task<Socket> OpenFlowToAsync(string backend)
    {
        for (var i = 0; i < 20; i++)
        {
            var socket = await OpenFlowAsync("client");
            if (NameOf(await AskAsync(socket)) == backend) return socket;
            socket.Dispose();
        }

        throw new InvalidOperationException($"20 flows, and none went to {backend}");
    }

    [Fact]
    public async Task CountConnections_OpenAndClosed_AreToldApart()
    {
        await EnsureAsync(Service("one"));
        Assert.Empty(await Balancer.CountConnectionsAsync(Vip, Ct));
        using var stays = await ConnectAsync("client");
        await HearAsync(stays);
        var half = await ConnectAsync("client");
        await HearAsync(half);
        using var flow = await OpenFlowAsync("client");
        await AskAsync(flow);
        half.Dispose();
        var found = await UntilAsync(async () => (await Balancer.CountConnectionsAsync(Vip, Ct)).Single(), counted => counted.Closed > 0);
        Assert.Equal(new BackendConnections(BalancedHost.Address("one")) { Established = 1, Closed = 1, Udp = 1 }, found);
    }

    private static async Task<T> UntilAsync<T>(Func<Task<T>> read, Func<T, bool> holds)
    {
        using var bound = Bound();
        while (true)
        {
            var value = await read();
            if (holds(value) || bound.IsCancellationRequested) return value;
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Ct);
        }
    }

    [Theory]
    [InlineData("one", "three")]
    [InlineData("one")]
    public async Task RemoveBackend_WithLiveConnections_ClientIsReset_AndUdpMoves(params string[] backends)
    {
        var service = Service(backends);
        await EnsureAsync(service);
        using var connection = await ConnectToAsync("one");
        using var flow = await OpenFlowToAsync("one");
        await Balancer.RemoveBackendAsync(service.Key, BalancedHost.Address("one"), Ct);
        await UntilResetAsync(connection);
        if (backends.Length > 1) Assert.Equal("three", NameOf(await AskAsync(flow)));
        else AssertRefused("client", await RefusalAsync(flow));
        await Balancer.RemoveBackendAsync(service.Key, BalancedHost.Address("one"), Ct);   // holds already
        Assert.Equal(LoadBalancerTables.ToText([Network(Service([.. backends.Skip(1)]))]), await TextAsync());
    }

    [Fact]
    public async Task NoBackend_OrNoneWithWeight_RefusesAtOnce_AndWorksWithTheFirst()
    {
        foreach (var service in (VirtualService[])[Service((string[])[]), Service(new Backend(BalancedHost.Address("one"), 0, 0))])
        {
            await EnsureAsync(service);
            foreach (var from in (string[])["client", "stranger", "host"])
            {
                AssertRefused(from, await RefusalAsync(from));
                using var flow = await OpenFlowAsync(from);
                AssertRefused(from, await RefusalAsync(flow));
            }
        }

        await Balancer.EnsureBackendAsync(Service("two").Key, Active("two"), Ct);
        Assert.Equal("two", Names(await ConnectAsync("client", 2)));
        Assert.Equal("two", Names(await SendAsync("client", 2)));
    }

    /// <summary>IPVS drops what the host itself sends, after it told it "port unreachable": EPERM, which .NET calls "access denied", may come first.</summary>
    private static void AssertRefused(string from, SocketError error) =>
        Assert.True(error == SocketError.ConnectionRefused || (from == "host" && error == SocketError.AccessDenied), $"{from}: {error}");

    [Fact]
    public async Task Restart_DiffsAndLeavesLiveConnectionsAlone()
    {
        var other = Other;
        BalancedNetwork[] networks = [Network(Service("one", "three"), other)];
        Assert.NotEmpty(await Balancer.ApplyAsync(networks, Ct));
        Assert.Equal(LoadBalancerTables.ToText(networks), await TextAsync());
        using var connection = await ConnectToAsync("one");
        using var flow = await OpenFlowToAsync("three");

        using var restarted = (await OpenAsync(Plane)).Balancer;
        Assert.Empty(await restarted.ApplyAsync(networks, Ct));
        Assert.Equal("one", NameOf(await AskAsync(connection)));
        Assert.Equal("three", NameOf(await AskAsync(flow)));

        BalancedNetwork[] changed = [Network(Service(Active("one", 5), Active("three"), Active("two")))];
        var lines = await restarted.ApplyAsync(changed, Ct);
        // A whole word: 10.1.0.14 is the beginning of the other service's 10.1.0.142.
        Assert.DoesNotContain(lines, line => Regex.IsMatch(line, $@"^deleting.*\b{Regex.Escape(Vip.ToString())}\b"));
        Assert.Equal(LoadBalancerTables.ToText(changed), (await restarted.ReadAsync(Ct)).ToText());
        Assert.Equal("one", NameOf(await AskAsync(connection)));
        Assert.Equal("three", NameOf(await AskAsync(flow)));
    }

    [Fact]
    public async Task Services_EnsuredAndRemoved_OneByOne_LeaveTheOthers()
    {
        var other = Other;
        await EnsureAsync(other);
        await EnsureAsync(Service("one"));
        Assert.Empty(await EnsureAsync(Service("one")));
        Assert.Equal(LoadBalancerTables.ToText([Network(Service("one"), other)]), await TextAsync());
        using var connection = await ConnectAsync("client");
        await HearAsync(connection);
        Assert.True(await Balancer.RemoveServiceAsync(BalancedHost.Frame, other.Key, Ct));
        Assert.False(await Balancer.RemoveServiceAsync(BalancedHost.Frame, other.Key, Ct));
        Assert.Equal("one", NameOf(await AskAsync(connection)));
        Assert.Equal(LoadBalancerTables.ToText([Network(Service("one"))]), await TextAsync());

        // A service may get other marks (it was removed and made anew while this host was away), and another scheduler.
        await EnsureAsync(Service("one") with { Marks = FwMarkPair.Of(_number), Scheduler = "sh" });
        Assert.Equal(LoadBalancerTables.ToText([Network(Service("one") with { Marks = FwMarkPair.Of(_number), Scheduler = "sh" })]), await TextAsync());
        Assert.Equal("one", Names(await ConnectAsync("stranger", 2)));

        Assert.True(await Balancer.RemoveNetworkAsync(BalancedHost.Frame, Ct));
        Assert.False(await Balancer.RemoveNetworkAsync(BalancedHost.Frame, Ct));
        Assert.Equal("", await TextAsync());
        Assert.Null(await Host.Netlink.FindLinkAsync(BalancedHost.Frame.Device, Ct));
    }

    [Fact]
    public async Task HostSubnet_LeasedAnew_SourceNatFollows()
    {
        var before = BalancedHost.Frame with { HostSubnet = IPv4Prefix.Parse("10.1.9.0/24") };
        await Balancer.EnsureServiceAsync(before, Service("one"), Ct);
        await EnsureAsync(Service("one"));
        Assert.Equal(LoadBalancerTables.ToText([Network(Service("one"))]), await TextAsync());
        Assert.Equal("one 10.1.1.1", Assert.Single(await ConnectAsync("client", 1)));
    }

    [Theory]
    [InlineData("fastest")]
    [InlineData("")]
    [InlineData("rr; drop")]
    public async Task Scheduler_Unknown_IsRefusedInWords_AndNothingIsChanged(string scheduler)
    {
        await EnsureAsync(Service("one"));
        var before = await TextAsync();
        var unknown = Service("one", "two") with { Scheduler = scheduler };
        var refused = await Assert.ThrowsAsync<SchedulerRefusedException>(() => EnsureAsync(unknown));
        Assert.StartsWith($"scheduler '{scheduler}' is refused: it is none of rr, wrr, ", refused.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<SchedulerRefusedException>(() => Balancer.ApplyAsync([Network(unknown)], Ct));
        Assert.Equal(before, await TextAsync());
    }

    [Fact]
    public async Task Schedulers_AllThatThePlaneNames_Work()
    {
        Assert.Superset(new HashSet<string> { "rr", "wrr", "sh" }, Balancer.Schedulers.ToHashSet());
        foreach (var scheduler in Balancer.Schedulers)
        {
            await EnsureAsync(Service("one", "three") with { Scheduler = scheduler });
            Assert.Equal(LoadBalancerTables.ToText([Network(Service("one", "three") with { Scheduler = scheduler })]), await TextAsync());
        }

        await EnsureAsync(Service("one", "three") with { Scheduler = "sh" });
        Assert.Single((await ConnectAsync("client", 6)).CountBy(NameOf));   // by the client's address
    }

    [Fact]
    public async Task EnsureBackend_OfAServiceThatIsNotThere_SaysSo()
    {
        var error = await Assert.ThrowsAsync<ServiceMissingException>(() => Balancer.EnsureBackendAsync(Service("one").Key, Active("one"), Ct));
        Assert.StartsWith($"there is no service {Vip} (0x", error.Message, StringComparison.Ordinal);
        await Balancer.RemoveBackendAsync(Service("one").Key, BalancedHost.Address("one"), Ct);
        Assert.Equal("", await TextAsync());
    }

    [Fact]
    public async Task Wanted_ThatCannotBe_IsRefusedWhole()
    {
        VirtualService[][] wrong =
        [
            [Service("one"), Service("two") with { Marks = FwMarkPair.Of(1) }],
            [Service("one"), Service("two") with { Vip = Other.Vip }],
            [Service("one", "one")],
            [Service(Active("one", -1))],
            [Service(Active("one", Backend.MaximumWeight + 1))],
        ];
        foreach (var services in wrong) await Assert.ThrowsAsync<ArgumentException>(() => Balancer.ApplyAsync([Network(services)], Ct));
        Assert.Equal("", await TextAsync());
    }
}
