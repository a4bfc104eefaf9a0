using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;

namespace FlannelFlow.Linux.Processes;

/// <summary>Whether anything waits for others in a network namespace, by /proc/PID/net/{tcp,tcp6,udp,udp6} (proc_pid_net(5)).</summary>
public static class ListeningSockets
{
    private const string TcpListen = "0A";        // TCP_LISTEN of net/tcp_states.h
    private const string UdpUnconnected = "07";   // TCP_CLOSE, which udp4_format_sock shows of a socket without a peer

    /// <summary>
    /// From here on Linux gives ports to clients (net.ipv4.ip_local_port_range begins here by default). A UDP client without a peer, such as musl's resolver, looks like a server but
    /// for this.
    /// </summary>
    private const ushort FirstPortOfClients = 32_768;

    /// <summary>
    /// Whether a TCP socket listens, or a UDP socket waits on a port that is no client's, on an address that is not loopback, in the network namespace of a process. Null: it cannot be
    /// told, the process being gone or none that may be looked at.
    /// </summary>
    public static bool? InNamespaceOf(int pid)
    {
        try
        {
            return Has(pid, "tcp", IsTcpServer) || Has(pid, "tcp6", IsTcpServer) || Has(pid, "udp", IsUdpServer) || Has(pid, "udp6", IsUdpServer);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Whether a line of <c>tcp</c> or <c>tcp6</c> is a server's; not the head line.</summary>
    public static bool IsTcpServer(string line) => Parse(line) is { State: TcpListen } socket && !IsLoopback(socket.Local.Address);

    /// <summary>Whether a line of <c>udp</c> or <c>udp6</c> is a server's; not the head line.</summary>
    public static bool IsUdpServer(string line) =>
        Parse(line) is { State: UdpUnconnected, Local.Port: < FirstPortOfClients } socket && !IsLoopback(socket.Local.Address);

    /// <summary>Those that listen come first in the file. Where none does, the kernel looks through the connections of all namespaces for those of this one.</summary>
    private static bool Has(int pid, string file, Func<string, bool> isServer)
    {
        var path = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/net/{file}");
        // A kernel without IPv6 has none of its files.
        return (!file.EndsWith('6') || File.Exists(path)) && File.ReadLines(path).Any(isServer);
    }

    /// <summary><c>   0: 0100007F:1F90 00000000:0000 0A …</c>; null of what is no such line.</summary>
    private static (IPEndPoint Local, string State)? Parse(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        var words = line.Split(' ', 5, StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 5 || words[1].Split(':') is not [{ Length: 8 or 32 } address, var port]) return null;

        // Each 32 bits of the address as the processor reads them (tcp4_seq_show, get_openreq6).
        var parts = new uint[address.Length / 8];
        for (var i = 0; i < parts.Length; i++)
        {
            if (!uint.TryParse(address.AsSpan(i * 8, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out parts[i])) return null;
        }

        return ushort.TryParse(port, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number)
            ? (new IPEndPoint(new IPAddress(MemoryMarshal.AsBytes<uint>(parts)), number), words[3])
            : null;
    }

    private static bool IsLoopback(IPAddress address) => IPAddress.IsLoopback(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address);
}
