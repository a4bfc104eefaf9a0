using System.Text.Json.Nodes;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Linux.Firewall;

namespace FlannelFlow.Activities.Networks;

/// <summary>
/// What a network's packets may do on this host: pass between its bridge and its VXLAN device, and within the bridge; and only what comes in
/// by one of these, or from the host itself, reaches the host's own addresses in the network. And no container sends VXLAN: whoever takes that, takes
/// the frame in it for another host's, of whichever network it says.
/// </summary>
/// <remarks>
/// The drops stand in our own table <c>inet flannelflow</c>, at a priority before the filter table of any iptables (docs/decisions/0005): a
/// drop there is final. The accepts stand in DOCKER-USER, since a policy DROP of Docker's FORWARD chain would drop what our table lets
/// pass. Each nftables change is one transaction. The table goes with its last network; a lock keeps that and an arriving network apart.
/// Where the kernel has no nftables, <see cref="IptablesIsolation"/> drops.
/// </remarks>
public sealed class ForwardingRules(NftTable nft, Iptables iptables) : IDisposable
{
    public const string Family = "inet";
    public const string Table = "flannelflow";
    private const string Own = $"{Family} {Table}";
    private const string AcceptChain = "DOCKER-USER";
    private const string ForwardChain = "FORWARD";

    /// <summary>UDP, of clear networks: flannel's on Linux.</summary>
    public const int VxlanPort = 8472;

    /// <summary>What comes in by the bridge of a container network, whoever's it is, or out of another host's container; but underlays may be such devices, too.</summary>
    private static readonly string DropForged =
        $"udp dport {VxlanPort} iifname != @underlays meta iifkind {{ \"bridge\", \"vxlan\" }} counter drop";

    private static readonly string[] EmptyTable =
    [
        $"add table {Own}",
        $"add set {Own} fabric_devices {{ type ifname; }}",
        $"add set {Own} fabric_paths {{ type ifname . ifname; }}",
        $"add set {Own} fabric_pools {{ type ipv4_addr; flags interval; }}",
        $"add set {Own} fabric_homes {{ type ipv4_addr . ifname; flags interval; }}",
        $"add set {Own} underlays {{ type ifname; }}",
    ];

    private readonly IptablesIsolation _withoutNftables = new(iptables);
    private readonly SemaphoreSlim _gate = new(1, 1);

