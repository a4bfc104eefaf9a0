using System.Text.Json.Nodes;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>Services with a virtual address, as clients in containers and on hosts find them.</summary>
[Collection(ThreeHostsCollection.Name)]
[Trait("Needs", "docker")]
[Trait("Share", "second")]
public sealed class VipTests(ThreeHosts lab) : IAsyncLifetime
{
    /// <summary>Answers on port 80 who answers and who asks, and on port 81 whatever it is told.</summary>
    private const string Server =
        "mkdir -p /www/cgi-bin; printf '#!/bin/sh\\necho\\necho \"$(hostname) $REMOTE_ADDR\"\\n' >/www/cgi-bin/who; chmod +x /www/cgi-bin/who; " +
        "httpd -p 0.0.0.0:80 -h /www; exec nc -ll -p 81 -e cat";

    public async ValueTask InitializeAsync() => await lab.ClearAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Service_OfSixTasksOnThreeHosts_IsReachedFromEverywhere_AndSeesItsClientsAddresses()
    {
        await lab.CreateNetworkAsync("net1");
        await lab.CreateNetworkAsync("other");
        var vip = await CreateServiceAsync("web", "net1", "--replicas", "6");
        var clients = await Task.WhenAll(lab.Hosts.Select(host => host.StartAsync($"client{host.Number}", "net1")));
        var tasks = await SettledAsync(("web", "net1", 6));
        Assert.Equal([2, 2, 2], lab.Hosts.Select(host => tasks.Count(task => task.Container.Host == host)));

        foreach (var client in clients)
        {
            var answers = await AskAsync(client, vip, 18);
            Assert.Equal(tasks.Select(task => task.Hostname).Order(StringComparer.Ordinal), answers.Select(answer => answer.Server).Distinct().Order(StringComparer.Ordinal));
            var own = await client.AddressAsync();
            Assert.All(answers.Where(answer => tasks.Single(task => task.Hostname == answer.Server).Container.Host != client.Host), answer => Assert.Equal(own, answer.Client));
        }

        // Hairpin: a task that asks its own service is answered, by itself as well.
        foreach (var task in tasks)
            Assert.Contains((await AskAsync(task.Container, vip, 18)).Select(answer => answer.Server), server => server == task.Hostname);
        foreach (var host in lab.Hosts)
        {
            var answers = (await host.ShAsync($"for i in $(seq 18); do curl -sS -m {10 * Run.Patience} http://{vip}/cgi-bin/who || exit 1; done")).Split('\n');
            Assert.Equal(6, answers.Select(answer => answer.Split(' ')[0]).Distinct().Count());
        }

        // And nobody else's: a container of another network has a way to the host, but not to the VIP.
        var stranger = await lab[2].StartAsync("stranger", "other");
        Assert.False((await stranger.TryExecAsync("timeout", "3", "wget", "-q", "-O", "-", $"http://{vip}/cgi-bin/who")).Ok, "a container of another network reaches the VIP");
    }

    [Fact]
    public async Task Service_WithoutTasks_RefusesAtOnce_WorksAgainWithTheFirst_AndLeavesNothing()
    {
        await lab.CreateNetworkAsync("net1");
        var client = await lab[2].StartAsync("client", "net1");
        await lab[1].StartAsync("client1", "net1");
        var before = await lab.SnapshotAsync();
        var vip = await CreateServiceAsync("web", "net1", "--replicas", "2");
        await SettledAsync(("web", "net1", 2));
        await AskAsync(client, vip, 4);

        await lab[1].DockerAsync("service", "scale", "-d", "web=0");
        await SettledAsync(("web", "net1", 0));
        var refused = await client.TryExecAsync("timeout", $"{20 * Run.Patience}", "wget", "-q", "-O", "-", $"http://{vip}/cgi-bin/who");
        Assert.Contains("refused", refused.All, StringComparison.Ordinal);
        Assert.Equal(7, (await lab[1].TryShAsync($"curl -s -m {20 * Run.Patience} http://{vip}/")).Code); // CURLE_COULDNT_CONNECT; a timeout would be 28

        await lab[1].DockerAsync("service", "scale", "-d", "web=1");
        await Wait.UntilAsync("the service answers again", 60, async () =>
        {
            var said = await client.TryExecAsync("timeout", $"{5 * Run.Patience}", "wget", "-q", "-O", "-", $"http://{vip}/cgi-bin/who");
            return said.Ok ? null : said.All;
        });

        await lab[1].DockerAsync("service", "rm", "web");
        await lab.UntilSameAsync(before, 60, "service rm");
    }

