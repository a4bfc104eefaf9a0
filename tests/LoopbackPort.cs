using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace FlannelFlow.Tests;

/// <summary>
/// Ports of loopback for programs that are told theirs. Below those that the kernel gives to outgoing connections (ip_local_port_range, 32768 on), so that none
/// of these has it when the program starts. None is given twice: a program that was told its port may not have taken it yet.
/// </summary>
internal static class LoopbackPort
{
    private static readonly ConcurrentDictionary<int, bool> Given = new();

    public static int Free()
    {
        while (true)
        {
            var port = RandomNumberGenerator.GetInt32(20_000, 32_000);
            if (!Given.TryAdd(port, true)) continue;
            using var listener = new TcpListener(IPAddress.Loopback, port);
            try
            {
                listener.Start();
                return port;
            }
            catch (SocketException taken) when (taken.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                continue;
            }
        }
    }
}
