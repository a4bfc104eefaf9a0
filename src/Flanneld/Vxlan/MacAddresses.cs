using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Flanneld.Vxlan;

internal static class MacAddresses
{
    /// <summary>Fit for one VTEP: neither zero (vxlan's "everybody else") nor a group address (bit 0 of the first byte).</summary>
    public static bool IsUnicast(this MacAddress mac) => !mac.IsZero && (mac.ToBytes()[0] & 1) == 0;
}
