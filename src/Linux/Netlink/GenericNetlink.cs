using FlannelFlow.Linux.Interop;

namespace FlannelFlow.Linux.Netlink;

/// <summary>linux/genetlink.h: families that have no protocol number of their own, but a name.</summary>
internal static class GenericNetlink
{
    public const int Body = 4;   // genlmsghdr: u8 cmd, u8 version, u16 reserved

    private const ushort Controller = 16;              // GENL_ID_CTRL
    private const byte GetFamily = 3, ControllerVersion = 1;
    private const ushort FamilyId = 1, FamilyName = 2; // CTRL_ATTR_*

    public static NetlinkRequest Begin(this NetlinkRequest request, ushort family, ushort flags, byte command, byte version)
    {
        var header = request.Begin(family, (ushort)(NetlinkProtocol.Request | flags), Body);
        header[0] = command;
        header[1] = version;
        return request;
    }

    /// <summary>The message type of a family; null if the kernel has none by that name, nor a module of it that it can load by itself.</summary>
    public static async Task<ushort?> FindFamilyAsync(NetlinkSocket socket, string name, CancellationToken ct)
    {
        var request = new NetlinkRequest().Begin(Controller, NetlinkProtocol.Ack, GetFamily, ControllerVersion).Text(FamilyName, name);
        try
        {
            var found = await socket.RequestAsync($"finding the netlink family {name}", request, ParseFamily, ct);
            return found.Count > 0 ? (ushort)found[0] : null;
        }
        catch (NetlinkException e) when (e.Errno == Errno.ENOENT)
        {
            return null;
        }
    }

    private static object? ParseFamily(ushort type, ReadOnlySpan<byte> payload)
    {
        var attributes = NetlinkAttributes.After(Body, payload);
        while (attributes.TryRead(out var attribute))
        {
            if (attribute.Type == FamilyId) return attribute.UInt16;
        }
        return null;
    }
}
