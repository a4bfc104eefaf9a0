using System.Globalization;
using System.Net;
using FlannelFlow.Linux.Interop;
using FlannelFlow.Linux.Namespaces;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Conntrack;

/// <summary>A connection that the kernel tracks, IPv4, TCP or UDP. What the client asked for, and who answers.</summary>
/// <param name="Protocol">6 or 17.</param>
/// <param name="Source">Of the client.</param>
/// <param name="Destination">That the client asked for.</param>
/// <param name="Answerer">Who answers: another than <paramref name="Destination"/> if that was translated.</param>
public sealed record ConntrackEntry(byte Protocol, IPEndPoint Source, IPEndPoint Destination, IPEndPoint Answerer)
{
    /// <summary>Of TCP.</summary>
    public ConntrackTcpState TcpState { get; init; }

    /// <summary>CTA_ID: tells an entry from a later one with the same addresses.</summary>
    public uint Id { get; init; }
}

/// <summary>TCP_CONNTRACK_* of linux/netfilter/nf_conntrack_tcp.h.</summary>
public enum ConntrackTcpState : byte
{
    None = 0,
    SynSent = 1,
    SynReceived = 2,
    Established = 3,
    FinWait = 4,
    CloseWait = 5,
    LastAck = 6,
    TimeWait = 7,
    Close = 8,
    SynSent2 = 9,
}

/// <summary>The connection tracking of one network namespace, by ctnetlink (linux/netfilter/nfnetlink_conntrack.h).</summary>
/// <remarks>Safe for concurrent callers: requests are sent one after the other.</remarks>
public sealed class ConntrackNetlink : IDisposable
{
    private readonly NetlinkSocket _socket;

    private ConntrackNetlink(NetlinkSocket socket) => _socket = socket;

    /// <param name="networkNamespace">Null: the calling thread's. The socket stays in it, whichever thread uses it.</param>
    public static ConntrackNetlink Open(NetworkNamespace? networkNamespace) => new(NetlinkSocket.Open(NetlinkProtocol.Netfilter, networkNamespace));

    public void Dispose() => _socket.Dispose();

    /// <summary>Those in which the client asked for this address. The kernel walks its whole table, and since 5.8 gives only what is meant.</summary>
    public async Task<IReadOnlyList<ConntrackEntry>> ListAsync(IPAddress destination, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var all = await _socket.DumpAsync($"listing connections to {destination}", ConntrackCodec.List(destination), ConntrackCodec.Parse, ct);
        return all.FindAll(entry => entry.Destination.Address.Equals(destination));
    }

    /// <summary>Forgets them; those that are gone already are success.</summary>
    public async Task DeleteAsync(IReadOnlyList<ConntrackEntry> entries, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(entries);
        var results = await _socket.BatchAsync(
            [.. entries.Select(entry => (
                string.Create(CultureInfo.InvariantCulture, $"forgetting the connection from {entry.Source} to {entry.Destination}"),
                (Action<NetlinkRequest, ushort>)((request, flags) => ConntrackCodec.Delete(request, entry, flags))))],
            ct);
        var failed = results.FirstOrDefault(result => result is not null && result.Errno != Errno.ENOENT);
        if (failed is not null) throw failed;
    }
}
