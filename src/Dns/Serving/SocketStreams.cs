using System.Net.Sockets;

namespace FlannelFlow.Dns.Serving;

/// <summary>Whole pieces over TCP.</summary>
internal static class SocketStreams
{
    public static async ValueTask SendAllAsync(this Socket socket, ReadOnlyMemory<byte> bytes, CancellationToken ct)
    {
        while (bytes.Length > 0) bytes = bytes[await socket.SendAsync(bytes, SocketFlags.None, ct)..];
    }

    /// <returns>False: the other side ended before.</returns>
    public static async ValueTask<bool> TryReceiveAllAsync(this Socket socket, Memory<byte> bytes, CancellationToken ct)
    {
        while (bytes.Length > 0)
        {
            var length = await socket.ReceiveAsync(bytes, SocketFlags.None, ct);
            if (length == 0) return false;
            bytes = bytes[length..];
        }

        return true;
    }
}
