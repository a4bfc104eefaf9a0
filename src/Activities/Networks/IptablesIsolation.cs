using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Linux.Firewall;

namespace FlannelFlow.Activities.Networks;

/// <summary>
/// The drops of <see cref="ForwardingRules"/> for a kernel that has no nftables (family inet), by iptables: in chains of our own in the table
/// mangle, which comes before filter in both hooks, so that a drop is final here too.
/// </summary>
public sealed class IptablesIsolation(Iptables iptables)
{
    private const string Table = "mangle";
    private const string ForwardChain = "FLANNELFLOW-FWD";
    private const string InputChain = "FLANNELFLOW-IN";

    private static readonly IptablesRule[] Jumps = [new(Table, "FORWARD", "-j", ForwardChain), new(Table, "INPUT", "-j", InputChain)];

    public async Task EnsureAsync(int vni, IPv4Network pool, CancellationToken ct)
    {
        var found = await ListAsync(ct);
        // A line ":CHAIN" would empty a chain that is there.
        var chains = ((string[])[ForwardChain, InputChain]).Where(chain => !found.Contains($"-N {chain}")).Select(chain => $":{chain} - [0:0]");
        // What may pass stands before all drops.
        var rules = Rules(vni, pool).Where(rule => !found.Contains($"-A {rule}")).Select(rule => $"{(rule.EndsWith("RETURN", StringComparison.Ordinal) ? "-I" : "-A")} {rule}");
        List<string> lines = [.. chains, .. rules];
        if (lines.Count > 0) await iptables.RestoreAsync($"*{Table}\n{string.Join('\n', lines)}\nCOMMIT\n", ct);
        foreach (var jump in Jumps) await iptables.EnsureRuleAsync(jump, ct);
    }

    public async Task RemoveAsync(int vni, IPv4Network pool, bool isLast, CancellationToken ct)
    {
        var found = await ListAsync(ct);
        if (found.Count == 0) return;
        if (isLast)
        {
            foreach (var jump in Jumps) await iptables.DeleteRuleAsync(jump, ct);
            await iptables.DeleteChainAsync(Table, ForwardChain, ct);
            await iptables.DeleteChainAsync(Table, InputChain, ct);
            return;
        }

        var lines = Rules(vni, pool).Where(rule => found.Contains($"-A {rule}")).Select(rule => $"-D {rule}").ToList();
        if (lines.Count > 0) await iptables.RestoreAsync($"*{Table}\n{string.Join('\n', lines)}\nCOMMIT\n", ct);
    }

    private async Task<HashSet<string>> ListAsync(CancellationToken ct) =>
        [.. (await iptables.ListAsync(Table, null, ct)).Where(line => line.Split(' ') is [_, ForwardChain or InputChain, ..])];

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
