using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using FlannelFlow.Linux.Namespaces;

namespace FlannelFlow.Linux.Ipvs;

/// <summary>A connection that IPVS carries, IPv4.</summary>
/// <param name="Protocol">"TCP", "UDP", "SCTP"; "IP" for the template of a persistent client.</param>
/// <param name="Expires">Seconds until it is forgotten, if it stays silent.</param>
public sealed record IpvsConnection(string Protocol, IPEndPoint Client, IPEndPoint Virtual, IPEndPoint Backend, IpvsConnectionState State, int Expires);

/// <summary>What /proc calls them (tcp_state_name_table of ip_vs_proto_tcp.c, udp_state_name_table of ip_vs_proto_udp.c).</summary>
public enum IpvsConnectionState
{
    None,
    Established,
    SynSent,
    SynReceived,
    FinWait,
    TimeWait,
    Close,
    CloseWait,
    LastAck,
    Listen,
    SynAck,
    Udp,
    Other,
}

/// <summary>IPVS's table of connections, /proc/net/ip_vs_conn: the only place that tells their protocols and states.</summary>
public static class IpvsConnections
{
    /// <summary>Walks the table of the whole kernel, of which those of one namespace are shown.</summary>
    /// <param name="networkNamespace">Null: the calling thread's.</param>
    public static async Task<IReadOnlyList<IpvsConnection>> ReadAsync(NetworkNamespace? networkNamespace, CancellationToken ct)
    {
        // The namespace is that of the thread that opens it (proc_net, seq_open_net).
        var reader = networkNamespace is null ? Open() : networkNamespace.Run(Open);
        using (reader)
        {
            var connections = new List<IpvsConnection>();
            while (await reader.ReadLineAsync(ct) is { } line)
            {
                if (Parse(line) is { } connection) connections.Add(connection);
            }
            return connections;
        }
    }

    private static StreamReader Open() => File.OpenText("/proc/thread-self/net/ip_vs_conn");

    /// <summary><c>TCP 0A010105 D431 0A010002 1F90 0A010106 1F90 ESTABLISHED     899</c>; null for the head line and for IPv6.</summary>
    /// <exception cref="InvalidDataException">It is neither.</exception>
    public static IpvsConnection? Parse(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0 || words[0] == "Pro") return null;
        if (words.Length < 9) throw Malformed(line);
        if (words[1].Length != 8) return null;
        return new IpvsConnection(
            words[0], EndPoint(words[1], words[2], line), EndPoint(words[3], words[4], line), EndPoint(words[5], words[6], line),
            State(words[7]),
            int.TryParse(words[8], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var expires) ? expires : throw Malformed(line));
    }

    private static IPEndPoint EndPoint(string address, string port, string line)
    {
        if (!uint.TryParse(address, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var bits)
            || !ushort.TryParse(port, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number))
            throw Malformed(line);
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, bits);
        return new IPEndPoint(new IPAddress(bytes), number);
    }

    private static IpvsConnectionState State(string name) => name switch
    {
        "NONE" => IpvsConnectionState.None,
        "ESTABLISHED" => IpvsConnectionState.Established,
        "SYN_SENT" => IpvsConnectionState.SynSent,
        "SYN_RECV" => IpvsConnectionState.SynReceived,
        "FIN_WAIT" => IpvsConnectionState.FinWait,
        "TIME_WAIT" => IpvsConnectionState.TimeWait,
        "CLOSE" => IpvsConnectionState.Close,
        "CLOSE_WAIT" => IpvsConnectionState.CloseWait,
        "LAST_ACK" => IpvsConnectionState.LastAck,
        "LISTEN" => IpvsConnectionState.Listen,
        "SYNACK" => IpvsConnectionState.SynAck,
        "UDP" => IpvsConnectionState.Udp,
        _ => IpvsConnectionState.Other,   // SCTP's
    };

    private static InvalidDataException Malformed(string line) => new($"not a line of ip_vs_conn: '{line}'");
}
