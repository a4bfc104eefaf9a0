using System.Net;
using System.Net.Sockets;
using FlannelFlow.Activities.Dns;
using FlannelFlow.Dns.Names;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Dns.Upstreams;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Namespaces;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Activities.Tests;

/// <summary>
/// A sandbox as Docker makes it: a namespace with a resolver on 127.0.0.11 and Docker's redirect to it. That resolver says 192.0.2.53 to
/// everything.
/// </summary>
internal sealed class DnsSandbox : IAsyncDisposable
{
    public const string Docker = "192.0.2.53", Ours = "10.9.0.1";

    private readonly CommandRunner _host = new(TimeProvider.System);
    private readonly string _name = "fft-dns-" + Guid.NewGuid().ToString("N")[..8];
    private readonly string _resolvConf = Path.GetTempFileName();
    private readonly string _musl = Path.Combine(Path.GetTempPath(), "fft-musl-" + Guid.NewGuid().ToString("N")[..8]);
    private readonly string _go = Path.Combine(Path.GetTempPath(), "fft-go-" + Guid.NewGuid().ToString("N")[..8]);
    private Socket? _udp, _tcp;
    private Task _resolver = Task.CompletedTask;
    private NetworkNamespace? _opened;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public NameBoard Board { get; } = new();

    public string NamespacePath => "/run/netns/" + _name;

    public NetworkNamespace Namespace => _opened!;

    public CommandRunner Commands { get; private set; } = null!;

    /// <summary>Queries that Docker's resolver has had.</summary>
    public int AskedDocker;

    public static async Task<DnsSandbox> CreateAsync(bool withIptables = false)
    {
        var sandbox = new DnsSandbox();
        try
        {
            await sandbox.InitializeAsync(withIptables);
            return sandbox;
        }
        catch
        {
            await sandbox.DisposeAsync();
            throw;
        }
    }

    /// <summary>One name, web.net, at 10.9.0.1, in the network "n".</summary>
    public static NameIndex Names => NameIndex.Build(new NameSnapshot(
        [new NamedNetwork("n", "net")],
        [new NamedService("s", "web", [new ServiceNames("n", IPAddress.Parse(Ours), [])]), new NamedService("m", "many", [new ServiceNames("n", null, [])])],
        [.. Enumerable.Range(0, 300).Select(i => new NamedContainer(
            $"c{i}", $"many.{i}", "m", Ready: true, [new ContainerNames("n", new IPAddress([10, 9, (byte)(1 + i / 256), (byte)i]), [])]))]));

    /// <summary>With a life that no test outlives, however slow the machine is.</summary>
    public Task<ServedSandbox> ServeAsync(params UpstreamModel[] upstreams) => ServeAsync(TimeSpan.FromHours(1), upstreams);

    public Task<ServedSandbox> ServeAsync(TimeSpan life, params UpstreamModel[] upstreams) => ServedSandbox.StartAsync(
        NamespacePath,
        Board,
        new DnsOptions(MatchMode.FirstNetwork, 1),
        new SandboxModel(["n"], [.. upstreams], NdotsSet: false),
        life,
        TimeProvider.System,
        () => new Random(1),
        NullLogger.Instance,
        Ct);

    /// <summary>glibc's resolver, as a program in the sandbox has it.</summary>
    /// <param name="options">More lines of resolv.conf.</param>
    /// <returns>The addresses, a line each, or "" if there is none.</returns>
    public Task<string> GetentAsync(string name, string options = "") => ResolveAsync($"getent ahostsv4 {name} | sed -n 's/ *STREAM.*//p'", options);

    /// <summary>musl's, both families at once.</summary>
    public async Task<string> MuslAsync(string name, string options = "")
    {
        if (!File.Exists(_musl))
        {
            const string musl = "/usr/lib/x86_64-linux-musl";
            var source = Path.Combine(AppContext.BaseDirectory, "resolve.c");
            await _host.RunCheckedAsync(
                "clang",
                ["-static", "-nostdinc", "-nostdlib", "-isystem", "/usr/include/x86_64-linux-musl", musl + "/crt1.o", source, musl + "/libc.a", "-o", _musl],
                null,
                Ct);
        }

        return await ResolveAsync($"{_musl} {name}", options);
    }

    /// <summary>Go's own, which asks for both families at once. Needs Debian's golang-go, which tests/campaigns/dns installs.</summary>
    public async Task<string> GoAsync(string name, string options = "")
    {
        if (!File.Exists(_go))
        {
            var source = Path.Combine(AppContext.BaseDirectory, "resolve.go");
            var compiler = new CommandRunner(TimeProvider.System) { Timeout = TimeSpan.FromMinutes(10) };
            await compiler.RunCheckedAsync("env", ["CGO_ENABLED=0", "GO111MODULE=off", "go", "build", "-o", _go, source], null, Ct);
        }

        return await ResolveAsync($"{_go} {name}", options);
    }

    private async Task<string> ResolveAsync(string command, string options)
    {
        await File.WriteAllTextAsync(_resolvConf, $"nameserver 127.0.0.11\noptions ndots:0\n{options}\n", Ct);
        var result = await Commands.RunAsync("unshare", ["--mount", "sh", "-c", $"mount --bind {_resolvConf} /etc/resolv.conf && {command}"], null, Ct);
        return result.Output.Trim();
    }

    public Task<string> DigAsync(params string[] arguments) =>
        Commands.RunCheckedAsync("dig", ["@127.0.0.11", "+short", "+tries=1", "+time=5", .. arguments], null, Ct);

