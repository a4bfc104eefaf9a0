using System.Globalization;

namespace FlannelFlow.EndToEnd.Tests.Harness;

/// <summary>The world of tests/Dns.Tests/Names/names.md, made with Docker on one host.</summary>
/// <remarks>
/// What Swarm cannot have: services with a dot in their name are containers of that name; networks with one are left out, and so are sandboxes without a network, and
/// those whose order of networks is not that of their names.
/// </remarks>
public sealed class NameWorld(LabHost host, IReadOnlyList<string> lines)
{
    private readonly List<string> _networks = [];
    private readonly List<string> _services = [];
    private readonly Dictionary<string, string> _addresses = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _names = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, string[]> _sandboxes = new(StringComparer.Ordinal);
    private readonly List<Func<Task>> _makings = [];

    public IReadOnlyDictionary<string, string[]> Sandboxes => _sandboxes;

    /// <summary>The container that asks.</summary>
    public Container Asker(string sandbox) => new(host, "asks-" + sandbox, _sandboxes[sandbox][0]);

    /// <summary>The name as it is here: tasks and short ids have others in the table.</summary>
    public string Name(string name)
    {
        foreach (var (there, here) in _names)
        {
            if (name.Equals(there, StringComparison.OrdinalIgnoreCase) || name.StartsWith(there + ".", StringComparison.OrdinalIgnoreCase))
                return here + name[there.Length..];
        }

        return name;
    }

    /// <summary>"web.1.aaa@blue + web.2.bbb@blue" to addresses, sorted; "?" and "-" stay.</summary>
    public string Addresses(string cell) =>
        cell is "?" or "-" ? cell : string.Join(' ', cell.Split(" + ").Select(symbol => _addresses[symbol]).Order(StringComparer.Ordinal));

    public async Task MakeAsync(Lab lab)
    {
        foreach (var words in lines.Where(line => line.StartsWith("- ", StringComparison.Ordinal)).Select(line => line[2..].Split(' ', 2))) Plan(words[0], words[1]);
        foreach (var network in _networks) await lab.CreateNetworkAsync(network);
        await Task.WhenAll(_makings.Select(make => make()));
        await Task.WhenAll(_services.Select(ReadServiceAsync));
        await host.ShAsync(
            $"for s in {string.Join(' ', _sandboxes.Keys)}; do docker start asks-$s; nsenter -t $(docker inspect -f '{{{{.State.Pid}}}}' asks-$s) -n " +
            "dnsmasq --no-resolv --no-hosts --address=/#/ --bind-interfaces --listen-address=127.0.0.9 --pid-file=/run/upstream.$s; done");
    }

    /// <summary>What <see cref="MakeAsync"/> made beside containers: the upstreams.</summary>
    public Task EndAsync() => host.TryShAsync("kill $(cat /run/upstream.*); rm -f /run/upstream.*");

    private void Plan(string kind, string text)
    {
        var clauses = text.Split(';', StringSplitOptions.TrimEntries);
        switch (kind)
        {
            case "network":
                if (!IsDotted(text)) _networks.Add(text);
                break;
            case "service" when !IsDotted(clauses[0].Split(" in ")[0]):
                PlanService(clauses);
                break;
            case "service":
                PlanContainer(clauses[0].Split(" in ")[0], Listed(clauses[0].Split(" in ")[1]), called: [], symbol: "vip:");
                break;
            case "container":
                var parts = clauses[0].Split(" in ");
                PlanContainer(parts[0], Listed(parts[1]), clauses.Length > 1 ? Listed(clauses[1]["called ".Length..]) : [], symbol: "");
                break;
            case "sandbox":
                var sandbox = text.Split(':', StringSplitOptions.TrimEntries);
                if (Listed(sandbox[1]) is { Length: > 0 } networks && !networks.Any(IsDotted) && networks.SequenceEqual(networks.Order(StringComparer.Ordinal)))
                    PlanSandbox(sandbox[0], networks);
                break;
        }
    }

    private static bool IsDotted(string name) => name.Contains('.', StringComparison.Ordinal);

