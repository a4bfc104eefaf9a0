using System.Globalization;
using System.Text.RegularExpressions;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests.Faults;

/// <summary>What lives in the lab while faults happen: a container on each host, a service with a task on each, and traffic between them.</summary>
internal sealed partial class FaultScene(Lab lab)
{
    private Container[] _containers = [];
    private string _vip = "";
    private bool _isRenamed;

    public Lab Lab => lab;

    /// <summary>That things happen to.</summary>
    public LabHost Host => lab[3];

    /// <summary>What <see cref="Host"/> is called at present; <see cref="RenameHostAsync"/> goes to and fro between two names.</summary>
    public string HostName => _isRenamed ? OtherName : FirstName;

    private string FormerName => _isRenamed ? FirstName : OtherName;

    private string FirstName => $"n{Host.Number}";

    /// <summary>Before all others in the order of names, as the first one is after them.</summary>
    private static string OtherName => "alias3";

    public Snapshot Before { get; private set; } = new([], "");

    public string PoolFolder { get; private set; } = "";

    public string Bridge { get; private set; } = "";

    public string Vxlan => Bridge.Replace("ffbr", "flannel", StringComparison.Ordinal);

    /// <summary>Of the container on host 3, at this moment.</summary>
    public string Veth { get; private set; } = "";

