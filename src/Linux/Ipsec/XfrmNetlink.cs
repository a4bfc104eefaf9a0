using FlannelFlow.Linux.Interop;
using FlannelFlow.Linux.Namespaces;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Ipsec;

/// <summary>Our IPsec associations and policies in one network namespace. Those of others are left out of sight.</summary>
/// <remarks>
/// By netlink, not by ip(8), whose command line, with the keys in it, every user of the host can read. Safe for concurrent callers: requests are sent
/// one after the other. A request once sent is not cancelled.
/// </remarks>
public sealed class XfrmNetlink : IDisposable
{
    private readonly NetlinkSocket _socket;

    private XfrmNetlink(NetlinkSocket socket) => _socket = socket;

    /// <summary>Makes the kernel load xfrm_user, where it has it as a module.</summary>
    /// <param name="networkNamespace">Null: the calling thread's. The socket stays in it, whichever thread uses it.</param>
    /// <exception cref="NetlinkException">This kernel has no IPsec, or tells nobody of it (xfrm_user).</exception>
    public static XfrmNetlink Open(NetworkNamespace? networkNamespace)
    {
        try
        {
            return new XfrmNetlink(NetlinkSocket.Open(NetlinkProtocol.Xfrm, networkNamespace));
        }
        catch (IOException e)
        {
            throw new NetlinkException("opening NETLINK_XFRM", Errno.EPROTONOSUPPORT, e.Message);
        }
    }

    public void Dispose() => _socket.Dispose();

    /// <summary>All of ours goes from this host; a kernel without IPsec has none.</summary>
    public static async Task ClearHostAsync(CancellationToken ct)
    {
        XfrmNetlink opened;
        try
        {
            opened = Open(networkNamespace: null);
        }
        catch (NetlinkException)
        {
            return;
        }

        using (opened) await opened.ClearAsync(ct);
    }

    public async Task<IReadOnlyList<InstalledAssociation>> ListAssociationsAsync(CancellationToken ct) =>
        await _socket.DumpAsync("listing IPsec associations", XfrmCodec.ListAssociations(), XfrmCodec.ParseAssociation, ct);

    public async Task<IReadOnlyList<IpsecPolicy>> ListPoliciesAsync(CancellationToken ct) =>
        await _socket.DumpAsync("listing IPsec policies", XfrmCodec.ListPolicies(), XfrmCodec.ParsePolicy, ct);

    /// <summary>
    /// Many changes in few system calls, in this order, each for itself: one that fails keeps none of the others from being made. One result per change,
    /// in order: null is success.
    /// </summary>
    public async Task<IReadOnlyList<NetlinkException?>> ApplyAsync(IReadOnlyList<IpsecChange> changes, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(changes);
        var results = await _socket.BatchAsync(
            [.. changes.Select(change => (change.Act, (Action<NetlinkRequest, ushort>)((request, flags) => XfrmCodec.Write(request, change, flags))))],
            ct);
        for (var i = 0; i < results.Length; i++)
        {
            if (results[i] is { Errno: Errno.ESRCH or Errno.ENOENT } && changes[i] is IpsecChange.DeleteAssociation or IpsecChange.DeletePolicy) results[i] = null;
        }

        return results;
    }

    /// <summary>All of ours goes.</summary>
    public async Task ClearAsync(CancellationToken ct)
    {
        // The guards last: what is sent meanwhile is dropped, not sent in clear.
        var policies = (await ListPoliciesAsync(ct)).OrderBy(policy => policy.Priority).Select(policy => new IpsecChange.DeletePolicy(policy));
        var associations = (await ListAssociationsAsync(ct)).Select(installed => new IpsecChange.DeleteAssociation(installed.Association));
        var results = await ApplyAsync([.. policies, .. associations], ct);
        if (results.FirstOrDefault(result => result is not null) is { } failed) throw failed;
    }
}
