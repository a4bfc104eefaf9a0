using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Flanneld.Readiness;

/// <summary>
/// sd_notify(3): datagrams to the socket that NOTIFY_SOCKET names, a path or, with '@', an abstract name. Nothing is sent where it is
/// not set. A supervisor that went away is no reason to fail: what cannot be sent is logged once.
/// </summary>
internal sealed class ServiceNotifier(string? socketName, ILogger log)
{
    private bool _told;

    /// <summary>True once <see cref="Ready"/> was called.</summary>
    public bool IsReady { get; private set; }

    public void Ready(string status)
    {
        IsReady = true;
        Send($"READY=1\nSTATUS={status}");
    }

    public void Status(string status) => Send($"STATUS={status.ReplaceLineEndings(" ")}");

    public void Stopping() => Send("STOPPING=1");

    private void Send(string state)
    {
        if (string.IsNullOrEmpty(socketName)) return;
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            // Linux's abstract names begin with a zero byte (unix(7)), sd_notify writes it as '@'.
            var endpoint = new UnixDomainSocketEndPoint(socketName[0] == '@' ? '\0' + socketName[1..] : socketName);
            socket.SendTo(Encoding.UTF8.GetBytes(state), endpoint);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            if (!_told) log.LogWarning("notifying {Socket}: {Reason}", socketName, e.Message);
            _told = true;
        }
    }
}
