using System.Globalization;
using FlannelFlow.Linux;
using FlannelFlow.Linux.LoadBalancing;

namespace FlannelFlow.Host.Doctor;

/// <param name="Wanted">LOAD_BALANCER; null: auto.</param>
/// <param name="IsOwnFlanneld">Not flannel-io's.</param>
/// <param name="Settings">By path under /proc/sys; null: there is no such setting.</param>
/// <param name="WantedIpvs">The load balancer's settings as the daemon makes them.</param>
public sealed record KernelFacts(
    Asked<KernelFeatures> Features,
    LoadBalancerPlane? Wanted,
    bool IsOwnFlanneld,
    IReadOnlyDictionary<string, string?> Settings,
    IReadOnlyList<(string Path, string Value)> WantedIpvs);

/// <summary>The kernel and its settings. Pure.</summary>
public static class KernelChecks
{
    public const string Forwarding = "net/ipv4/ip_forward";
    public const string BridgeNetfilter = "net/bridge/bridge-nf-call-iptables";
    public const string ConntrackCount = "net/netfilter/nf_conntrack_count";
    public const string ConntrackMax = "net/netfilter/nf_conntrack_max";

    /// <summary>All that is read beside the load balancer's.</summary>
    public static IReadOnlyList<string> SettingPaths { get; } = [Forwarding, BridgeNetfilter, ConntrackCount, ConntrackMax];

    public static IEnumerable<Finding> Of(KernelFacts facts)
    {
        ArgumentNullException.ThrowIfNull(facts);
        var plane = facts.Wanted;
        if (facts.Features.Answer is { } features)
        {
            plane ??= features.HasIpvs ? LoadBalancerPlane.Ipvs : LoadBalancerPlane.Nftables;
            foreach (var finding in OfFeatures(features, facts.Wanted)) yield return finding;
        }
        else
        {
            yield return Finding.Problem("kernel", $"what it can could not be tried: {facts.Features.Trouble}", "run flannelflow doctor as root");
        }

        foreach (var finding in OfSettings(facts, plane)) yield return finding;
    }

    private static IEnumerable<Finding> OfFeatures(KernelFeatures features, LoadBalancerPlane? wanted)
    {
        // A bridge without ports takes the place of a dummy (VipDevices).
        var missing = features.Devices.Where(device => device.Value is not null && device.Key != "dummy").ToList();
        foreach (var (kind, trouble) in missing)
            yield return Finding.Problem("kernel", $"it makes no {kind} device: {trouble}", $"load the module: modprobe {kind}; a kernel without it cannot carry FlannelFlow's networks");
        if (missing.Count == 0)
        {
            var made = string.Join(", ", features.Devices.Where(device => device.Value is null).Select(device => device.Key));
            yield return Finding.Ok("kernel", $"it makes {made} devices{(features.Devices.GetValueOrDefault("dummy") is null ? "" : "; VIPs lie on a bridge, as it makes no dummy")}");
        }

        yield return (features.Nftables, features.Iptables) switch
        {
            (null, null) => Finding.Ok("firewall", "nft and iptables reach the kernel"),
            (null, { } trouble) => Finding.Problem("firewall", $"iptables does not: {trouble}", "install iptables (Debian: apt-get install iptables); Docker needs it, too"),
            ({ } trouble, null) => Finding.Warning(
                "firewall", $"iptables reaches the kernel, nft does not: {trouble}", "install nftables, for a kernel with nf_tables; without it, isolation and marks are made by iptables"),
            ({ } nft, { } iptables) => Finding.Problem(
                "firewall", $"neither nft nor iptables reaches the kernel: {nft}; {iptables}", "install iptables and nftables, and run flannelflow doctor as root"),
        };

        yield return (wanted, features.HasIpvs, features.Nftables) switch
        {
            (LoadBalancerPlane.Ipvs, false, _) => Finding.Problem(
                "load balancer", "LOAD_BALANCER=ipvs, and this kernel has no IPVS: the daemon does not start", "modprobe ip_vs, or LOAD_BALANCER=auto"),
            (LoadBalancerPlane.Nftables or null, false, { } trouble) => Finding.Problem(
                "load balancer", $"this kernel has no IPVS, and nft does not work: {trouble}", "modprobe ip_vs, or install nftables for a kernel with nf_tables"),
            (LoadBalancerPlane.Nftables, true, { } trouble) => Finding.Problem(
                "load balancer", $"LOAD_BALANCER=nftables, and nft does not work: {trouble}", "install nftables for a kernel with nf_tables, or LOAD_BALANCER=auto"),
            (null, true, _) => Finding.Ok("load balancer", "ipvs, as this kernel has it"),
            (null, false, null) => Finding.Ok("load balancer", "nftables, as this kernel has no IPVS (module ip_vs)"),
            (LoadBalancerPlane.Ipvs, true, _) => Finding.Ok("load balancer", "ipvs, as configured"),
            (LoadBalancerPlane.Nftables, _, null) => Finding.Ok("load balancer", "nftables, as configured"),
            _ => throw new ArgumentOutOfRangeException(nameof(wanted), wanted, "no such plane"),
        };

        // Nobody needs it who has no such network.
        yield return Finding.Ok(
            "encryption", features.Encryption is { } lack ? $"docker network create --opt encrypted is refused here: {lack}" : "this kernel has what --opt encrypted needs");
    }

    private static IEnumerable<Finding> OfSettings(KernelFacts facts, LoadBalancerPlane? plane)
    {
        yield return facts.Settings[Forwarding] == "1"
            ? Finding.Ok("sysctl", "net.ipv4.ip_forward = 1")
            : Finding.Warning("sysctl", $"net.ipv4.ip_forward = {facts.Settings[Forwarding]}: nothing passes between containers of two hosts",
                "dockerd turns it on when it starts, FlannelFlow with a host's first network: see what turns it off (/etc/sysctl.d)");

        yield return facts.Settings[BridgeNetfilter] switch
        {
            null when !facts.IsOwnFlanneld => Finding.Problem("bridge netfilter", "not loaded, and flannel-io's flanneld ends without it", "modprobe br_netfilter"),
            null => Finding.Ok("bridge netfilter", "not loaded; FlannelFlow needs none"),
            var value => Finding.Ok("bridge netfilter", $"net.bridge.bridge-nf-call-iptables = {value}"),
        };

        if (plane == LoadBalancerPlane.Ipvs)
        {
            var differing = facts.WantedIpvs.Where(setting => facts.Settings.GetValueOrDefault(setting.Path) is { } value && value != setting.Value).ToList();
            if (differing.Count > 0)
            {
                yield return Finding.Warning(
                    "sysctl",
                    string.Join(", ", differing.Select(setting => $"{Dotted(setting.Path)} = {facts.Settings[setting.Path]}, not {setting.Value}")),
                    "the daemon sets them when it starts: systemctl restart flannelflow, and see what changes them (/etc/sysctl.d)");
            }
        }

        if (Number(ConntrackCount) is { } count && Number(ConntrackMax) is > 0 and { } max)
        {
            var text = string.Create(CultureInfo.InvariantCulture, $"{count} of {max} connections are tracked");
            yield return count > max * 0.8
                ? Finding.Warning("conntrack", $"{text}: new connections fail when the table is full", $"raise net.netfilter.nf_conntrack_max, to {max * 2} for example")
                : Finding.Ok("conntrack", text);
        }

        double? Number(string path) => double.TryParse(facts.Settings.GetValueOrDefault(path), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
    }

    private static string Dotted(string path) => path.Replace('/', '.');
}
