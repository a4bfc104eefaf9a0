using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.LoadBalancing;

/// <summary>In chains of our own: one rule per VIP and protocol, which is slow with very many VIPs. Each change of a table is one transaction.</summary>
/// <remarks>
/// mangle: <c>FLANNELFLOW-LB</c>, from PREROUTING and OUTPUT, sets marks. nat: <c>FLANNELFLOW-LB</c>, from POSTROUTING, sends each VIP's
/// connections to <c>FLANNELFLOW-SNAT</c>. raw: takes our marks off what the host sends, as <see cref="NftBalancingRules"/> says why. In
/// mangle, a changed mark would have each packet routed anew.
/// </remarks>
internal sealed partial class IptablesBalancingRules : IBalancingRules
{
    private const string Chain = "FLANNELFLOW-LB", SourceChain = "FLANNELFLOW-SNAT";

    private static readonly IptablesRule[] Frame =
    [
        new("mangle", "PREROUTING", "-j", Chain),
        new("mangle", "OUTPUT", "-j", Chain),
        new("nat", "POSTROUTING", "-j", Chain),
        new("raw", "OUTPUT", "-m", "mark", "--mark", $"{FwMarkPair.OursText}/{FwMarkPair.OursMaskText}", "-j", "MARK", "--set-xmark", "0x0/0xffffffff"),
    ];

    private readonly Iptables _iptables;

    private IptablesBalancingRules(Iptables iptables) => _iptables = iptables;

    public string Kind => "iptables";

    /// <summary>Makes the chains and the ways into them; rules that are there stay.</summary>
    /// <exception cref="CommandException">There is no iptables, or the kernel has no NAT.</exception>
    public static async Task<IptablesBalancingRules> OpenAsync(CommandRunner runner, CancellationToken ct)
    {
        var iptables = new Iptables(runner);
        // A line ":CHAIN" would empty a chain that is there.
        if (!await HasChainAsync(iptables, "mangle", Chain, ct)) await iptables.RestoreAsync($"*mangle\n:{Chain} - [0:0]\nCOMMIT\n", ct);
        if (!await HasChainAsync(iptables, "nat", SourceChain, ct))
            await iptables.RestoreAsync($"*nat\n:{SourceChain} - [0:0]\n-A {SourceChain} -m addrtype --src-type LOCAL -j MASQUERADE\nCOMMIT\n", ct);
        if (!await HasChainAsync(iptables, "nat", Chain, ct)) await iptables.RestoreAsync($"*nat\n:{Chain} - [0:0]\nCOMMIT\n", ct);
        foreach (var rule in Frame) await iptables.EnsureRuleAsync(rule, ct);
        return new IptablesBalancingRules(iptables);
    }

    public async Task<HashSet<BalancingRule>> ReadAsync(CancellationToken ct)
    {
        var rules = new HashSet<BalancingRule>();
        foreach (var line in await _iptables.ListAsync("mangle", Chain, ct))
        {
            if (MarkLine().Match(line) is { Success: true } match)
            {
                rules.Add(new BalancingRule.Mark(
                    IPAddress.Parse(match.Groups[1].Value), match.Groups[2].Value == "tcp" ? TransportProtocol.Tcp : TransportProtocol.Udp,
                    uint.Parse(match.Groups[3].ValueSpan, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)));
            }
        }

        foreach (var line in await _iptables.ListAsync("nat", null, ct))
        {
            if (VipLine().Match(line) is { Success: true } vip) rules.Add(new BalancingRule.Source(IPAddress.Parse(vip.Groups[1].Value)));
            if (NearLine().Match(line) is { Success: true } near) rules.Add(new BalancingRule.Near(IPv4Prefix.Parse(near.Groups[1].Value)));
        }

        return rules;
    }

    public async Task ApplyAsync(IReadOnlyCollection<BalancingRule> removed, IReadOnlyCollection<BalancingRule> added, CancellationToken ct)
    {
        foreach (var table in (string[])["nat", "mangle"])
        {
            // New rules first in their chain, then the old ones go: a mark that changes has the new value from the COMMIT on.
            List<string> lines = [.. Lines("-I", table, added), .. Lines("-D", table, removed)];
            if (lines.Count > 0) await _iptables.RestoreAsync($"*{table}\n{string.Join('\n', lines)}\nCOMMIT\n", ct);
        }
    }

    public Task ClearAsync(CancellationToken ct) => ClearAsync(_iptables, ct);

    /// <summary>Also where they were not opened, and are not there.</summary>
    public static async Task ClearAsync(Iptables iptables, CancellationToken ct)
    {
        foreach (var rule in Frame) await iptables.DeleteRuleAsync(rule, ct);
        await iptables.DeleteChainAsync("mangle", Chain, ct);
        await iptables.DeleteChainAsync("nat", Chain, ct);
        await iptables.DeleteChainAsync("nat", SourceChain, ct);
    }

    private static async Task<bool> HasChainAsync(Iptables iptables, string table, string chain, CancellationToken ct) =>
        (await iptables.ListAsync(table, chain, ct)).Count > 0;

    private static IEnumerable<string> Lines(string act, string table, IEnumerable<BalancingRule> rules) =>
        rules.Where(rule => rule is BalancingRule.Mark == (table == "mangle")).Select(rule => $"{act} {Line(rule)}");

    private static string Line(BalancingRule rule) => rule switch
    {
        BalancingRule.Mark mark => string.Create(
            CultureInfo.InvariantCulture, $"{Chain} -d {mark.Vip}/32 -p {NftJson.Name(mark.Protocol)} -j MARK --set-xmark 0x{mark.Value:x}/0xffffffff"),
        BalancingRule.Source source => $"{Chain} -m conntrack --ctorigdst {source.Vip} -j {SourceChain}",
        BalancingRule.Near near => $"{SourceChain} -s {near.Subnet} -d {near.Subnet} -j MASQUERADE",
        _ => throw new ArgumentException($"no such rule: {rule}", nameof(rule)),
    };

    [GeneratedRegex("^-A FLANNELFLOW-LB -d ([0-9.]+)/32 -p (tcp|udp) -j MARK --set-xmark 0x([0-9a-f]+)/0xffffffff$")]
    private static partial Regex MarkLine();

    [GeneratedRegex("^-A FLANNELFLOW-LB -m conntrack --ctorigdst ([0-9.]+)(?:/32)? -j FLANNELFLOW-SNAT$")]
    private static partial Regex VipLine();

    [GeneratedRegex(@"^-A FLANNELFLOW-SNAT -s ([0-9./]+) -d \1 -j MASQUERADE$")]
    private static partial Regex NearLine();
}
