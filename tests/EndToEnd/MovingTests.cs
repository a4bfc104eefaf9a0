using System.Globalization;
using System.Net;
using FlannelFlow.EndToEnd.Tests.Harness;
using FlannelFlow.Tests;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>docs/moving.md, from overlay and back, line by line on three machines whose services are asked by name all the time.</summary>
[Collection(FreshMachinesCollection.Name)]
[Trait("Needs", "docker")]
[Trait("Share", "third")]
public sealed class MovingTests(FreshMachines lab)
{
    private const string Page = "docs/moving.md";

    /// <summary>AVAILABLE_SUBNETS, unless it is set.</summary>
    private static readonly IPNetwork Default = IPNetwork.Parse("10.128.0.0/12");

    /// <summary>Docker's own VIPs are IPVS': on a kernel that has none, clients of overlay can ask tasks only.</summary>
    private string Web => lab.HasKernels ? "web" : "tasks.web";

    [Fact(Explicit = true)]
    public async Task FromOverlay_AndBack_AsThePageSays()
    {
        if (DocumentedCommands.Of(Run.Root, Page) is not [var look, var create, var connect, var add, var remove, var disconnect, var end])
        {
            Assert.Fail($"{Page} has other lines");
            return;
        }

        await lab[1].ShAsync("docker network create -d overlay --attachable shop");
        // With a health check, as every update without a lost request needs (docs/draining.md).
        var check = $"--health-cmd 'traffic ask 127.0.0.1 80 1' --health-interval {Run.Patience}s --health-timeout {5 * Run.Patience}s";
        await lab[1].ShAsync($"docker service create --detach --name web --network shop --replicas 3 --stop-grace-period 20s {check} {(lab.HasKernels ? "-p 8080:80" : "")} lab:latest traffic serve 80");
        await lab[1].ShAsync("docker service create --detach --name api --endpoint-mode dnsrr --network name=shop,alias=www --replicas 2 --stop-grace-period 20s lab:latest traffic serve 80");
        var store = await ServingAsync(lab[3], "store");
        var client = await lab[2].StartAsync("client", "shop");
        var visitor = await lab[1].StartAsync("visitor", "shop");
        Container[] plain = [store, client, visitor];
        await RunningAsync("shop");
        await AnswersAsync(client, Web, "api", "www", "store", "tasks.web.shop");
        var began = await StartsAsync(plain);
        var tasks = await TasksAsync();
        var formerVip = await VipAsync("shop");

        // 1. Nothing is in the way of FlannelFlow's networks, and it is installed beside what runs.
        var overlays = (await lab[1].ShAsync(look.Line)).Split('\n').Select(line => line.Split(' ')).ToDictionary(words => words[0], words => IPNetwork.Parse(words[1]));
        Assert.Equal(["ingress", "shop"], overlays.Keys.Order(StringComparer.Ordinal));
        Assert.All(overlays.Values, overlay => Assert.False(Default.Contains(overlay.BaseAddress) || overlay.Contains(Default.BaseAddress)));
        var loads = await LoadsAsync(client, visitor);
        await Task.WhenAll(lab.Hosts.Select(lab.BringAsync));
        foreach (var line in DocumentedCommands.Typed.Where(line => line.Page == "docs/install.md").Take(2))
            await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync($"cd /root && {line.Script}")));
        await lab.InstalledAsync();
        Assert.Equal(tasks, await TasksAsync());
        Assert.Equal(began, await StartsAsync(plain));
        await EndedAsync("install", loads, lossless: true);

        // 2. to 4., moved.
        loads = await LoadsAsync(client, visitor);
        await MoveAsync("shop", "shop2", create.Line);
        var moved = await EndedAsync("to FlannelFlow", loads);
        Assert.Equal(began, await StartsAsync(plain));
        Assert.DoesNotContain("shop\n", await lab[1].ShAsync("docker network ls --format '{{.Name}}'") + "\n", StringComparison.Ordinal);

        // What is kept: names, aliases, features; what is not: addresses.
        await AnswersAsync(client, "web", "tasks.web", "web.shop2", "tasks.web.shop2", "api", "www", "store", "store.shop2");
        Assert.True(Default.Contains(IPAddress.Parse(await VipAsync("shop2"))));
        Assert.Equal(await VipAsync("shop2"), Assert.Single(await AddressesAsync(client, "web")));
        Assert.NotEqual(formerVip, await VipAsync("shop2"));
        Assert.Equal(3, (await AddressesAsync(client, "tasks.web")).Count);
        Assert.Equal(2, (await AddressesAsync(client, "api")).Count);
        Assert.Equal(await AddressesAsync(client, "api"), await AddressesAsync(client, "www"));
        Assert.Equal(3, (await client.ExecAsync("sh", "-c", "traffic ask web 80 15 | sort -u | wc -l") is var servers ? int.Parse(servers, CultureInfo.InvariantCulture) : 0));
        await PublishedAsync();

        // Back, then leave.
        loads = await LoadsAsync(client, visitor);
        await MoveAsync("shop2", "shop", "docker network create -d overlay --attachable shop");
        var back = await EndedAsync("back to overlay", loads);
        Assert.Equal(began, await StartsAsync(plain));
        await AnswersAsync(client, Web, "api", "www", "store", "tasks.web.shop");
        loads = await LoadsAsync(client, visitor);
        tasks = await TasksAsync();
        foreach (var host in lab.Hosts)
        {
            await Wait.UntilAsync($"uninstall on host {host.Number}", 60, async () => await host.TryShAsync("flannelflow uninstall --purge") is { Ok: false } refused ? refused.All : null);
        }

        Assert.Equal(tasks, await TasksAsync());
        await EndedAsync("uninstall", loads, lossless: true);
        await PublishedAsync();

        // Docker still tells tasks to end that the runtime wrapper started; what was left of it for them goes by hand.
        await lab[1].ShAsync("docker service update --force web && docker service update --force api");
        foreach (var host in lab.Hosts)
        {
            Assert.All((await host.ShAsync("docker ps -a --filter status=exited --format '{{.Names}} {{.Status}}'")).Split('\n', StringSplitOptions.RemoveEmptyEntries),
                ended => Assert.Contains(" Exited (0) ", ended, StringComparison.Ordinal));
            Assert.Equal("", await host.ShAsync("docker ps -q | xargs -r docker inspect -f '{{.HostConfig.Runtime}}' | grep -v runc || true"));
            await host.ShAsync("rm -rf /usr/lib/flannelflow");
        }

        await lab[1].ShAsync("docker service rm web api");
        await Task.WhenAll(plain.Select(container => container.RemoveAsync()));
        await lab.RemoveNetworkAsync("shop");
        await lab.UntilSameAsync(lab.Bare, 120, "uninstall");
        // Of what is asked of a plain container, only what is under way when it or its client is disconnected: one request of each of the five.
        Assert.True(moved[1].Failed <= 5 && back[1].Failed <= 5, $"there {moved[1]}, back {back[1]}");
        Assert.True(moved[0].Failed + back[0].Failed == 0, $"requests to the service failed, there {moved[0]}, back {back[0]}");

        async Task MoveAsync(string from, string to, string creation)
        {
            string Typed(string line) => string.Join(' ', line.Split(' ').Select(word => word switch { "shop" => from, "shop2" => to, _ => word }));
            await TypeAsync(lab[1], creation);
            foreach (var container in plain) await TypeAsync(container.Host, Typed(connect.Line).Replace("NAME", container.Name, StringComparison.Ordinal));
            await TypeAsync(lab[1], Typed(add.Line));
            await TypeAsync(lab[1], Typed(add.Line).Replace($" {to} web", $" name={to},alias=www api", StringComparison.Ordinal));
            await RunningAsync(from, to);
            await AnswersAsync(client, $"tasks.web.{from}", $"tasks.web.{to}", $"www.{from}", $"www.{to}", $"store.{from}", $"store.{to}");
            foreach (var service in new[] { "web", "api" }) await TypeAsync(lab[1], Typed(remove.Line).Replace("web", service, StringComparison.Ordinal));
            await RunningAsync(to);
            foreach (var container in plain.Reverse()) await TypeAsync(container.Host, Typed(disconnect.Line).Replace("NAME", container.Name, StringComparison.Ordinal));
            await Wait.UntilAsync(Typed(end.Line), 60, async () => await lab[1].TryShAsync(Typed(end.Line)) is { Ok: false } said ? said.All : null);
        }
    }

    private static async Task TypeAsync(LabHost host, string line)
    {
        Run.Say($"{TimeProvider.System.GetUtcNow():HH:mm:ss.fff} n{host.Number}# {line}");
        await host.ShAsync(line);
    }

    private static async Task<Container> ServingAsync(LabHost host, string name)
    {
        await host.DockerAsync("run", "-d", "--name", name, "--network", "shop", "lab:latest", "traffic", "serve", "80");
        return new Container(host, name, "shop");
    }

    /// <summary>Light traffic: of the service by its name, and of the plain container by its own.</summary>
    private async Task<LoadRun[]> LoadsAsync(Container client, Container visitor) =>
        [await LoadRun.BeginAsync(client, Web, shorts: 2, kept: 2, downloads: 1), await LoadRun.BeginAsync(visitor, "store", shorts: 2, kept: 2, downloads: 1)];

    private static async Task<LoadResult[]> EndedAsync(string what, LoadRun[] loads, bool lossless = false)
    {
        var results = await Task.WhenAll(loads.Select(load => load.EndAsync()));
        Run.Say($"{what}: of the service {results[0]}\n{what}: of the plain container {results[1]}");
        Assert.All(results, result => Assert.True(result.Requests > 20, $"{what}: hardly anything was asked: {result}"));
        if (lossless) Assert.All(results, result => Assert.True(result.Failed == 0, $"{what}: {result}"));
        return results;
    }

    /// <summary>All tasks of both services run, on exactly these networks, and none of them is on its way out.</summary>
    private Task<TimeSpan> RunningAsync(params string[] networks) => Wait.UntilAsync($"the services' tasks run on {string.Join(", ", networks)}", 180, async () =>
    {
        var tasks = await TasksAsync();
        return tasks.Count(task => task.EndsWith(" Running", StringComparison.Ordinal)) == 5 && tasks.Count == 5
            && await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync(
                "docker ps -q --filter label=com.docker.swarm.service.name | xargs -r docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}'"))) is var on
            && string.Concat(on.Select(lines => lines + "\n")).Split('\n', StringSplitOptions.RemoveEmptyEntries).All(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Except(["ingress"]).Order(StringComparer.Ordinal).SequenceEqual(networks.Order(StringComparer.Ordinal)))
            ? null : string.Join('\n', tasks);
    });

    /// <summary>Those that Docker wants to run, and those that still do.</summary>
    private async Task<IReadOnlyList<string>> TasksAsync() =>
    [
        .. (await lab[1].ShAsync("docker service ps --no-trunc --format '{{.ID}} {{.DesiredState}} {{.CurrentState}}' web api"))
            .Split('\n').Select(task => string.Join(' ', task.Split(' ')[..3])).Where(task => task.Contains("Running", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
    ];

    private static async Task<IReadOnlyList<string>> StartsAsync(IEnumerable<Container> containers) =>
        await Task.WhenAll(containers.Select(container => container.Host.DockerAsync("inspect", "-f", "{{.Id}} {{.State.StartedAt}} {{.RestartCount}}", container.Name)));

    private static Task<TimeSpan> AnswersAsync(Container client, params string[] names) => Wait.UntilAsync($"{string.Join(", ", names)} answer {client.Name}", 60, async () =>
    {
        foreach (var name in names)
        {
            if (await client.TryExecAsync("traffic", "ask", name, "80", "6") is { Ok: false } said) return $"{name}: {said.All}";
        }

        return null;
    });

    private async Task PublishedAsync()
    {
        // The routing mesh is IPVS', too.
        foreach (var host in lab.HasKernels ? lab.Hosts : [])
            await host.ShAsync($"curl -sS -m {10 * Run.Patience} http://{lab[2].Address}:8080/");
    }

    private static async Task<IReadOnlyList<string>> AddressesAsync(Container client, string name)
    {
        var said = (await client.TryExecAsync("nslookup", "-type=a", name)).Out;
        return
        [
            .. said.Split('\n').SkipWhile(line => !line.StartsWith("Name:", StringComparison.Ordinal)).Where(line => line.StartsWith("Address", StringComparison.Ordinal))
                .Select(line => line.Split(' ')[^1]).Where(address => IPAddress.TryParse(address, out _)).Order(StringComparer.Ordinal),
        ];
    }

    private async Task<string> VipAsync(string network) => (await lab[1].ShAsync(
        $"id=$(docker network inspect -f '{{{{.ID}}}}' {network}); docker service inspect -f '{{{{range .Endpoint.VirtualIPs}}}}{{{{.NetworkID}}}} {{{{.Addr}}}}{{{{\"\\n\"}}}}{{{{end}}}}' web | grep ^$id")).Split(' ')[1].Split('/')[0];
}