    public Socket Client(ProtocolType protocol) => Namespace.Run(() =>
    {
        var socket = new Socket(AddressFamily.InterNetwork, protocol == ProtocolType.Udp ? SocketType.Dgram : SocketType.Stream, protocol);
        socket.Connect(new IPEndPoint(DnsRedirect.Resolver, 53));
        return socket;
    });

    /// <summary>One query, "web A", on a client's own socket; its answer's address, "" where there is none.</summary>
    public static async Task<string> AskAsync(Socket client)
    {
        byte[] query = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, .. "web"u8, 0, 0, 1, 0, 1];
        var isTcp = client.ProtocolType == ProtocolType.Tcp;
        if (isTcp) query = [0, (byte)query.Length, .. query];
        await client.SendAsync(query, SocketFlags.None, Ct);
        var answer = new byte[512];
        var length = await client.ReceiveAsync(answer, SocketFlags.None, Ct);
        return length < 4 ? "" : new IPAddress(answer.AsSpan(length - 4, 4)).ToString();
    }

    public async ValueTask DisposeAsync()
    {
        _udp?.Dispose();
        _tcp?.Dispose();
        await _resolver;
        _opened?.Dispose();
        await _host.RunAsync("ip", ["netns", "del", _name], null, CancellationToken.None);
        File.Delete(_resolvConf);
        File.Delete(_musl);
        File.Delete(_go);
    }

    private async Task InitializeAsync(bool withIptables)
    {
        await _host.RunCheckedAsync("ip", ["netns", "add", _name], null, Ct);
        _opened = NetworkNamespace.Open(NamespacePath);
        Commands = new CommandRunner(TimeProvider.System) { NetworkNamespace = _opened, Timeout = TimeSpan.FromSeconds(60) };
        await Commands.RunCheckedAsync("ip", ["link", "set", "lo", "up"], null, Ct);
        // glibc asks for no IPv4 addresses where there is none but loopback (AI_ADDRCONFIG).
        await Commands.RunCheckedAsync("ip", ["addr", "add", "192.0.2.9/32", "dev", "lo"], null, Ct);
        (_udp, _tcp) = _opened.Run(() =>
        {
            var udp = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            udp.Bind(new IPEndPoint(DnsRedirect.Resolver, 0));
            var tcp = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            tcp.Bind(new IPEndPoint(DnsRedirect.Resolver, 0));
            tcp.Listen();
            return (udp, tcp);
        });
        int u = ((IPEndPoint)_udp.LocalEndPoint!).Port, t = ((IPEndPoint)_tcp.LocalEndPoint!).Port;
        if (withIptables)
        {
            // As sandbox_dns_unix.go of 20.10 to 28 does.
            await Commands.RunCheckedAsync("iptables-restore", ["--noflush"], $"""
                *nat
                :DOCKER_OUTPUT - [0:0]
                :DOCKER_POSTROUTING - [0:0]
                -A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
                -A POSTROUTING -d 127.0.0.11/32 -j DOCKER_POSTROUTING
                -A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp --dport 53 -j DNAT --to-destination 127.0.0.11:{t}
                -A DOCKER_OUTPUT -d 127.0.0.11/32 -p udp --dport 53 -j DNAT --to-destination 127.0.0.11:{u}
                -A DOCKER_POSTROUTING -s 127.0.0.11/32 -p tcp --sport {t} -j SNAT --to-source :53
                -A DOCKER_POSTROUTING -s 127.0.0.11/32 -p udp --sport {u} -j SNAT --to-source :53
                COMMIT

                """, Ct);
        }
        else
        {
            await new NftTable(Commands, "ip", "docker-dns").ReplaceAsync($$"""
                chain output {
                    type nat hook output priority -100
                    ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:{{u}}
                    ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:{{t}}
                }
                chain postrouting {
                    type nat hook postrouting priority 100
                    ip saddr 127.0.0.11 udp sport {{u}} snat to :53
                    ip saddr 127.0.0.11 tcp sport {{t}} snat to :53
                }
                """, Ct);
        }

        _resolver = Task.WhenAll(ServeUdpAsync(_udp), ServeTcpAsync(_tcp));
    }

    private byte[] Answer(ReadOnlySpan<byte> query)
    {
        Interlocked.Increment(ref AskedDocker);
        var end = 12;
        while (query[end] != 0) end += query[end] + 1;
        byte[] answer = [.. query[..(end + 5)], 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, .. IPAddress.Parse(Docker).GetAddressBytes()];
        answer[2] |= 0x80;
        answer[7] = 1;
        answer[11] = 0;
        return answer;
    }

    private async Task ServeUdpAsync(Socket socket)
    {
        var buffer = new byte[512];
        try
        {
            while (true)
            {
                var query = await socket.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), CancellationToken.None);
                await socket.SendToAsync(Answer(buffer.AsSpan(0, query.ReceivedBytes)), SocketFlags.None, query.RemoteEndPoint, CancellationToken.None);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeTcpAsync(Socket socket)
    {
        var clients = new List<Task>();
        try
        {
            while (true) clients.Add(ServeConnectionAsync(await socket.AcceptAsync(CancellationToken.None)));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }

        await Task.WhenAll(clients);
    }

    private async Task ServeConnectionAsync(Socket client)
    {
        using var _ = client;
        var buffer = new byte[512];
        try
        {
            while (await client.ReceiveAsync(buffer, SocketFlags.None, CancellationToken.None) is var length and > 2)
            {
                var answer = Answer(buffer.AsSpan(2, length - 2));
                byte[] framed = [(byte)(answer.Length >> 8), (byte)answer.Length, .. answer];
                await client.SendAsync(framed, SocketFlags.None, CancellationToken.None);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }
    }
}
