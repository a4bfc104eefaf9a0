using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using FlannelFlow.Linux.Namespaces;
using FlannelFlow.Linux.Processes;

namespace FlannelFlow.Linux.Tests.Processes;

[Trait("Needs", "kernel")]
public sealed class ListeningSocketsTests
{
    [Theory]
    [InlineData("0.0.0.0", SocketType.Stream, 80, true)]
    [InlineData("127.0.0.1", SocketType.Stream, 80, false)]
    [InlineData("127.0.0.11", SocketType.Stream, 53, false)]
    [InlineData("0.0.0.0", SocketType.Stream, 50_000, true)]
    [InlineData("::", SocketType.Stream, 8080, true)]
    [InlineData("::1", SocketType.Stream, 8080, false)]
    [InlineData("::ffff:127.0.0.1", SocketType.Stream, 8080, false)]
    [InlineData("0.0.0.0", SocketType.Dgram, 53, true)]
    [InlineData("127.0.0.11", SocketType.Dgram, 53, false)]
    [InlineData("::", SocketType.Dgram, 5060, true)]
    [InlineData("0.0.0.0", SocketType.Dgram, 0, false)]
    public async Task Socket_OfAServer_IsSeen_OneOfAClientOrOfLoopbackIsNot(string address, SocketType type, int port, bool isServer)
    {
        await using var ns = await TestNamespace.CreateAsync();
        await using var resident = await Resident.InAsync(ns);
        Assert.False(ListeningSockets.InNamespaceOf(resident.Pid));

        using var socket = ns.Handle.Run(() =>
        {
            var ip = IPAddress.Parse(address);
            var opened = new Socket(ip.AddressFamily, type, type == SocketType.Stream ? ProtocolType.Tcp : ProtocolType.Udp);
            if (ip.IsIPv4MappedToIPv6) opened.DualMode = true;
            opened.Bind(new IPEndPoint(ip, port));
            if (type == SocketType.Stream) opened.Listen();
            return opened;
        });

        Assert.Equal(isServer, ListeningSockets.InNamespaceOf(resident.Pid));
    }

    [Fact]
    public async Task Connection_IsNoServer()
    {
        await using var ns = await TestNamespace.CreateAsync();
        await using var resident = await Resident.InAsync(ns);
        await ns.IpAsync("addr add 192.0.2.1/24 dev lo");
        using var server = ns.Handle.Run(() =>
        {
            var listening = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listening.Bind(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 80));
            listening.Listen();
            return listening;
        });
        using var client = ns.Handle.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        await client.ConnectAsync(server.LocalEndPoint!, TestNamespace.Ct);
        using var accepted = await server.AcceptAsync(TestNamespace.Ct);
        Assert.True(ListeningSockets.InNamespaceOf(resident.Pid));

        server.Close();

        Assert.False(ListeningSockets.InNamespaceOf(resident.Pid));
    }

    [Fact]
    public void ProcessThatIsGone_IsNotTold() => Assert.Null(ListeningSockets.InNamespaceOf(int.MaxValue));

    [Theory]
    [InlineData("")]
    [InlineData("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode")]
    [InlineData("   0: 00000000 00000000:0000 0A 00000000:00000000")]
    [InlineData("   0: 000000:0050 00000000:0000 0A 00000000:00000000")]
    [InlineData("   0: 0000000G:0050 00000000:0000 0A 00000000:00000000")]
    [InlineData("   0: 00000000:10050 00000000:0000 0A 00000000:00000000")]
    public void Line_ThatIsNone_IsNoServer(string line)
    {
        Assert.False(ListeningSockets.IsTcpServer(line));
        Assert.False(ListeningSockets.IsUdpServer(line));
    }

    /// <summary>A process in the namespace, which has no sockets.</summary>
    private sealed class Resident : IAsyncDisposable
    {
        private readonly Process _process;

        private Resident(Process process) => _process = process;

        public int Pid => _process.Id;

        public static async Task<Resident> InAsync(TestNamespace ns)
        {
            var resident = new Resident(Process.Start("nsenter", ["--net=" + ns.Handle.Path, "sleep", "1000"]));
            await ChildScope.UntilAsync(() => NetworkNamespace.InodeOfProcess(resident.Pid) == ns.Handle.Inode, "it is in the namespace");
            return resident;
        }

        public async ValueTask DisposeAsync()
        {
            _process.Kill();
            await _process.WaitForExitAsync(CancellationToken.None);
            _process.Dispose();
        }
    }
}