    public async Task BeginAsync()
    {
        await lab.CreateNetworkAsync("net1");
        _containers = await Task.WhenAll(lab.Hosts.Select(host => host.StartAsync($"c{host.Number}", "net1", "--restart", "always")));
        await lab[1].DockerAsync(
            "service", "create", "-d", "--name", "web", "--mode", "global", "--network", "net1", "--stop-grace-period", "1s", "lab:latest",
            "sh", "-c", "mkdir -p /tmp/w && hostname >/tmp/w/index.html && exec httpd -f -h /tmp/w");
        await Wait.UntilAsync("a task of the service runs on each host, with a VIP", 90, async () =>
        {
            var running = await Task.WhenAll(lab.Hosts.Select(host => host.DockerAsync("ps", "-q", "--filter", "label=com.docker.swarm.service.name=web")));
            _vip = (await lab[1].DockerAsync("service", "inspect", "-f", "{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}", "web")).Split('/')[0];
            return running.All(ids => ids.Trim().Length > 0) && _vip.Length > 0 ? null : string.Join(' ', running);
        });
        PoolFolder = (await lab.EtcdAsync("/flannelflow/address-space/pools/")).Keys.Single().Split('/')[^1];
        Bridge = (await Host.ShAsync("ls /sys/class/net | grep ^ffbr")).Trim();
        await UntilServedAsync(90);

        // What the names' servers and the leader still have to do after a start is over when two pictures are the same.
        var earlier = "";
        await Wait.UntilAsync("the lab is at rest", 90, async () =>
        {
            await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System, Run.Ct);
            Before = await PictureAsync();
            var now = string.Join('\n', Before.Hosts) + Before.Etcd;
            var same = now == earlier;
            earlier = now;
            return same ? null : "it still changes";
        });
    }

    /// <summary>Before each fault: which device is whose.</summary>
    public async Task LookAsync()
    {
        var endpoint = (await Host.DockerAsync("inspect", "-f", "{{.NetworkSettings.Networks.net1.EndpointID}}", "c3")).Trim();
        Veth = "ffv" + endpoint[..11];
    }

    public Task<PingLoop> PingsAsync() => PingsOfAsync(_containers[0], _containers[1]);

    public async Task<string> EtcdLeaderAsync() => (await lab.CommandAsync(["etcd-leader"])).Checked();

    public async Task LabAsync(params string[] arguments) => (await lab.CommandAsync(arguments)).Checked();

    public async Task DockerdAsync()
    {
        await Host.LabAsync("dockerd-start");
        await NodeReadyAsync();
        await ContainerRunsAsync();
    }

    /// <summary>
    /// The host's container runs again. Docker starts it, or gives up (<see cref="LabHost.IsGivenUp"/>): then a person has to.
    /// </summary>
    public Task<TimeSpan> ContainerRunsAsync() => Wait.UntilAsync("the host's container runs again", 120, async () =>
    {
        var state = await Host.TryDockerAsync("inspect", "-f", "{{.State.Status}} {{.State.Error}}", "c3");
        if (state.Ok && state.Out.StartsWith("running", StringComparison.Ordinal)) return null;
        if (!LabHost.IsGivenUp(state.All)) return state.All;
        var started = await Host.TryDockerAsync("start", "c3");
        Run.Say($"Docker gave up: {state.All.Trim()}; docker start c3: {(started.Ok ? "it runs" : started.All)}");
        return started.Ok ? null : started.All;
    });

    public Task<TimeSpan> NodeReadyAsync() => Wait.UntilAsync($"host {Host.Number} is ready in the swarm", 120, async () =>
    {
        var nodes = await lab[1].TryDockerAsync("node", "ls", "--format", "{{.Hostname}} {{.Status}}");
        return nodes.Out.Split('\n').Contains($"{HostName} Ready") ? null : nodes.All;
    });

    public async Task LeaveSwarmAsync()
    {
        await Host.DockerAsync("swarm", "leave");
        await Wait.UntilAsync("the swarm knows that the host is gone", 60, async () =>
        {
            var removed = await lab[1].TryDockerAsync("node", "rm", HostName);
            return removed.Ok ? null : removed.All;
        });
    }

    /// <summary>And the host's container is started anew: it keeps no network of a swarm that its host has left.</summary>
    public async Task JoinSwarmAsync()
    {
        var token = await lab[1].DockerAsync("swarm", "join-token", "-q", "worker");
        await Host.DockerAsync("swarm", "join", "--token", token.Trim(), "--advertise-addr", Host.Address, $"{lab[1].Address}:2377");
        await NodeReadyAsync();
        await Host.TryDockerAsync("rm", "-f", "c3");
        await Wait.UntilAsync("the host's container is started anew", 60, async () =>
        {
            var started = await Host.TryDockerAsync("run", "-d", "--name", "c3", "--network", "net1", "--restart", "always", "lab:latest", "sleep", "100000");
            if (!started.Ok) await Host.TryDockerAsync("rm", "-f", "c3");
            return started.Ok ? null : started.All;
        });
    }

    public async Task RenameHostAsync()
    {
        _isRenamed = !_isRenamed;
        await Host.LabAsync("hostname", HostName);
    }

    /// <summary>Nothing in etcd is called by the host's former name, and the container that runs there is known by its one address.</summary>
    public Task<TimeSpan> UntilFormerNameGoneAsync() => Wait.UntilAsync($"nothing is left of {FormerName}", 90, async () =>
    {
        var left = (await lab.EtcdAsync()).Where(entry => Word(FormerName).IsMatch($"{entry.Key} {entry.Value}")).Select(entry => $"{entry.Key} = {entry.Value}").ToList();
        if (left.Count > 0) return string.Join('\n', left);
        var address = (await Host.DockerAsync("inspect", "-f", "{{.NetworkSettings.Networks.net1.IPAddress}}", "c3")).Trim();
        var names = (await _containers[0].TryExecAsync("nslookup", "-type=a", "c3")).All;
        return Regex.Matches(names, @"^Address:\s*(10\.1[2-4]\S+)", RegexOptions.Multiline).Select(match => match.Groups[1].Value).SequenceEqual([address]) ? null : names;
    });

    /// <summary>Kernel, etcd and Docker are as before the fault on every host, and the containers reach each other and the service.</summary>
    public async Task<TimeSpan> UntilHealedAsync(string fault, int seconds)
    {
        var took = await Wait.UntilAsync($"hosts and etcd are as before: {fault}", seconds, async () => Before.Difference(await PictureAsync()));
        await UntilServedAsync(60);
        return took;
    }

    /// <summary>The command that host 3's drift list tells a person.</summary>
    public async Task<string> UntilToldAsync(string command)
    {
        var told = "";
        await Wait.UntilAsync($"the drift list of host {Host.Number} says {command}", 60, async () =>
        {
            told = (await Host.TryShAsync($"{Run.Daemon}/flannelflow drift")).All;
            return told.Contains(command, StringComparison.Ordinal) ? null : told;
        });
        return command;
    }

    /// <summary>Each host's drift list is empty.</summary>
    public Task<TimeSpan> UntilNoDriftAsync() => Wait.UntilAsync("no host finds a difference", 60, async () =>
    {
        var said = await Task.WhenAll(lab.Hosts.Select(host => host.TryShAsync($"{Run.Daemon}/flannelflow drift")));
        return said.All(one => one.Ok) ? null : string.Join('\n', said.Select(one => one.All));
    });

    public async Task NoAddressTwiceAsync()
    {
        var said = await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync(
            "docker ps -q | xargs -r docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}{{.Name}}' | grep -E '^10\\.1[2-4]' || true")));
        var held = said.SelectMany(lines => lines.Split('\n', StringSplitOptions.RemoveEmptyEntries)).Select(line => line.Split(' ')[0]).ToList();
        Assert.Equal(held.Distinct().Count(), held.Count);
    }

    private static async Task<PingLoop> PingsOfAsync(Container one, Container other) => await one.PingLoopAsync(await other.AddressAsync());

    private Task<TimeSpan> UntilServedAsync(int seconds) => Wait.UntilAsync("every container reaches every other, and the service", seconds, async () =>
    {
        foreach (var one in _containers)
        {
            foreach (var other in _containers.Where(other => other != one))
            {
                var address = await lab[other.Host.Number].TryDockerAsync("inspect", "-f", "{{.NetworkSettings.Networks.net1.IPAddress}}", other.Name);
                if (!address.Ok || !await one.ReachesAsync(address.Out.Trim())) return $"{one.Name} does not reach {other.Name}: {address.All}";
            }

            var asked = await one.TryExecAsync("timeout", "5", "wget", "-q", "-O", "-", $"http://{_vip}/");
            if (!asked.Ok) return $"{one.Name} does not reach the service: {asked.All}";
        }

        return null;
    });

    /// <summary>Without ids, addresses, and what Docker keeps of tasks that ended; the order of lines, and of elements in one, does not count.</summary>
    private async Task<Snapshot> PictureAsync()
    {
        var snapshot = Normal.Of((await lab.SnapshotAsync()).WithoutProvisional());
        return new Snapshot([.. snapshot.Hosts.Select(Plain)], Plain(snapshot.Etcd));
    }

    /// <summary>Which host asked for an address of the leader's does not count either: of those that etcd lost, any manager or host writes it.</summary>
    private string Plain(string text) => string.Join('\n', TaskIds().Replace(Named(text), "ID").Split('\n')
        .Select(line => line.Contains("/service/ADDRESS", StringComparison.Ordinal) ? Asker().Replace(line, "\"host\":\"*\"") : line)
        .Where(line => !line.StartsWith("container web.", StringComparison.Ordinal))
        .Select(line => line.Contains("elements = {", StringComparison.Ordinal) || line.Contains("ADDRESS", StringComparison.Ordinal)
            ? string.Join(' ', line.Split([' ', ','], StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)) : line)
        .Order(StringComparer.Ordinal));

    /// <summary>As if the host had its first name; its former one does not pass for it.</summary>
    private string Named(string text) => Word(HostName).Replace(Word(FormerName).Replace(text, "former-name"), FirstName);

    private static Regex Word(string word) => new($@"\b{word}\b");

    [GeneratedRegex("\"host\":\"n[0-9]\"")]
    private static partial Regex Asker();

    [GeneratedRegex("(?<![0-9a-z])[0-9a-z]{25}(?![0-9a-z])")]
    private static partial Regex TaskIds();

    public static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("F1", CultureInfo.InvariantCulture);
}