    [Fact]
    public async Task DaemonRestart_CutsNoConnection_AndChangesNothingInTheKernel()
    {
        await lab.CreateNetworkAsync("net1");
        var vip = await CreateServiceAsync("web", "net1", "--replicas", "3");
        var client = await lab[2].StartAsync("client", "net1");
        await SettledAsync(("web", "net1", 3));
        await client.ExecAsync("sh", "-c", $"(i=0; while sleep 0.1; do echo $((i=i+1)); done | nc {vip} 81 >/tmp/echo; echo ended >>/tmp/echo) >/dev/null 2>&1 &");
        async Task EchoesAsync(int more)
        {
            var had = int.Parse(await client.ExecAsync("sh", "-c", "wc -l </tmp/echo"), System.Globalization.CultureInfo.InvariantCulture);
            await Wait.UntilAsync("the connection goes on", 30, async () =>
            {
                Assert.DoesNotContain("ended", await client.ExecAsync("tail", "-n", "1", "/tmp/echo"), StringComparison.Ordinal);
                return int.Parse(await client.ExecAsync("sh", "-c", "wc -l </tmp/echo"), System.Globalization.CultureInfo.InvariantCulture) >= had + more ? null : "no more lines";
            });
        }

        await EchoesAsync(5);
        var before = (await BalancersAsync(lab[2]))["kernel"]!.GetValue<string>();
        await lab[2].RestartDaemonAsync();
        await EchoesAsync(20);
        await lab[2].StopDaemonAsync("KILL");
        await EchoesAsync(5);
        await lab[2].StartDaemonAsync();
        await SettledAsync(("web", "net1", 3));
        await EchoesAsync(20);
        Assert.Equal(before, (await BalancersAsync(lab[2]))["kernel"]!.GetValue<string>());
    }

    [Fact]
    public async Task TcpAndUdp_OnOnePort()
    {
        await lab.CreateNetworkAsync("net1");
        await lab[1].DockerAsync("service", "create", "-d", "--name", "iperf", "--network", "net1", "--constraint", "node.hostname==n3", "lab:latest", "iperf3", "-s");
        var vip = await VipAsync("iperf", "net1");
        var client = await lab[2].StartAsync("client", "net1");
        await SettledAsync(("iperf", "net1", 1));
        var said = JsonNode.Parse(await client.ExecAsync("iperf3", "-c", vip, "-u", "-b", "1M", "-t", "1", "--json"))!;
        Assert.True(said["end"]!["sum"]!["packets"]!.GetValue<int>() > 10, said.ToJsonString());
        said = JsonNode.Parse(await client.ExecAsync("iperf3", "-c", vip, "-t", "1", "--json"))!;
        Assert.True(said["end"]!["sum_received"]!["bytes"]!.GetValue<long>() > 100_000, said.ToJsonString());
    }

