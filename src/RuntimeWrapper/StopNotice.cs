using System.Text;

namespace FlannelFlow.RuntimeWrapper;

/// <summary>Tells the daemon that a container is about to be stopped, and waits until it answers that nobody sends it new connections.</summary>
/// <remarks>
/// One line there, <c>stopping CONTAINER SIGNAL\n</c>, and one octet or the end of the connection back. No daemon (no socket, nobody listens)
/// or anything else that goes wrong ends the waiting at once: a stop is held for the sake of connections, never refused.
/// </remarks>
internal static unsafe class StopNotice
{
    public static void Send(string socketPath, TimeSpan bound, string container, int signal)
    {
        var fd = Libc.Socket(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0);
        if (fd < 0)
            return;
        // Connecting waits for room in the listener's queue, sending and receiving for the peer: each has the whole bound, and only one ever waits.
        var limit = new Libc.TimeValue { Seconds = (nint)bound.TotalSeconds, Microseconds = bound.Milliseconds * 1000 };
        _ = Libc.SetSockOpt(fd, Libc.SOL_SOCKET, Libc.SO_SNDTIMEO, &limit, sizeof(Libc.TimeValue));
        _ = Libc.SetSockOpt(fd, Libc.SOL_SOCKET, Libc.SO_RCVTIMEO, &limit, sizeof(Libc.TimeValue));
        if (Connect(fd, socketPath))
        {
            var line = Encoding.UTF8.GetBytes($"stopping {container} {signal}\n");
            fixed (byte* bytes = line)
            {
                byte answer;
                if (Libc.Send(fd, bytes, line.Length, Libc.MSG_NOSIGNAL) == line.Length)
                    _ = Libc.Receive(fd, &answer, 1, 0);
            }
        }
        _ = Libc.Close(fd);
    }

    private static bool Connect(int fd, string path)
    {
        var address = new Libc.UnixAddress { Family = Libc.AF_UNIX };
        var length = Encoding.UTF8.GetBytes(path, new Span<byte>(address.Path, Libc.PathMax));
        return Libc.Connect(fd, &address, sizeof(ushort) + length + 1) == 0;
    }
}
