using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>Containers of a service go away while clients on two hosts ask it all the time: nobody notices.</summary>
[Collection(DrainingHostsCollection.Name)]
[Trait("Needs", "docker")]
[Trait("Share", "third")]
public sealed partial class DrainTests(DrainingHosts lab) : IAsyncLifetime
{
    private const string Net = "web-net";

    public async ValueTask InitializeAsync() => await lab.ClearAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task UpdatesScalesAndADrainedNode_UnderLoad_NoRequestFails_AndNoServerThatStopsIsAsked()
    {
        await lab.CreateNetworkAsync(Net);
        await ServeAsync("web", 6);
        var clients = await ClientsAsync("web", 6);
        var address = await VipAsync("web");
        await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync("rm -f /var/log/late; touch /var/log/late; chmod 666 /var/log/late")));
        var loads = await Task.WhenAll(clients.Select(client => LoadRun.BeginAsync(client, address)));

        await UpdateAsync("--force --update-order start-first --update-parallelism 3 --update-delay 0s --update-monitor 1s web", 6);
        await UpdateAsync("--force --update-order stop-first --update-parallelism 2 --update-delay 0s --update-monitor 1s web", 6);
        await UpdateAsync("--replicas 2 web", 2);
        await UpdateAsync("--replicas 6 web", 6);
        await lab[1].DockerAsync("node", "update", "--availability", "drain", "n3");
        await RunningAsync("web", 6, "n1 n2");
        await lab[1].DockerAsync("node", "update", "--availability", "active", "n3");

        var results = await Task.WhenAll(loads.Select(load => load.EndAsync()));
        Run.Say(string.Join('\n', results.Select(result => result.ToString())));
        Assert.All(results, result => Assert.True(result.Failed == 0, result.ToString()));
        Assert.All(results, result => Assert.True(result.Requests > 200, $"hardly anything was asked: {result}"));
        Assert.All(await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync("cat /var/log/late"))), late => Assert.Equal("", late));
        await NoDrainIsOpenAsync();
    }

    [Fact]
    public async Task Tasks_ThatListenLongAfterTheirStart_GetNothingBefore()
    {
        await lab.CreateNetworkAsync(Net);
        await ServeAsync("web", 2, sleep: 4);
        var clients = await ClientsAsync("web", 2);
        var address = await VipAsync("web");
        var loads = await Task.WhenAll(clients.Select(client => LoadRun.BeginAsync(client, address)));

        await UpdateAsync("--replicas 4 web", 4);
        await ReachedAsync(clients, address, 4);
        await UpdateAsync($"--force --update-order start-first --update-parallelism 2 --update-delay {8 * Run.Patience}s --update-monitor 1s web", 4);

        var results = await Task.WhenAll(loads.Select(load => load.EndAsync()));
        Run.Say(string.Join('\n', results.Select(result => result.ToString())));
        Assert.All(results, result => Assert.True(result.Failed == 0, result.ToString()));
        Assert.All(results, result => Assert.True(result.Requests > 200, $"hardly anything was asked: {result}"));
    }

    [Fact]
    public async Task DockerStop_OfOneContainer_ByTheRuntimeWrapper_NoRequestFails()
    {
        await lab.CreateNetworkAsync(Net);
        await ServeAsync("web", 3);
        var clients = await ClientsAsync("web", 3);
        await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync("rm -f /var/log/late; touch /var/log/late; chmod 666 /var/log/late")));
        var loads = await Task.WhenAll(clients.Select(async client => await LoadRun.BeginAsync(client, await VipAsync("web"))));

        await lab[2].ShAsync("docker stop $(docker ps -q --filter label=com.docker.swarm.service.name=web)");
        await RunningAsync("web", 3);

        var results = await Task.WhenAll(loads.Select(load => load.EndAsync()));
        Assert.All(results, result => Assert.True(result.Failed == 0, result.ToString()));
        Assert.All(await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync("cat /var/log/late"))), late => Assert.Equal("", late));
        await NoDrainIsOpenAsync();
    }

    [Fact]
    public async Task ConnectionsLongerThanTheLimit_AreCut_AndTheDrainSaysSo()
    {
        await lab.CreateNetworkAsync(Net);
        await ServeAsync("web", 2, "--label flannelflow.drain.limit=3 --stop-grace-period 60s");
        var client = (await ClientsAsync("web", 2))[0];
        var mark = lab[1].LogMark();
        var address = await VipAsync("web");
        var load = await LoadRun.BeginAsync(client, address, shorts: 0, kept: 0, downloads: 4, seconds: 40);
        await Wait.UntilAsync("downloads go on", 60, async () =>
        {
            // Of the VIP only: the host's DNS server has connections of its own in the sandbox.
            var connections = await client.ExecAsync("sh", "-c", $"netstat -tn | grep ' {address}:80 ' | grep -c ESTABLISHED || true");
            return connections.Trim() == "4" ? null : $"{connections.Trim()} connections, not 4";
        });

        await lab[1].DockerAsync("service", "scale", "--detach", "web=1");

        var said = await lab[1].UntilLogAsync(mark, "drained after .* Forced, [12] connections at the start, [12] cut", 60);
        Run.Say(said);
        var result = await load.EndAsync();
        Assert.InRange(result.Failed, 1, 4);
        await NoDrainIsOpenAsync();
    }

    public static TheoryData<string> Crashes => Run.IsLong
        ? ["set-weight-zero/after-effect", "wait-for-connections/after-effect", "remove-destination/after-effect", "acknowledge/after-effect"]
        : ["set-weight-zero/after-effect"];

    [Theory]
    [MemberData(nameof(Crashes))]
    public async Task Daemon_ThatDiesAtAStepOfADrain_EndsItAfterwards(string crash)
    {
        await lab.CreateNetworkAsync(Net);
        await ServeAsync("web", 2);
        await ClientsAsync("web", 2);
        await lab[1].StopDaemonAsync();
        await lab[1].StartDaemonAsync($"FLANNELFLOW_CRASH_AT=connection-drain/{crash}");
        await RunningAsync("web", 2);

        await lab[1].DockerAsync("service", "scale", "--detach", "web=1");
        await lab[1].DaemonEndAsync();
        await lab[1].StartDaemonAsync();

        await RunningAsync("web", 1);
        await NoDrainIsOpenAsync();
        await Wait.UntilAsync("one backend is left", 60, async () => await BackendsAsync(lab[1]) is var left && left == 1 ? null : $"{left}");
        await lab[1].ShAsync("rm -f /var/lib/flannelflow/crashed-at-*");
    }

    [Fact]
    public async Task KernelThatRefuses_IsAnIncident_WhichAnotherHostMends()
    {
        Assert.SkipWhen(await IsIpvsAsync(), "the plane is ipvs, which is changed by no program that could be made to fail");
        await lab.CreateNetworkAsync(Net);
        await ServeAsync("web", 3);
        await ClientsAsync("web", 3);
        // Whatever changes rules on host 2 fails from here on; reading them still works.
        await lab[2].ShAsync(
            "cp /usr/sbin/nft /run/nft && printf '#!/bin/sh\nfor a; do case $a in -f|delete|add|flush) echo injected >&2; exit 1;; esac; done\nexec /run/nft \"$@\"\n' >/run/nft-refuses " +
            "&& chmod +x /run/nft-refuses && mount --bind /run/nft-refuses /usr/sbin/nft");
        try
        {
            await lab[1].DockerAsync("service", "scale", "--detach", "web=1");
            await Wait.UntilAsync("host 1 sees the two drains of host 2 that wait for a person", 90, async () =>
            {
                var list = await DrainsAsync(lab[1]);
                return list.Count(drain => drain["host"]!.GetValue<string>() == "n2" && drain["status"]!.GetValue<string>() == "suspended") == 2 ? null : new JsonArray([.. list.Select(drain => drain.DeepClone())]).ToJsonString();
            });
        }
        finally
        {
            await lab[2].ShAsync("umount /usr/sbin/nft");
        }

        var ids = (await DrainsAsync(lab[1])).Where(drain => drain["host"]!.GetValue<string>() == "n2").Select(drain => drain["id"]!.GetValue<string>()).ToList();
        Assert.Equal(2, ids.Count);
        var said = await lab[1].ShAsync($"{Run.Daemon}/flannelflow drains retry {ids[0]} --who alice --reason 'nft is back'");
        Assert.Contains(ids[0], said, StringComparison.Ordinal);
        await RetryInDashboardAsync(ids[1]);

        await NoDrainIsOpenAsync();
        foreach (var id in ids)
        {
            var audit = await lab[2].ShAsync($"{Run.Daemon}/flannelflow workflows show {id}");
            Assert.Contains("alice", audit, StringComparison.Ordinal);
            Assert.Contains("from n1", audit, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task ManyContainers_ThatStopAtOnce_AllStop()
    {
        var count = Run.IsLong ? 200 : 20;
        await lab.CreateNetworkAsync(Net);
        await lab[1].DockerAsync("service", "create", "--detach", "--name", "web", "--network", Net, "--replicas", count.ToString(CultureInfo.InvariantCulture), "lab:latest", "traffic", "serve", "80");
        await RunningAsync("web", count);

        var took = Stopwatch.StartNew();
        await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync("docker ps -q --filter label=com.docker.swarm.service.name=web | xargs docker stop -t 30 >/dev/null")));
        Run.Say(string.Create(CultureInfo.InvariantCulture, $"{count} stops on {lab.Hosts.Count} hosts at once: all done after {took.Elapsed.TotalSeconds:0.0} s"));

        await lab[1].DockerAsync("service", "rm", "web");
        await Wait.UntilAsync("no task is left", 120, async () =>
        {
            var left = await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync("docker ps -q")));
            return left.All(ids => ids.Length == 0) ? null : string.Join('\n', left);
        });
        await NoDrainIsOpenAsync();
    }

    /// <param name="sleep">Seconds for which a task runs before it listens.</param>
    private Task<string> ServeAsync(string name, int replicas, string options = "", int sleep = 0) => lab[1].ShAsync(string.Create(
        CultureInfo.InvariantCulture,
        $"docker service create --detach --name {name} --network {Net} --replicas {replicas} --stop-grace-period 20s {options} --mount type=bind,src=/var/log,dst=/late lab:latest sh -c 'sleep {sleep}; exec traffic serve 80 /late/late'"));

    private Task UpdateAsync(string arguments, int replicas) => UpdateAsync(arguments, replicas, "");

    private async Task UpdateAsync(string arguments, int replicas, string nodes)
    {
        await lab[1].ShAsync($"docker service update --detach {arguments}");
        await RunningAsync("web", replicas, nodes);
    }

    /// <summary>Until exactly so many tasks run, the update is over, and nothing else of the service runs any more.</summary>
    private Task<TimeSpan> RunningAsync(string service, int replicas, string nodes = "") => Wait.UntilAsync($"{replicas} tasks of {service} run {nodes}", Run.IsLong ? 900 : 300, async () =>
    {
        var state = await lab[1].ShAsync($"docker service inspect -f '{{{{if .UpdateStatus}}}}{{{{.UpdateStatus.State}}}}{{{{end}}}}' {service}");
        var tasks = (await lab[1].ShAsync($"docker service ps --no-trunc --format '{{{{.Node}}}} {{{{.DesiredState}}}} {{{{.CurrentState}}}}' {service}")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var wanted = tasks.Where(task => task.Contains(" Running Running", StringComparison.Ordinal) && (nodes.Length == 0 || nodes.Split(' ').Contains(task.Split(' ')[0]))).Count();
        var others = tasks.Count(task => task.Contains(" Shutdown Running", StringComparison.Ordinal));
        return state is not "updating" && wanted == replicas && others == 0 ? null : $"{state}\n{string.Join('\n', tasks)}";
    });

    private async Task<string> VipAsync(string service) =>
        (await lab[1].ShAsync($"docker service inspect -f '{{{{range .Endpoint.VirtualIPs}}}}{{{{.Addr}}}}{{{{end}}}}' {service}")).Split('/')[0].Trim();

    /// <summary>A client on each of two hosts, once the service is reached from both with all its tasks.</summary>
    private async Task<Container[]> ClientsAsync(string service, int replicas)
    {
        await RunningAsync(service, replicas);
        var clients = await Task.WhenAll(lab[1].StartAsync("client1", Net), lab[2].StartAsync("client2", Net));
        await ReachedAsync(clients, await VipAsync(service), replicas);
        return clients;
    }

    private static Task<TimeSpan> ReachedAsync(Container[] clients, string address, int tasks) => Wait.UntilAsync($"{tasks} tasks are reached from both hosts", 90, async () =>
    {
        foreach (var client in clients)
        {
            var names = await client.TryExecAsync("sh", "-c", $"set -o pipefail; traffic ask {address} 80 {5 * tasks} | sort -u");
            if (!names.Ok || names.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length < tasks) return $"{client.Name}: {names.All}";
        }

        return null;
    });

    private static async Task<IReadOnlyList<JsonNode>> DrainsAsync(LabHost host) =>
        [.. JsonNode.Parse(await host.ShAsync($"{Run.Daemon}/flannelflow drains list --json"))!["items"]!.AsArray().Select(drain => drain!)];

    private Task<TimeSpan> NoDrainIsOpenAsync() => Wait.UntilAsync("no drain is open on any host", 90, async () =>
    {
        var drains = await DrainsAsync(lab[1]);
        return drains.Count == 0 ? null : string.Join('\n', drains.Select(drain => drain.ToJsonString()));
    });

    private async Task<bool> IsIpvsAsync() => (await lab[2].TryShAsync("test -e /proc/net/ip_vs")).Ok;

    /// <summary>How many addresses stand behind VIPs in the host's kernel, whichever its plane.</summary>
    private static async Task<int> BackendsAsync(LabHost host) => int.Parse(
        await host.ShAsync(
            "if [ -e /proc/net/ip_vs ]; then sed -n 's/^  -> \\([0-9A-F]*\\):.*/\\1/p' /proc/net/ip_vs | sort -u; " +
            "else nft list map ip flannelflow-nat weights | grep -o '[.] tcp : '; fi | wc -l"),
        CultureInfo.InvariantCulture);
}
