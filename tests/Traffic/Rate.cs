using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace FlannelFlow.Traffic;

/// <summary>How many connections can be opened in a second, one after the other. Each ends with a reset, so that no port stays behind in TIME_WAIT.</summary>
internal static class Rate
{
    public static int Measure(IPEndPoint server, TimeSpan duration)
    {
        var watch = Stopwatch.StartNew();
        var count = 0;
        for (; watch.Elapsed < duration; count++)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(true, 0) };
            socket.Connect(server);
        }

        return (int)(count / watch.Elapsed.TotalSeconds);
    }
}