    /// <param name="underlay">The interface that the network's VXLAN device sends by; null: it has none now.</param>
    public async Task EnsureAsync(int vni, IPv4Network pool, string? underlay, CancellationToken ct)
    {
        await _gate.WaitAsync(ct);
        try
        {
            if (!await TryNftablesAsync(() => EnsureDropsAsync(vni, pool, underlay, ct))) await _withoutNftables.EnsureAsync(vni, pool, underlay, ct);
            var filter = await iptables.ListAsync("filter", chain: null, ct);
            var chains = AcceptChains(filter).ToList();
            await iptables.EnsureRulesAsync("filter", filter, chains.SelectMany(chain => Accepts(chain, vni)), ct);
            await iptables.DeleteRulesAsync("filter", filter, OtherChains(chains).SelectMany(chain => Accepts(chain, vni)), ct);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <returns>False if this kernel has no nftables.</returns>
    private static async Task<bool> TryNftablesAsync(Func<Task> act)
    {
        try
        {
            await act();
            return true;
        }
        catch (CommandException e) when (e.IsUnsupported)
        {
            return false;
        }
    }

    private Task EnsureDropsAsync(int vni, IPv4Network pool, string? underlay, CancellationToken ct) =>
        // "add" of what is there already is success in nft; only rules would double, so they are flushed and set in the same transaction.
        nft.ApplyAsync(
            [
                .. EmptyTable,
                $"add chain {Own} isolation {{ type filter hook forward priority -10; policy accept; }}",
                $"flush chain {Own} isolation",
                $"add rule {Own} isolation {DropForged}",
                $"add rule {Own} isolation iifname . oifname @fabric_paths accept",
                $"add rule {Own} isolation iifname @fabric_devices counter drop",
                $"add rule {Own} isolation oifname @fabric_devices counter drop",
                $"add chain {Own} local {{ type filter hook input priority -10; policy accept; }}",
                $"flush chain {Own} local",
                $"add rule {Own} local {DropForged}",
                $"add rule {Own} local ip daddr . iifname @fabric_homes accept",
                $"add rule {Own} local ip daddr @fabric_pools counter drop",
                .. Elements(vni, pool).Select(elements => $"add element {elements}"),
                // One that is not used any more stays until the table goes: others may have it.
                .. underlay is null ? (string[])[] : [$"add element {Own} underlays {{ {Quoted(underlay)} }}"],
            ],
            ct);

    /// <param name="isLast">Whether no other network is on this host, so that the table goes too; asked under the lock.</param>
    public async Task RemoveAsync(int vni, IPv4Network pool, Func<bool> isLast, CancellationToken ct)
    {
        await _gate.WaitAsync(ct);
        try
        {
            var last = isLast();
            await TryNftablesAsync(() => RemoveDropsAsync(vni, pool, last, ct));
            await _withoutNftables.RemoveAsync(vni, pool, last, ct);
            var filter = await iptables.ListAsync("filter", chain: null, ct);
            await iptables.DeleteRulesAsync("filter", filter, OtherChains([]).SelectMany(chain => Accepts(chain, vni)), ct);
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task RemoveDropsAsync(int vni, IPv4Network pool, bool isLast, CancellationToken ct)
    {
        if (!isLast)
        {
            // Each thing is added before it is deleted: nft 1.0 has no "destroy", and deleting what is not there fails the transaction.
            await nft.ApplyAsync(
                [
                    .. EmptyTable,
                    .. Elements(vni, pool).Select(elements => $"add element {elements}"),
                    .. Elements(vni, pool).Select(elements => $"delete element {elements}"),
                ],
                ct);
        }

        // Of two networks that leave at one moment, each still sees the other on this host: the rules say who was the last.
        if (isLast || await HasNoPoolAsync(ct)) await nft.DeleteAsync(ct);
    }

    private async Task<bool> HasNoPoolAsync(CancellationToken ct) =>
        await nft.ListJsonAsync(ct) is { } objects
        && objects.Select(item => item?["set"]).FirstOrDefault(set => set?["name"]?.GetValue<string>() == "fabric_pools") is { } pools
        && pools["elem"] is not JsonArray { Count: > 0 };

    /// <summary>Which of these networks' rules are not all there, or stand where they are not needed any more; each with what differs.</summary>
    public async Task<IReadOnlyDictionary<int, string>> FindDifferentAsync(IReadOnlyCollection<(int Vni, IPv4Network Pool, string? Underlay)> networks, CancellationToken ct)
    {
        var different = new Dictionary<int, string>();
        if (networks.Count == 0) return different;
        JsonArray? objects = null;
        await TryNftablesAsync(async () => objects = await nft.ListJsonAsync(ct));
        var filter = await iptables.ListAsync("filter", chain: null, ct);
        var chains = AcceptChains(filter).ToList();
        foreach (var (vni, pool, underlay) in networks)
        {
            // A kernel without nftables may say of each table only that it is not there.
            if (objects is null ? !await _withoutNftables.HoldsAsync(vni, pool, underlay, ct) : !HoldsDrops(objects, vni, pool, underlay)) different[vni] = $"rules of {Own} are not all there";
            else if (chains.SelectMany(chain => Accepts(chain, vni)).Any(rule => !IsThere(rule)))
                different[vni] = $"rules of {string.Join(" and ", chains)} are not all there";
            else if (OtherChains(chains).SelectMany(chain => Accepts(chain, vni)).Any(IsThere))
                different[vni] = $"rules of {string.Join(" and ", OtherChains(chains))} are not needed there any more";
        }

        return different;

        bool IsThere(IptablesRule rule) => filter.Contains($"-A {rule.Chain} {string.Join(' ', rule.Arguments)}");
    }

    /// <summary>By nft's JSON (libnftables-json(5)): all elements of the network, and the rules that use them.</summary>
    private static bool HoldsDrops(JsonArray objects, int vni, IPv4Network pool, string? underlay)
    {
        var sets = objects.Select(item => item?["set"]).OfType<JsonNode>()
            .ToDictionary(set => set["name"]!.GetValue<string>(), set => set["elem"]?.ToJsonString() ?? "", StringComparer.Ordinal);
        var rules = objects.Select(item => item?["rule"]?["chain"]?.GetValue<string>()).OfType<string>().CountBy(chain => chain).ToDictionary();
        string[] devices = [NetworkDevices.Bridge(vni), NetworkDevices.Vxlan(vni)];
        var prefix = new JsonObject { ["prefix"] = new JsonObject { ["addr"] = pool.First.ToString(), ["len"] = pool.Length } }.ToJsonString();
        return rules.GetValueOrDefault("isolation") == 4 && rules.GetValueOrDefault("local") == 3
            && (underlay is null || Holds("underlays", $"\"{underlay}\""))
            && devices.All(device => Holds("fabric_devices", $"\"{device}\""))
            && Paths(vni).All(path => Holds("fabric_paths", $"[\"{path.In}\",\"{path.Out}\"]"))
            && Holds("fabric_pools", prefix)
            && devices.Append("lo").All(device => Holds("fabric_homes", $"[{prefix},\"{device}\"]"));

        bool Holds(string set, string element) => sets.GetValueOrDefault(set, "").Contains(element, StringComparison.Ordinal);
    }

    public void Dispose() => _gate.Dispose();

    /// <summary>
    /// Where the accepts stand. A Docker Engine with the nftables firewall backend (29) has no such chain, and no policy DROP in one that iptables
    /// owns. Where another hand has taken away the jump there (<c>iptables -F</c>), and the policy drops, they stand in FORWARD too: Docker makes its
    /// jump anew only when it starts. So they do while a host boots, before Docker has made its chain.
    /// </summary>
    private static IEnumerable<string> AcceptChains(IReadOnlyList<string> filter)
    {
        var isReached = filter.Contains($"-A {ForwardChain} -j {AcceptChain}");
        if (filter.Contains($"-N {AcceptChain}")) yield return AcceptChain;
        if (!isReached && filter.Contains($"-P {ForwardChain} DROP")) yield return ForwardChain;
    }

    private static IEnumerable<string> OtherChains(IEnumerable<string> chains) => ((string[])[AcceptChain, ForwardChain]).Except(chains, StringComparer.Ordinal);

    private static IEnumerable<string> Elements(int vni, IPv4Network pool)
    {
        string[] devices = [NetworkDevices.Bridge(vni), NetworkDevices.Vxlan(vni)];
        yield return Set("fabric_devices", devices.Select(Quoted));
        yield return Set("fabric_paths", Paths(vni).Select(path => $"{Quoted(path.In)} . {Quoted(path.Out)}"));
        yield return Set("fabric_pools", [pool.ToString()]);
        yield return Set("fabric_homes", devices.Append("lo").Select(device => $"{pool} . {Quoted(device)}"));

        static string Set(string name, IEnumerable<string> elements) => $"{Own} {name} {{ {string.Join(", ", elements)} }}";
    }

    private static string Quoted(string device) => $"\"{device}\"";

    private static IEnumerable<IptablesRule> Accepts(string chain, int vni) => Paths(vni).Select(path => new IptablesRule(
        "filter", chain, "-i", path.In, "-o", path.Out, "-m", "comment", "--comment", Table, "-j", "ACCEPT"));

    internal static IEnumerable<(string In, string Out)> Paths(int vni)
    {
        var (bridge, vxlan) = (NetworkDevices.Bridge(vni), NetworkDevices.Vxlan(vni));
        return [(bridge, bridge), (bridge, vxlan), (vxlan, bridge)];
    }
}
