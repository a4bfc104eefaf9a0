using System.Net;
using FlannelFlow.Linux.Interop;
using FlannelFlow.Linux.Namespaces;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Ipsec;

/// <summary>Whether this kernel can encrypt what goes between hosts, found by doing it in a network namespace of its own, which ends with it.</summary>
public static class IpsecTrial
{
    /// <returns>Null: it can; else what is missing, in words.</returns>
    /// <exception cref="IOException">No network namespace can be made.</exception>
    public static async Task<string?> RunAsync(CancellationToken ct)
    {
        using var own = NetworkNamespace.Create();
        try
        {
            using var xfrm = XfrmNetlink.Open(own);
            var association = new Association(IPAddress.Parse("192.0.2.1"), IPAddress.Parse("192.0.2.2"), 0x1000);
            var results = await xfrm.ApplyAsync(
                [
                    new IpsecChange.SetPolicy(IpsecPolicy.DropOutgoing(8473)),
                    new IpsecChange.AddAssociation(association, new IpsecKey(new byte[IpsecKey.Size])),
                ],
                ct);
            return results.FirstOrDefault(result => result is not null) is { } failed ? Explain(failed) : null;
        }
        catch (NetlinkException e)
        {
            return Explain(e);
        }
    }

    /// <summary>What the errors of xfrm_state_construct mean (net/xfrm/xfrm_user.c); older kernels give the number only.</summary>
    private static string Explain(NetlinkException failed) => (failed.Act, failed.Errno) switch
    {
        ("opening NETLINK_XFRM", _) => $"this kernel has no IPsec (module xfrm_user, CONFIG_XFRM_USER): {failed.Message}",
        (_, Errno.EPROTONOSUPPORT) => $"this kernel has no ESP (module esp4, CONFIG_INET_ESP): {failed.Message}",
        (_, Errno.ENOSYS or Errno.ENOENT) => $"this kernel has no AES-GCM for ESP (modules esp4, gcm, seqiv): {failed.Message}",
        _ => failed.Message,
    };
}
