using System.Net;
using FlannelFlow.Linux.Interop;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.LoadBalancing;

/// <summary>
/// A device per network that carries its VIPs, each a /32, so that they are addresses of this host: what is sent to one is delivered here.
/// The device's alias names the frame it is of, so that the kernel alone tells what is ours.
/// </summary>
internal sealed class VipDevices(RouteNetlink netlink)
{
    private const string AliasPrefix = "flannelflow vips ";

    internal sealed record VipDevice(NetworkFrame Frame, int Index, IReadOnlySet<IPAddress> Vips);

    public async Task<IReadOnlyList<VipDevice>> ReadAsync(CancellationToken ct)
    {
        var frames = (await netlink.ListLinksAsync(ct)).Select(link => (link.Index, Frame: FrameOf(link))).Where(l => l.Frame is not null).ToList();
        if (frames.Count == 0) return [];
        var addresses = (await netlink.ListAddressesAsync(null, ct)).ToLookup(a => a.InterfaceIndex, a => a.Address);
        return [.. frames.Select(l => new VipDevice(l.Frame!, l.Index, addresses[l.Index].ToHashSet()))];
    }

    /// <summary>Where the kernel has no dummy devices, a bridge without ports does the same: addresses of one that is up are the host's.</summary>
    /// <returns>Its index, and whether it was made or changed.</returns>
    public async Task<(int Index, bool Changed)> EnsureAsync(NetworkFrame frame, CancellationToken ct)
    {
        var alias = AliasPrefix + frame.HostSubnet;
        LinkConfig config = new DummyConfig(frame.Device) { Alias = alias, Up = true };
        try
        {
            if (await netlink.FindLinkAsync(frame.Device, ct) is { Kind: "bridge", Alias: { } owner } && owner.StartsWith(AliasPrefix, StringComparison.Ordinal))
                config = new BridgeConfig(frame.Device) { Alias = alias, Up = true };
            var ensured = await netlink.EnsureLinkAsync(config, ct);
            return (ensured.Link.Index, ensured.Outcome != EnsureOutcome.Kept);
        }
        catch (NetlinkException e) when (e.Errno == Errno.EOPNOTSUPP && config is DummyConfig)
        {
            var ensured = await netlink.EnsureLinkAsync(new BridgeConfig(frame.Device) { Alias = alias, Up = true }, ct);
            return (ensured.Link.Index, true);
        }
    }

    public async Task<VipDevice?> FindAsync(string device, CancellationToken ct)
    {
        if (await netlink.FindLinkAsync(device, ct) is not { } link || FrameOf(link) is not { } frame) return null;
        var addresses = await netlink.ListAddressesAsync(link.Index, ct);
        return new VipDevice(frame, link.Index, addresses.Select(a => a.Address).ToHashSet());
    }

    public Task AddAsync(int index, IEnumerable<IPAddress> vips, CancellationToken ct) =>
        ApplyAsync(vips.Select(vip => new RouteNetlinkChange.EnsureAddress(new InterfaceAddress(index, vip, 32))), ct);

    public Task DeleteAsync(int index, IEnumerable<IPAddress> vips, CancellationToken ct) =>
        ApplyAsync(vips.Select(vip => new RouteNetlinkChange.DeleteAddress(new InterfaceAddress(index, vip, 32))), ct);

    /// <returns>False if there was none.</returns>
    public Task<bool> RemoveAsync(string device, CancellationToken ct) => netlink.DeleteLinkAsync(device, ct);

    private async Task ApplyAsync(IEnumerable<RouteNetlinkChange> changes, CancellationToken ct)
    {
        var failed = (await netlink.ApplyAsync([.. changes], ct)).FirstOrDefault(result => result is not null);
        if (failed is not null) throw failed;
    }

    private static NetworkFrame? FrameOf(Link link) =>
        link.Alias is { } alias && alias.StartsWith(AliasPrefix, StringComparison.Ordinal) && IPv4Prefix.TryParse(alias[AliasPrefix.Length..], out var subnet)
            ? new NetworkFrame(link.Name, subnet) : null;
}
