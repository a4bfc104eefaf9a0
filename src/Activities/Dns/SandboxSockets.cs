using System.Net;
using System.Net.Sockets;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Dns.Upstreams;
using FlannelFlow.Linux.Namespaces;

namespace FlannelFlow.Activities.Dns;

/// <summary>A connection of this process with itself. When the process ends, however it does, the kernel closes it, and its FIN can be seen.</summary>
public sealed record Canary(Socket Near, Socket Far) : IDisposable
{
    public void Dispose()
    {
        Near.Dispose();
        Far.Dispose();
    }
}

/// <param name="Probe">Connected to the server's UDP socket.</param>
public sealed record OpenedSockets(ServerSockets Server, Socket Probe, Canary Canary);

/// <summary>Makes the sockets of a sandbox's DNS server, each in the namespace it is for.</summary>
public sealed class SandboxSockets(NetworkNamespace sandbox) : ISandboxSockets
{
    // sys/socket.h, the same on all machines but a few dead ones.
    private const int SolSocket = 1, SoMark = 36;

    public Socket Open(UpstreamSide side, AddressFamily family, SocketType type) => side switch
    {
        UpstreamSide.Host => New(family, type),
        UpstreamSide.Sandbox => sandbox.Run(() => New(family, type)),
        UpstreamSide.PastRedirect => sandbox.Run(() =>
        {
            var socket = New(family, type);
            socket.SetRawSocketOption(SolSocket, SoMark, BitConverter.GetBytes(DnsRedirect.PastMark));
            return socket;
        }),
    };

    /// <summary>All that one server has, on ports of 127.0.0.11 that the kernel chooses.</summary>
    /// <exception cref="SocketException">The sandbox's loopback interface is not up yet.</exception>
    public OpenedSockets OpenServer() => sandbox.Run(() =>
    {
        var opened = new List<Socket>();
        try
        {
            var server = new ServerSockets(Bound(SocketType.Dgram), Bound(SocketType.Stream));
            server.Tcp.Listen(256);
            var probe = Bound(SocketType.Dgram);
            probe.Blocking = false;
            probe.Connect(server.Udp.LocalEndPoint!);
            return new OpenedSockets(server, probe, OpenCanary());
        }
        catch
        {
            opened.ForEach(socket => socket.Dispose());
            throw;
        }

        Canary OpenCanary()
        {
            using var listener = Bound(SocketType.Stream);
            listener.Listen(1);
            var near = Bound(SocketType.Stream);
            near.Connect(listener.LocalEndPoint!);
            var far = listener.Accept();
            opened.Add(far);
            return new Canary(near, far);
        }

        Socket Bound(SocketType type)
        {
            var socket = New(AddressFamily.InterNetwork, type);
            opened.Add(socket);
            socket.Bind(new IPEndPoint(DnsRedirect.Resolver, 0));
            return socket;
        }
    });

    private static Socket New(AddressFamily family, SocketType type) => new(family, type, type == SocketType.Dgram ? ProtocolType.Udp : ProtocolType.Tcp);
}
