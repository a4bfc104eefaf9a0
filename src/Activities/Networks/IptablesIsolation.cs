using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Linux.Firewall;

namespace FlannelFlow.Activities.Networks;

/// <summary>
/// The drops of <see cref="ForwardingRules"/> for a kernel that has no nftables (family inet), by iptables: in chains of our own in the table
/// mangle, which comes before filter in both hooks, so that a drop is final here too. iptables cannot ask of which kind a device is: VXLAN from
/// containers is known by the names that Docker and we give to bridges.
/// </summary>
public sealed class IptablesIsolation(Iptables iptables)
{
    private const string Table = "mangle";
    private const string ForwardChain = "FLANNELFLOW-FWD";
    private const string InputChain = "FLANNELFLOW-IN";
    private const string VxlanChain = "FLANNELFLOW-VXLAN";

    private static readonly string[] Chains = [ForwardChain, InputChain, VxlanChain];
    private static readonly string[] Jumps =
    [
        $"FORWARD -j {ForwardChain}", $"INPUT -j {InputChain}",
        .. ((string[])["FORWARD", "INPUT"]).Select(chain => $"{chain} -p udp -m udp --dport {ForwardingRules.VxlanPort} -j {VxlanChain}"),
    ];
    private static readonly string[] ForgedDrops =
        [.. ((string[])["docker+", "br-+", $"{NetworkDevices.BridgePrefix}+", $"{NetworkDevices.VxlanPrefix}+"]).Select(devices => $"{VxlanChain} -i {devices} -j DROP")];

    public async Task EnsureAsync(int vni, IPv4Network pool, string? underlay, CancellationToken ct)
    {
        var found = await ListAsync(ct);
        // A line ":CHAIN" would empty a chain that is there.
        var chains = Chains.Where(chain => !found.Contains($"-N {chain}")).Select(chain => $":{chain} - [0:0]");
        // What may pass stands before all drops.
        var rules = All(vni, pool, underlay).Where(rule => !found.Contains($"-A {rule}")).Select(rule => $"{(rule.EndsWith("RETURN", StringComparison.Ordinal) ? "-I" : "-A")} {rule}");
        var jumps = Jumps.Where(jump => !found.Contains($"-A {jump}")).Select(jump => $"-I {jump}");
        List<string> lines = [.. chains, .. rules, .. jumps];
        if (lines.Count > 0) await iptables.RestoreAsync($"*{Table}\n{string.Join('\n', lines)}\nCOMMIT\n", ct);
    }

    /// <summary>Whether all of the network's rules are there.</summary>
    public async Task<bool> HoldsAsync(int vni, IPv4Network pool, string? underlay, CancellationToken ct)
    {
        var found = await ListAsync(ct);
        return All(vni, pool, underlay).Concat(Jumps).All(rule => found.Contains($"-A {rule}"));
    }

    public async Task RemoveAsync(int vni, IPv4Network pool, bool isLast, CancellationToken ct)
    {
        var found = await ListAsync(ct);
        if (found.Count == 0) return;
        var ours = Rules(vni, pool).Select(rule => $"-A {rule}").ToHashSet(StringComparer.Ordinal);
        // Of two networks that leave at one moment, each still sees the other on this host: the rules say who was the last.
        if (isLast || found.Where(line => line.Split(' ') is ["-A", ForwardChain or InputChain, ..]).All(ours.Contains))
        {
            var jumps = Jumps.Where(jump => found.Contains($"-A {jump}")).Select(jump => $"-D {jump}");
            var chains = Chains.Where(chain => found.Contains($"-N {chain}")).ToList();
            List<string> all = [.. jumps, .. chains.Select(chain => $"-F {chain}"), .. chains.Select(chain => $"-X {chain}")];
            await iptables.RestoreAsync($"*{Table}\n{string.Join('\n', all)}\nCOMMIT\n", ct);
            return;
        }

        var lines = found.Where(ours.Contains).Select(line => $"-D{line[2..]}").ToList();
        if (lines.Count > 0) await iptables.RestoreAsync($"*{Table}\n{string.Join('\n', lines)}\nCOMMIT\n", ct);
    }

    private async Task<HashSet<string>> ListAsync(CancellationToken ct) =>
        [.. (await iptables.ListAsync(Table, null, ct))
            .Where(line => line.Split(' ') is [_, ForwardChain or InputChain or VxlanChain, ..] || Jumps.Contains(line[3..]))];

    /// <summary>The network's, and those of all: an underlay that is not used any more stays until the last network goes, as others may have it.</summary>
    private static IEnumerable<string> All(int vni, IPv4Network pool, string? underlay) =>
        [.. Rules(vni, pool), .. underlay is null ? (string[])[] : [$"{VxlanChain} -i {underlay} -j RETURN"], .. ForgedDrops];

    /// <summary>As <c>iptables -S</c> writes them.</summary>
    private static IEnumerable<string> Rules(int vni, IPv4Network pool)
    {
        string[] devices = [NetworkDevices.Bridge(vni), NetworkDevices.Vxlan(vni)];
        return
        [
            .. ForwardingRules.Paths(vni).Select(path => $"{ForwardChain} -i {path.In} -o {path.Out} -j RETURN"),
            .. devices.Select(device => $"{ForwardChain} -i {device} -j DROP"),
            .. devices.Select(device => $"{ForwardChain} -o {device} -j DROP"),
            .. devices.Append("lo").Select(device => $"{InputChain} -d {pool} -i {device} -j RETURN"),
            $"{InputChain} -d {pool} -j DROP",
        ];
    }
}
