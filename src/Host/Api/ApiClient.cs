using System.Net.Sockets;

namespace FlannelFlow.Host.Api;

/// <summary>HTTP to a daemon on this host, over its unix socket.</summary>
public static class ApiClient
{
    /// <summary>The socket is there, but not for this user.</summary>
    public static bool IsForbidden(Exception failure) => failure.GetBaseException() is SocketException { SocketErrorCode: SocketError.AccessDenied };

    public static HttpClient Over(string socketPath)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, ct) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), ct);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        };
        return new HttpClient(handler) { BaseAddress = new Uri("http://flannelflow"), Timeout = Timeout.InfiniteTimeSpan };
    }
}
