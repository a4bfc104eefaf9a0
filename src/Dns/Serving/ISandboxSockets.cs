using System.Net.Sockets;
using FlannelFlow.Dns.Upstreams;

namespace FlannelFlow.Dns.Serving;

/// <summary>Makes sockets for one sandbox, in the namespace they belong to. Once made, a socket stays there, whichever thread uses it.</summary>
public interface ISandboxSockets
{
    /// <summary>A fresh one, neither bound nor connected.</summary>
    /// <exception cref="IOException">The namespace is gone.</exception>
    /// <exception cref="SocketException">There is none to be had.</exception>
    Socket Open(UpstreamSide side, AddressFamily family, SocketType type);
}