    [Fact]
    public async Task Service_ThatTurnsToDnsrrAndBack_OnTwoNetworks_WithLabels()
    {
        await lab.CreateNetworkAsync("net1");
        await lab.CreateNetworkAsync("net2");
        await CreateServiceAsync("web", "net1", "--replicas", "2", "--network", "net2", "--label", "flannelflow.scheduler=quickest", "--label", "flannelflow.weight=3");
        var clients = await Task.WhenAll(lab[2].StartAsync("c1", "net1"), lab[2].StartAsync("c2", "net2"));
        await SettledAsync(("web", "net1", 2), ("web", "net2", 2));
        foreach (var client in clients) await AskAsync(client, await VipAsync("web", client.Name == "c1" ? "net1" : "net2"), 4);
        Assert.Contains("tcp 3 udp 3", (await BalancersAsync(lab[2]))["kernel"]!.GetValue<string>(), StringComparison.Ordinal);
        var record = (await lab.EtcdAsync("/flannelflow/docker/services/")).Values.Single();
        Assert.Contains("is none of rr, wrr", JsonNode.Parse(record)!["status"]!["refused"]![0]!.GetValue<string>(), StringComparison.Ordinal);

        await lab[1].DockerAsync("service", "update", "-d", "--endpoint-mode", "dnsrr", "web");
        await Wait.UntilAsync("no load balancer is left", 60, async () =>
            (await BalancersAsync(lab[2]))["kernel"]!.GetValue<string>() is { Length: > 0 } left ? left : null);
        await lab[1].DockerAsync("service", "update", "-d", "--endpoint-mode", "vip", "--network-rm", "net2", "web");
        var vip = await VipAsync("web", "net1");
        await SettledAsync(("web", "net1", 2));
        await AskAsync(clients[0], vip, 4);
        Assert.DoesNotContain("quickest", (await BalancersAsync(lab[2]))["kernel"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    /// <summary>Of tests/campaigns/end-to-end; ./test has the like of it, under faults (<see cref="FaultTests"/>).</summary>
    [Fact(Explicit = true)]
    public async Task ScalesAndUpdatesAtRandom_ThenEveryKernelIsAsDockerSays()
    {
        var random = new Random(Run.Seed);
        await lab.CreateNetworkAsync("net1");
        await lab.CreateNetworkAsync("net2");

        // Keeps net1 on every host: two networks that leave a host at one moment leave its empty table behind, which is not what is looked for here.
        await Task.WhenAll(lab.Hosts.Select(host => host.StartAsync($"keeper{host.Number}", "net1")));
        var before = await lab.SnapshotAsync();
        (string Name, string Network)[] services = [("a", "net1"), ("b", "net1"), ("c", "net2")];
        foreach (var (name, network) in services) await CreateServiceAsync(name, network, "--replicas", "1", "--update-parallelism", "0");
        var vips = await Task.WhenAll(services.Select(service => VipAsync(service.Name, service.Network)));
        Assert.Equal(3, vips.Distinct().Count());

        var rounds = Run.IsLong ? 10 : 1;
        for (var round = 0; round < rounds; round++)
        {
            for (var end = DateTimeOffset.UtcNow + TimeSpan.FromSeconds(Run.IsLong ? 60 : 30); DateTimeOffset.UtcNow < end;)
            {
                var name = services[random.Next(services.Length)].Name;
                if (random.Next(3) == 0) await lab[1].DockerAsync("service", "update", "-d", "--force", name);
                else await lab[1].DockerAsync("service", "scale", "-d", $"{name}={random.Next(6)}");
                await Task.Delay(TimeSpan.FromMilliseconds(random.Next(2000)), TimeProvider.System, Run.Ct);
            }

            var counts = services.Select(_ => random.Next(1, 4)).ToArray();
            foreach (var (service, count) in services.Zip(counts)) await lab[1].DockerAsync("service", "scale", "-d", $"{service.Name}={count}");
            var tasks = await SettledAsync([.. services.Zip(counts, (service, count) => (service.Name, service.Network, count))]);
            Assert.Equal(tasks.Count, tasks.Select(task => task.Address).Distinct().Count());
            Assert.Equal(vips, await Task.WhenAll(services.Select(service => VipAsync(service.Name, service.Network))));
        }

        await lab[1].DockerAsync(["service", "rm", .. services.Select(service => service.Name)]);
        await lab.UntilSameAsync(before, 90, "the services are removed");
    }

    [Fact(Explicit = true)]
    public async Task TwentyServices_OnThreeNetworks_AtOnce()
    {
        string[] networks = ["net1", "net2", "net3"];
        foreach (var network in networks) await lab.CreateNetworkAsync(network);
        (string Name, string Network)[] services = [.. Enumerable.Range(0, 20).Select(i => ($"s{i}", networks[i % 3]))];
        var vips = await Task.WhenAll(services.Select(service => CreateServiceAsync(service.Name, service.Network, "--replicas", "2")));
        Assert.Equal(20, vips.Distinct().Count());
        var clients = await Task.WhenAll(networks.Select((network, i) => lab.Hosts[i].StartAsync($"client{i}", network)));
        var tasks = await SettledAsync([.. services.Select(service => (service.Name, service.Network, 2))]);
        Assert.Equal(40, tasks.Select(task => task.Address).Distinct().Count());
        for (var i = 0; i < services.Length; i++)
        {
            var answers = await AskAsync(clients[i % 3], vips[i], 4);
            Assert.Equal(2, answers.Select(answer => answer.Server).Distinct().Count());
        }
    }

    /// <summary>Keepalive off, and nothing said for longer than a quarter of an hour: load balancers forget connections for less.</summary>
    [Fact(Explicit = true)]
    public async Task IdleConnection_ToABackendOnAnotherHost_SurvivesSixteenMinutes()
    {
        await lab.CreateNetworkAsync("net1");
        var vip = await CreateServiceAsync("web", "net1", "--replicas", "1", "--constraint", "node.hostname==n3");
        var client = await lab[1].StartAsync("client", "net1");
        await SettledAsync(("web", "net1", 1));
        var said = await client.ExecAsync("sh", "-c", $"(echo before; sleep {16 * 60 + 10}; echo after; sleep 5) | nc {vip} 81");
        Assert.Equal("before\nafter", said);
    }

    /// <summary>
    /// Waits until the services have as many tasks as they should, and every host's kernel holds what it is to hold, which is what Docker
    /// says: just these tasks, wherever their network is. Docker is asked anew each time, as updates go on behind a command that returned.
    /// </summary>
    private async Task<List<ServiceTask>> SettledAsync(params (string Service, string Network, int Count)[] services)
    {
        var tasks = new List<ServiceTask>();
        await Wait.UntilAsync("every kernel is as Docker says", 180, async () =>
        {
            tasks.Clear();
            foreach (var (service, network, count) in services)
            {
                var (found, problem) = await TasksAsync(service, network);
                if (problem is not null || found.Count != count) return problem ?? $"{found.Count} of {count} tasks of {service} run";
                tasks.AddRange(found);
            }

            foreach (var host in lab.Hosts)
            {
                var (view, problem) = await TryBalancersAsync(host);
                if (view is null) return problem;
                if (Difference(host, view, tasks) is { } difference) return difference;
            }

            return null;
        });
        return tasks;
    }

    private static string? Difference(LabHost host, JsonNode view, List<ServiceTask> tasks)
    {
        var (wanted, kernel) = (view["wanted"]!.GetValue<string>(), view["kernel"]!.GetValue<string>());
        if (wanted != kernel) return $"host {host.Number} wants\n{wanted}and holds\n{kernel}";
        var backends = kernel.Split('\n').Where(line => line.StartsWith("    ", StringComparison.Ordinal)).Select(line => line.Trim().Split(' ')[0]).ToHashSet();
        if (backends.Except(tasks.Select(task => task.Address)).FirstOrDefault() is { } dead) return $"host {host.Number} has a backend {dead} that Docker does not know";

        // A host with a task is on the task's network, so it has all backends of it.
        var missing = tasks.Where(task => task.Container.Host == host).SelectMany(own => tasks.Where(task => task.Network == own.Network))
            .FirstOrDefault(task => !backends.Contains(task.Address));
        return missing is null ? null : $"host {host.Number} has no backend {missing.Address}:\n{kernel}";
    }

    private async Task<string> CreateServiceAsync(string name, string network, params string[] options)
    {
        await lab[1].DockerAsync(
            ["service", "create", "-d", "--name", name, "--network", network, "--stop-grace-period", "1s", .. options, "lab:latest", "sh", "-c", Server]);
        return await VipAsync(name, network);
    }

    private async Task<string> VipAsync(string service, string network)
    {
        var vip = "";
        var id = await lab[1].DockerAsync("network", "inspect", "-f", "{{.Id}}", network);
        await Wait.UntilAsync($"{service} has a VIP in {network}", 60, async () =>
        {
            vip = await lab[1].DockerAsync(
                "service", "inspect", "-f", $"{{{{range .Endpoint.VirtualIPs}}}}{{{{if eq .NetworkID \"{id}\"}}}}{{{{.Addr}}}}{{{{end}}}}{{{{end}}}}", service);
            return vip.Length > 0 ? null : "none yet";
        });
        return vip.Split('/')[0];
    }

    /// <summary>The running tasks of a service; in words, why they cannot be told at this moment.</summary>
    private async Task<(List<ServiceTask> Tasks, string? Problem)> TasksAsync(string service, string network)
    {
        var tasks = new List<ServiceTask>();
        foreach (var host in lab.Hosts)
        {
            var names = await host.DockerAsync("ps", "--filter", $"label=com.docker.swarm.service.name={service}", "--format", "{{.Names}}");
            foreach (var name in names.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                var said = await host.TryDockerAsync(
                    "inspect", "-f", $"{{{{.Config.Hostname}}}} {{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}", name);
                if (!said.Ok || said.Out.Trim().Split(' ') is not [var hostname, { Length: > 0 } address]) return (tasks, $"{name} is coming or going");
                tasks.Add(new ServiceTask(new Container(host, name, network), network, hostname, address));
            }
        }

        return (tasks, null);
    }

    /// <summary>Asks the service again and again; every question must be answered.</summary>
    private static async Task<List<(string Server, string Client)>> AskAsync(Container client, string vip, int times)
    {
        var said = await client.ExecAsync("sh", "-c", $"for i in $(seq {times}); do timeout {10 * Run.Patience} wget -q -O - http://{vip}/cgi-bin/who || {{ echo failed $i; exit 1; }}; done");
        return [.. said.Split('\n').Select(line => line.Split(' ')).Select(words => (words[0], words[1]))];
    }

    private static async Task<JsonNode> BalancersAsync(LabHost host)
    {
        var (view, problem) = await TryBalancersAsync(host);
        Assert.True(view is not null, problem);
        return view;
    }

    private static async Task<(JsonNode? View, string Problem)> TryBalancersAsync(LabHost host)
    {
        var said = await host.TryShAsync($"curl -s --fail-with-body -m {20 * Run.Patience} --unix-socket /run/flannelflow/api.sock http://daemon/api/v1/load-balancers");
        return (said.Ok ? JsonNode.Parse(said.Out) : null, said.ToString());
    }

    private sealed record ServiceTask(Container Container, string Network, string Hostname, string Address);
}
