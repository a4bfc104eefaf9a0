using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.LoadBalancing;

/// <summary>In a table of our own: marks by one hash lookup, however many services there are. Each change is one transaction.</summary>
internal sealed class NftBalancingRules : IBalancingRules
{
    public const string TableName = "flannelflow-ipvs";
    private const string Own = "ip " + TableName;

    /// <summary>
    /// Marks must be set before IPVS looks, on INPUT and OUTPUT. A mark stays on a packet when VXLAN wraps it (skb_scrub_packet, net/core/skbuff.c,
    /// takes it off only between namespaces), and IPVS would take the wrapping packet, on OUTPUT, for one to that service, balance it to a
    /// backend by the same VXLAN device, and so on without end: so what the host sends comes without a mark of ours. Which connections are
    /// balanced is seen by what the client asked for (<c>ct original</c>), since the mark is gone by then.
    /// </summary>
    private static readonly string[] Frame =
    [
        $"add table {Own}",
        $"add map {Own} marks {{ type ipv4_addr . inet_proto : mark; }}",
        $"add set {Own} vips {{ type ipv4_addr; }}",
        $"add set {Own} near {{ type ipv4_addr . ipv4_addr; flags interval; }}",
        $"add chain {Own} arriving {{ type filter hook prerouting priority -150; policy accept; }}",
        $"add chain {Own} local {{ type filter hook output priority -150; policy accept; }}",
        $"add chain {Own} sources {{ type nat hook postrouting priority 99; policy accept; }}",
        $"flush chain {Own} arriving",
        $"flush chain {Own} local",
        $"flush chain {Own} sources",
        $"add rule {Own} arriving meta mark set ip daddr . meta l4proto map @marks",
        $"add rule {Own} local meta mark and {FwMarkPair.OursMaskText} == {FwMarkPair.OursText} meta mark set 0",
        $"add rule {Own} local meta mark set ip daddr . meta l4proto map @marks",
        $"add rule {Own} sources ct original ip daddr @vips ip saddr . ip daddr @near masquerade",
        $"add rule {Own} sources ct original ip daddr @vips fib saddr type local masquerade",
    ];

    private readonly NftTable _table;

    /// <summary>Whether the last reading found the table: another hand may have deleted it.</summary>
    private bool _isThere = true;

    private NftBalancingRules(NftTable table) => _table = table;

    public string Kind => "nftables";

    /// <summary>Makes the table, or mends it; what is in its sets stays.</summary>
    /// <exception cref="CommandException">The kernel lacks a part of nftables, or there is no nft.</exception>
    public static async Task<NftBalancingRules> OpenAsync(CommandRunner runner, CancellationToken ct)
    {
        var rules = new NftBalancingRules(new NftTable(runner, "ip", TableName));
        await rules._table.ApplyAsync(Frame, ct);
        return rules;
    }

    public async Task<HashSet<BalancingRule>> ReadAsync(CancellationToken ct)
    {
        var rules = new HashSet<BalancingRule>();
        var table = await _table.ListJsonAsync(ct);
        _isThere = table is not null;
        foreach (var entry in table ?? [])
        {
            if (entry?["map"] is { } map && Text(map["name"]) == "marks")
            {
                foreach (var pair in NftJson.Elements(map))
                    rules.Add(new BalancingRule.Mark(NftJson.Address(pair?[0]?["concat"]?[0]), NftJson.Protocol(pair?[0]?["concat"]?[1]), NftJson.Number(pair?[1])));
            }
            else if (entry?["set"] is { } set)
            {
                foreach (var element in NftJson.Elements(set))
                {
                    if (Text(set["name"]) == "vips") rules.Add(new BalancingRule.Source(NftJson.Address(element)));
                    if (Text(set["name"]) == "near") rules.Add(new BalancingRule.Near(NftJson.Prefix(element?["concat"]?[0])));
                }
            }
        }

        return rules;

        static string? Text(JsonNode? node) => node?.GetValue<string>();
    }

    public async Task ApplyAsync(IReadOnlyCollection<BalancingRule> removed, IReadOnlyCollection<BalancingRule> added, CancellationToken ct)
    {
        List<string> commands = [.. Commands("delete", removed), .. Commands("add", added)];
        if (commands.Count > 0) await _table.ApplyAsync(_isThere ? commands : [.. Frame, .. commands], ct);
        _isThere = true;
    }

    public Task ClearAsync(CancellationToken ct) => _table.DeleteAsync(ct);

    private static IEnumerable<string> Commands(string act, IReadOnlyCollection<BalancingRule> rules) =>
        from rule in rules
        group Element(rule) by Set(rule) into elements
        select $"{act} element {Own} {elements.Key} {{ {string.Join(", ", elements)} }}";

    private static string Set(BalancingRule rule) => rule switch
    {
        BalancingRule.Mark => "marks",
        BalancingRule.Source => "vips",
        BalancingRule.Near => "near",
        _ => throw new ArgumentException($"no such rule: {rule}", nameof(rule)),
    };

    private static string Element(BalancingRule rule) => rule switch
    {
        BalancingRule.Mark mark => string.Create(CultureInfo.InvariantCulture, $"{mark.Vip} . {NftJson.Name(mark.Protocol)} : 0x{mark.Value:x}"),
        BalancingRule.Source source => source.Vip.ToString(),
        BalancingRule.Near near => $"{near.Subnet} . {near.Subnet}",
        _ => throw new ArgumentException($"no such rule: {rule}", nameof(rule)),
    };
}

/// <summary>Values as libnftables-json(5) writes them.</summary>
internal static class NftJson
{
    public static IEnumerable<JsonNode?> Elements(JsonNode setOrMap) => setOrMap["elem"]?.AsArray() ?? [];

    public static IPAddress Address(JsonNode? node) => IPAddress.Parse(node?.GetValue<string>() ?? throw Malformed(node));

    public static IPv4Prefix Prefix(JsonNode? node) => node switch
    {
        JsonObject when node["prefix"] is { } prefix => new IPv4Prefix(Address(prefix["addr"]), prefix["len"]?.GetValue<int>() ?? throw Malformed(node)),
        _ => IPv4Prefix.Host(Address(node)),
    };

    public static uint Number(JsonNode? node) => node is JsonValue value && value.TryGetValue<uint>(out var number) ? number : throw Malformed(node);

    public static TransportProtocol Protocol(JsonNode? node) => node?.GetValue<string>() switch
    {
        "tcp" => TransportProtocol.Tcp,
        "udp" => TransportProtocol.Udp,
        _ => throw Malformed(node),
    };

    public static string Name(TransportProtocol protocol) => protocol switch
    {
        TransportProtocol.Tcp => "tcp",
        TransportProtocol.Udp => "udp",
    };

    private static InvalidDataException Malformed(JsonNode? node) => new($"nft says '{node?.ToJsonString()}' where something else is expected");
}
