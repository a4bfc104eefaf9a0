using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace FlannelFlow.EndToEnd.Tests.Harness;

/// <summary>Snapshots without what differs between two runs that do the same: ids, times, and which free address or subnet was taken.</summary>
public static partial class Normal
{
    public static Snapshot Of(Snapshot snapshot)
    {
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (Match lease in LeaseKey().Matches(snapshot.Etcd))
        {
            // Each host's subnet by its host, so that two hosts that swapped subnets still differ from one that has two.
            var value = JsonNode.Parse(lease.Groups["value"].Value)!;
            var owner = value["PublicIP"]!.GetValue<string>();
            if (value["BackendData"]?["VtepMAC"]?.GetValue<string>() is { } mac) names[mac] = $"VTEP-OF-{owner}";
            names[$"{lease.Groups["ip"].Value}-{lease.Groups["length"].Value}"] = $"SUBNET-OF-{owner}";
            names[lease.Groups["ip"].Value] = $"SUBNET-OF-{owner}";
        }

        return new Snapshot([.. snapshot.Hosts.Select(host => Text(host, names))], Etcd(snapshot.Etcd, names));
    }

    private static string Text(string dump, Dictionary<string, string> names)
    {
        foreach (var (name, stands) in names.OrderByDescending(pair => pair.Key.Length))
            dump = Regex.Replace(dump, $@"(?<![\d.:]){Regex.Escape(name)}(?![\d.])", stands);
        dump = HostSubnetAddress().Replace(dump, "ADDRESS");
        dump = Veth().Replace(dump, "${kind}ENDPOINT");
        return Sandbox().Replace(dump, "/run/docker/netns/SANDBOX");
    }

    private static string Etcd(string dump, Dictionary<string, string> names)
    {
        var lines = dump.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line =>
        {
            var parts = line.Split(" = ", 2);
            if (parts[1].Contains("\"quarantined\"", StringComparison.Ordinal)) return "";
            if (JsonNode.Parse(parts[1]) is JsonObject value)
            {
                if (parts[0].Contains("/docker/", StringComparison.Ordinal)) return Text(Mirrored(parts[0], value), names);
                foreach (var property in value.ToList())
                {
                    if (property.Key is "since" or "requestId" or "releaseRequested" or "networkId" or "VtepMAC" && property.Value is not null) value[property.Key] = "*";
                    if (property.Key == "owner" && property.Value?.GetValue<string>() is { Length: > 0 }) value["owner"] = "*";
                }

                if (value["BackendData"] is JsonObject backend) backend["VtepMAC"] = "*";
                parts[1] = value.ToJsonString();
            }

            var key = parts[0];
            // flannel's SubnetMin may be the very subnet that a host happened to lease.
            if (key.EndsWith("/config", StringComparison.Ordinal)) return $"{key} = {parts[1]}";
            if (key.Contains("/addresses/", StringComparison.Ordinal)) key = key[..key.LastIndexOf('/')] + "/ADDRESS";
            return Text($"{key} = {parts[1]}", names);
        });
        return string.Join('\n', lines.Where(line => line.Length > 0).Order(StringComparer.Ordinal));
    }

    /// <summary>
    /// A record of the mirror by the name of what it mirrors: ids are Docker's, and which free address was taken is chance. A container that Docker gave up, and a person
    /// started, may have no address of the leader's any more.
    /// </summary>
    private static string Mirrored(string key, JsonObject value)
    {
        foreach (var property in value.ToList())
        {
            if (property.Key is "id" or "hostname") value[property.Key] = "*";
        }

        foreach (var network in value["networks"]?.AsArray() ?? [])
        {
            network!.AsObject().Remove("provisional");
            foreach (var property in network.AsObject().ToList())
            {
                if (property.Key is "networkId" or "endpointId" or "aliases" or "dnsNames") network[property.Key] = "*";
            }
        }

        return $"{key[..(key.LastIndexOf('/') + 1)]}{value["name"]} = {value.ToJsonString()}";
    }

    [GeneratedRegex(@"/subnets/(?<ip>[\d.]+)-(?<length>\d+) = (?<value>\{.*\})")]
    private static partial Regex LeaseKey();

    // Inside the address space of the labs; pools themselves end in .0/20 and so on and stay as they are.
    [GeneratedRegex(@"(?<![\d.])10\.(12[89]|13\d|14[0-3])\.\d+\.(?!0(?!\d))\d+(?![\d.])")]
    private static partial Regex HostSubnetAddress();

    [GeneratedRegex(@"(?<kind>ff[vc])[0-9a-f]{11}")]
    private static partial Regex Veth();

    [GeneratedRegex(@"/run/docker/netns/(?!default)[0-9a-f]{12}")]
    private static partial Regex Sandbox();
}
