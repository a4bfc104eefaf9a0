using System.Net;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Ipsec;
using FlannelFlow.Linux.Ipvs;
using FlannelFlow.Linux.Namespaces;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux;

/// <summary>What a kernel can do of what FlannelFlow needs, found by doing it; null: it can, else why not.</summary>
/// <param name="Devices">By kind: vxlan, bridge, veth, dummy.</param>
/// <param name="HasIpvs">ip_vs is there.</param>
/// <param name="Nftables">Whether nft lists the kernel's tables.</param>
/// <param name="Iptables">Whether iptables lists the kernel's rules.</param>
public sealed record KernelFeatures(IReadOnlyDictionary<string, string?> Devices, bool HasIpvs, string? Nftables, string? Iptables)
{
    /// <summary>Whether it encrypts what goes between hosts: <see cref="IpsecTrial"/>.</summary>
    public string? Encryption { get; init; }
}

/// <summary>
/// Makes one device of each kind in a network namespace of its own, which ends with it; the host's own is only read. A kernel loads modules that it has
/// and has not loaded yet, as it would for the daemon.
/// </summary>
public static class KernelTrial
{
    /// <exception cref="IOException">No network namespace can be made.</exception>
    public static async Task<KernelFeatures> RunAsync(CommandRunner runner, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(runner);
        using var own = NetworkNamespace.Create();
        using var netlink = RouteNetlink.OpenIn(own);
        var devices = new SortedDictionary<string, string?>(StringComparer.Ordinal);
        foreach (var (kind, config) in new (string, LinkConfig)[]
        {
            ("bridge", new BridgeConfig("b0")),
            ("dummy", new DummyConfig("d0")),
            ("veth", new VethConfig("v0", "v1")),
        })
            devices[kind] = await TroubleOfAsync(() => netlink.AddLinkAsync(config, ct));
        devices["vxlan"] = await TroubleOfAsync(async () =>
        {
            var underlay = await netlink.GetLinkAsync("lo", ct);
            await netlink.AddLinkAsync(new VxlanConfig("x0", 1, underlay.Index, IPAddress.Loopback), ct);
        });
        using var ipvs = await IpvsNetlink.TryOpenAsync(own, ct);
        return new KernelFeatures(
            devices,
            ipvs is not null,
            await TroubleOfAsync(() => runner.RunCheckedAsync("nft", ["list", "tables"], null, ct)),
            await TroubleOfAsync(() => runner.RunCheckedAsync("iptables", ["-w", "2", "-S"], null, ct)))
        {
            Encryption = await IpsecTrial.RunAsync(ct),
        };
    }

    private static async Task<string?> TroubleOfAsync(Func<Task> act)
    {
        try
        {
            await act();
            return null;
        }
        catch (Exception e) when (e is NetlinkException or CommandException)
        {
            return e.Message;
        }
    }
}
