using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.LoadBalancing;

/// <summary>An element of a set or map of the plane's table; what it says is in words of nft(8).</summary>
internal sealed record NftElement(string Set, string Key, string? Value)
{
    public override string ToString() => Value is null ? $"{Set} {Key}" : $"{Set} {Key} : {Value}";

    public string Text => Value is null ? Key : $"{Key} : {Value}";
}

/// <summary>
/// Services as elements: <c>weights</c> (VIP . backend . protocol : weight), <c>indexes</c> (VIP : index of the marks), <c>schedulers</c>
/// (VIP : number), <c>ways</c> (VIP . protocol : the chain that translates), <c>vips</c>, and of frames <c>near</c> (subnet . subnet).
/// </summary>
internal static class NftService
{
    /// <summary>Their places are their numbers in the kernel: append only.</summary>
    public static readonly string[] Schedulers = ["rr", "wrr", "sh"];

    private static readonly TransportProtocol[] Protocols = Enum.GetValues<TransportProtocol>();

    public static string Chain(IPAddress vip, TransportProtocol protocol) => $"{NftJson.Name(protocol)}-{vip}";

    public static IEnumerable<NftElement> Elements(BalancedNetwork network) =>
        network.Services.SelectMany(Elements).Append(Near(network.Frame.HostSubnet));

    public static NftElement Near(IPv4Prefix subnet) => new("near", $"{subnet} . {subnet}", null);

    public static IEnumerable<NftElement> Elements(VirtualService service)
    {
        var vip = service.Vip.ToString();
        yield return new NftElement("vips", vip, null);
        yield return new NftElement("indexes", vip, Text(service.Marks.Index));
        yield return new NftElement("schedulers", vip, Text(Array.IndexOf(Schedulers, service.Scheduler)));
        foreach (var protocol in Protocols)
        {
            yield return new NftElement("ways", $"{vip} . {NftJson.Name(protocol)}", $"goto {Chain(service.Vip, protocol)}");
            foreach (var backend in service.Backends)
            {
                if (backend.WeightOf(protocol) is { } weight)
                    yield return new NftElement("weights", $"{vip} . {backend.Address} . {NftJson.Name(protocol)}", Text(weight));
            }
        }
    }

    /// <summary>The elements of a set or map as libnftables-json(5) has them.</summary>
    public static IEnumerable<NftElement> Read(JsonNode setOrMap, bool isMap)
    {
        var name = setOrMap["name"]!.GetValue<string>();
        foreach (var element in NftJson.Elements(setOrMap))
            yield return isMap ? new NftElement(name, Key(element?[0]), Value(element?[1])) : new NftElement(name, Key(element), null);

        static string Key(JsonNode? node) => node switch
        {
            JsonObject when node["concat"] is JsonArray parts => string.Join(" . ", parts.Select(Key)),
            JsonObject when node["prefix"] is { } prefix => $"{prefix["addr"]}/{prefix["len"]}",
            _ => node?.ToString() ?? "",
        };
        static string Value(JsonNode? node) => node is JsonObject && node["goto"]?["target"] is { } target ? $"goto {target}" : node?.ToString() ?? "";
    }

    /// <summary>The services that the elements amount to, by VIP; what is not whole is left out.</summary>
    public static Dictionary<IPAddress, VirtualService> Services(IReadOnlyCollection<NftElement> elements)
    {
        var indexes = elements.Where(e => e.Set == "indexes").ToDictionary(e => e.Key, e => Number(e.Value));
        var schedulers = elements.Where(e => e.Set == "schedulers").ToDictionary(e => e.Key, e => Number(e.Value));
        var weights = elements.Where(e => e.Set == "weights").Select(e => (Parts: e.Key.Split(" . "), Weight: Number(e.Value))).ToLookup(e => e.Parts[0]);
        return indexes
            .Where(index => index.Value <= FwMarkPair.LastIndex && schedulers.TryGetValue(index.Key, out var scheduler) && scheduler < Schedulers.Length)
            .Select(index => new VirtualService
            {
                Vip = IPAddress.Parse(index.Key),
                Marks = FwMarkPair.Of(index.Value),
                Scheduler = Schedulers[schedulers[index.Key]],
                Backends = [.. weights[index.Key].GroupBy(e => e.Parts[1]).Select(group => new Backend(
                    IPAddress.Parse(group.Key),
                    group.Where(e => e.Parts[2] == "tcp").Select(e => (int?)e.Weight).FirstOrDefault(),
                    group.Where(e => e.Parts[2] == "udp").Select(e => (int?)e.Weight).FirstOrDefault()))],
            })
            .ToDictionary(service => service.Vip);
    }

    /// <summary>Which backend a new connection goes to; null if there is none with a weight.</summary>
    public static string? Rule(VirtualService service, TransportProtocol protocol)
    {
        var shares = service.Backends
            .Where(backend => backend.WeightOf(protocol) > 0)
            .OrderBy(backend => IPv4Prefix.Host(backend.Address))
            .Select(backend => (backend.Address, Weight: service.Scheduler == "rr" ? 1 : backend.WeightOf(protocol)!.Value))
            .ToList();
        if (shares.Count == 0) return null;
        if (shares.Count == 1) return $"dnat to {shares[0].Address}";
        var divisor = shares.Select(share => share.Weight).Aggregate(GreatestCommonDivisor);
        var ranges = new List<string>();
        var next = 0;
        foreach (var (address, weight) in shares)
        {
            var last = next + (weight / divisor) - 1;
            ranges.Add(string.Create(CultureInfo.InvariantCulture, $"{(last > next ? $"{next}-{last}" : $"{next}")} : {address}"));
            next = last + 1;
        }

        var number = service.Scheduler == "sh" ? "jhash ip saddr" : "numgen inc";
        return string.Create(CultureInfo.InvariantCulture, $"dnat to {number} mod {next} map {{ {string.Join(", ", ranges)} }}");
    }

    private static int GreatestCommonDivisor(int a, int b) => b == 0 ? a : GreatestCommonDivisor(b, a % b);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static int Number(string? text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : int.MaxValue;
}