    /// <summary>NAME in NET, NET [dnsrr][; alias A in NET]; tasks T, *T</summary>
    private void PlanService(string[] clauses)
    {
        var parts = clauses[0].Split(" in ");
        var isVip = !parts[1].EndsWith(" dnsrr", StringComparison.Ordinal);
        var networks = Listed(isVip ? parts[1] : parts[1][..^" dnsrr".Length]);
        if (networks.Any(IsDotted)) return;
        var tasks = Listed(clauses[^1]["tasks".Length..]);
        var ready = tasks.Count(task => !task.StartsWith('*'));
        // As name=NETWORK docker would put a network's name into lower case.
        var attach = networks.SelectMany(network => new[]
        {
            "--network",
            clauses[1..^1].Select(clause => clause["alias ".Length..].Split(" in ")).FirstOrDefault(alias => alias[1] == network) is [var alias, _]
                ? $"name={network},alias={alias}"
                : network,
        });
        _services.Add(parts[0]);

        // A task whose health check has not passed yet runs, and is not ready.
        string[] health = tasks.Length == ready ? [] :
        [
            "--env", "SLOT={{.Task.Slot}}", "--health-cmd", string.Create(CultureInfo.InvariantCulture, $"[ $SLOT -le {ready} ]"),
            "--health-interval", "1s", "--health-start-period", "1h",
        ];
        _makings.Add(async () => await host.DockerAsync(
        [
            "service", "create", "--detach", "--name", parts[0], "--stop-grace-period", "1s", "--endpoint-mode", isVip ? "vip" : "dnsrr",
            "--replicas", tasks.Length.ToString(CultureInfo.InvariantCulture), .. health, .. attach, "lab:latest", "sleep", "100000",
        ]));
        _makings.Add(() => ReadTasksAsync(parts[0], tasks, networks));
        if (isVip) foreach (var network in networks) _addresses[$"vip:{parts[0]}@{network}"] = "";
    }

    private void PlanContainer(string text, string[] networks, string[] called, string symbol)
    {
        var name = text.TrimStart('*');
        // Of what it is called, one is its short id, one its hostname, the others are aliases.
        var hostname = called.FirstOrDefault(word => word.EndsWith("host", StringComparison.Ordinal)) ?? name;
        var shortId = called.FirstOrDefault(word => word.Length == 12 && word.All(char.IsAsciiHexDigitLower));
        var aliases = called.Where(word => word != hostname && word != shortId).SelectMany(word => new[] { "--network-alias", word });
        string[] health = text.StartsWith('*') ? ["--health-cmd", "false", "--health-interval", "1s", "--health-retries", "1"] : [];
        _makings.Add(async () =>
        {
            await host.DockerAsync(["create", "--name", name, "--hostname", hostname, "--network", networks[0], .. aliases, .. health, "lab:latest", "sleep", "100000"]);
            foreach (var network in networks[1..]) await host.DockerAsync("network", "connect", network, name);
            await host.DockerAsync("start", name);
            foreach (var network in networks) _addresses[$"{symbol}{name}@{network}"] = await AddressAsync(name, network);
            if (shortId is not null) _names[shortId] = (await host.DockerAsync("inspect", "-f", "{{.Id}}", name))[..12];
        });
    }

    /// <summary>With an upstream that knows no name at all.</summary>
    private void PlanSandbox(string name, string[] networks)
    {
        _sandboxes[name] = networks;
        _makings.Add(async () =>
        {
            await host.DockerAsync("create", "--name", "asks-" + name, "--dns", "127.0.0.9", "--network", networks[0], "lab:latest", "sleep", "100000");
            foreach (var network in networks[1..]) await host.DockerAsync("network", "connect", network, "asks-" + name);
        });
    }

    /// <summary>Until they run, and are healthy where the table says that they are ready.</summary>
    private Task<TimeSpan> ReadTasksAsync(string service, string[] tasks, string[] networks) => Wait.UntilAsync($"the tasks of {service} run", 180, async () =>
    {
        for (var slot = 1; slot <= tasks.Length; slot++)
        {
            var task = tasks[slot - 1];
            var found = (await host.TryShAsync(string.Create(
                CultureInfo.InvariantCulture, $"docker ps --filter name=^{service}\\.{slot}\\. --format '{{{{.Names}}}} {{{{.Status}}}}'"))).Out.Trim();
            if (found.Length == 0) return $"{task} does not run";
            if (!task.StartsWith('*') && found.Contains("starting", StringComparison.Ordinal)) return found;
            var name = found.Split(' ')[0];
            _names[task.TrimStart('*')] = name;
            foreach (var network in networks) _addresses[$"{task.TrimStart('*')}@{network}"] = await AddressAsync(name, network);
        }

        return null;
    });

    private async Task ReadServiceAsync(string service)
    {
        var vips = await host.DockerAsync("service", "inspect", "-f", "{{range .Endpoint.VirtualIPs}}{{.NetworkID}} {{.Addr}}\n{{end}}", service);
        foreach (var network in _networks.Where(network => _addresses.ContainsKey($"vip:{service}@{network}")))
        {
            var id = (await host.DockerAsync("network", "inspect", "-f", "{{.Id}}", network)).Trim();
            var vip = vips.Split('\n').Single(line => line.StartsWith(id, StringComparison.Ordinal));
            _addresses[$"vip:{service}@{network}"] = vip.Split(' ')[1].Split('/')[0];
        }
    }

    private async Task<string> AddressAsync(string container, string network) =>
        (await host.DockerAsync("inspect", "-f", $"{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}", container)).Trim();

    private static string[] Listed(string text) => text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}
