using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using FlannelFlow.Operations.Access;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace FlannelFlow.Host.Access;

/// <summary>The network address at which people are answered.</summary>
/// <remarks>It is bound before the server starts: an address that is taken costs the dashboard, not the daemon, on which containers depend.</remarks>
internal sealed class NetworkSocket(IPEndPoint endpoint, Socket socket) : IDisposable
{
    public IPEndPoint Endpoint { get; } = endpoint;

    /// <summary>Null where there is none to bind, or it cannot be bound, which is logged.</summary>
    public static NetworkSocket? Bind(AccessOptions access, Serilog.ILogger log)
    {
        if (access.Endpoint is not { } endpoint) return null;
        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(endpoint);
            return new NetworkSocket(endpoint, socket);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            log.Error("no dashboard: DASHBOARD_ADDRESS {Address} cannot be bound: {Reason}", endpoint, e.Message);
            return null;
        }
    }

    public void Listen(WebApplicationBuilder builder, AccessOptions access)
    {
        builder.WebHost.UseSockets(sockets => sockets.CreateBoundListenSocket = wanted =>
            Endpoint.Equals(wanted) ? socket : Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets.SocketTransportOptions.CreateDefaultBoundListenSocket(wanted));
        if (access.IsTls) builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(Endpoint, listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            if (access is { CertificateFile: { } certificate, KeyFile: { } key })
                listen.UseHttps(X509Certificate2.CreateFromPemFile(certificate, key));
        }));
    }

    public void Dispose() => socket.Dispose();
}
