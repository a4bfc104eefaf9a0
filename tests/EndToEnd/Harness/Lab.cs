using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FlannelFlow.EndToEnd.Tests.Harness;

/// <summary>A lab of tests/lab/lab: hosts with a Docker Engine each, one swarm, one etcd; FlannelFlow installed and running on every host.</summary>
/// <remarks>Ended with all that is in it when the fixture ends, and when this process is told to end. The hosts' logs stay in artifacts/logs.</remarks>
public abstract class Lab : IAsyncLifetime
{
    /// <summary>Docker deletes networks from hosts quickly and the reconciler looks often, so that a test need not wait for minutes.</summary>
    private static readonly string[] QuickDaemon = ["NETWORK_LINGER=2", "SYNC_INTERVAL=2"];

    /// <summary>Docker removes what a test left, and quarantines end; what has not gone by then is not going.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(100);

    private readonly string _folder = Run.StandingLab ?? Path.Combine(Path.GetTempPath(), "ffe2e-" + Guid.NewGuid().ToString("N")[..8]);
    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly List<LabHost> _hosts = [];

    protected abstract int Count { get; }

    protected abstract string Name { get; }

    /// <summary>More programs in lab:latest.</summary>
    protected virtual string Tools => "";

    protected virtual string DockerdOptions => "";

    protected virtual int EtcdMembers => 1;

    protected virtual string EtcdOptions => "";

    /// <summary>The one that is up: there is one at a time.</summary>
    internal static Lab? Current { get; private set; }

    public IReadOnlyList<LabHost> Hosts => _hosts;

    /// <summary>A host by its number in the lab, from 1; host 1 is the swarm's manager.</summary>
    public LabHost this[int number] => _hosts[number - 1];

    /// <summary>What every host and etcd held before the first network.</summary>
    public Snapshot Bare { get; private set; } = new([], "");

    /// <summary>The prefix of the names that tests/lab/lab gives to things outside of its folder.</summary>
#pragma warning disable CA5350 // A name by sha1sum, no secret.
    internal string Id => "fl" + Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(_folder)))[..6];
#pragma warning restore CA5350

    /// <summary>Whether each host is a kernel of its own.</summary>
    public bool HasKernels => File.Exists(Path.Combine(StateFolder, "n1/kernel"));

    internal string StateFolder => Path.Combine(_folder, "state");

    public async ValueTask InitializeAsync()
    {
        if (!File.Exists(Path.Combine(Run.Daemon, "flannelflow")))
            throw new InvalidOperationException($"{Run.Daemon}/flannelflow is not there: run build/publish.sh, or set FLANNELFLOW_BIN");
        foreach (var signal in new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT })
            _signals.Add(PosixSignalRegistration.Create(signal, _ => Down()));
        try
        {
            foreach (var number in Enumerable.Range(1, Count)) _hosts.Add(new LabHost(this, number));
            if (Run.StandingLab is null) await UpAsync();
            else if (Directory.EnumerateDirectories(StateFolder, "n*").Count() != Count) throw new InvalidOperationException($"{_folder} is not a lab of {Count} hosts");
            Bare = await SnapshotAsync();
            Current = this;
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    /// <summary>The hosts, and FlannelFlow on them.</summary>
    protected virtual async Task UpAsync()
    {
        (await CommandAsync(["up", Text(Count), "--image", "--etcd-members", Text(EtcdMembers)])).Checked();
        await Task.WhenAll(_hosts.Select(host => host.StartDaemonAsync()));
        await Task.WhenAll(_hosts.Select(async host => (await CommandAsync(["plugin-install", Text(host.Number)])).Checked()));
        await PluginsKnownAsync();
    }

    /// <summary>The scheduler places tasks only on nodes whose plugin it knows; a node tells of it some time later (swarmkit: up to 20 s).</summary>
    protected Task PluginsKnownAsync() => Wait.UntilAsync("every node tells the swarm of its plugin", 60, async () =>
    {
        var nodes = await this[1].ShAsync("docker node ls -q | xargs docker node inspect -f '{{.Description.Hostname}} {{.Description.Engine.Plugins}}'");
        return nodes.Split('\n').All(node => node.Contains("flannelflow:latest", StringComparison.Ordinal)) ? null : nodes;
    });

    public ValueTask DisposeAsync()
    {
        foreach (var signal in _signals) signal.Dispose();
        Current = null;
        Down();
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    /// <summary>tests/lab/lab with its arguments.</summary>
    public Task<Said> CommandAsync(IEnumerable<string> arguments, IEnumerable<string>? daemonEnvironment = null, CancellationToken? ct = null)
    {
        var environment = new Dictionary<string, string?>
        {
            ["LAB"] = _folder,
            ["FLANNELFLOW_BIN"] = Run.Daemon,
            ["FLANNELFLOW_PLUGIN"] = Run.Plugin,
            ["LAB_ETCD_OPTS"] = EtcdOptions,
            ["LAB_DAEMON_ENV"] = string.Join('\n', QuickDaemon.Concat(Run.DaemonEnvironment).Concat(daemonEnvironment ?? [])),
        };
        if (Run.StandingLab is null)
        {
            environment["LAB_TOOLS"] = Tools;
            environment["LAB_DOCKERD_OPTS"] = DockerdOptions;
        }

        return Said.ByAsync(Run.LabScript, arguments, environment, ct ?? Run.Ct);
    }

    /// <summary>
    /// Without the hosts' presence, which their acknowledgements change at any time; a provisional address is the same before and after it is
    /// known to be spare.
    /// </summary>
    public async Task<string> EtcdDumpAsync() => string.Join('\n', (await CommandAsync(["etcd-dump"])).Checked().Split('\n')
        .Where(line => !line.StartsWith("/flannelflow/hosts/", StringComparison.Ordinal))
        .Select(line => line.Replace("\"state\":\"spare\"", "\"state\":\"reserved\"", StringComparison.Ordinal)));

    public async Task<string> EtcdctlAsync(params string[] arguments) => (await CommandAsync(["etcdctl", .. arguments])).Checked();

    public async Task<long> EtcdRevisionAsync() =>
        JsonNode.Parse(await EtcdctlAsync("get", "/", "-w", "json"))!["header"]!["revision"]!.GetValue<long>();

    /// <summary>All that hosts and etcd hold, as text.</summary>
    public async Task<Snapshot> SnapshotAsync()
    {
        var dumps = await Task.WhenAll(_hosts.Select(host => host.DumpAsync()));
        return new Snapshot(dumps, await EtcdDumpAsync());
    }

    /// <summary>Waits until hosts and etcd hold exactly what they held before.</summary>
    public Task<TimeSpan> UntilSameAsync(Snapshot before, int seconds, string when) =>
        Wait.UntilAsync($"hosts and etcd are as before {when}", seconds, async () => before.Difference(await SnapshotAsync()));

    /// <summary>
    /// The same, but for provisional addresses: Docker 20.10 keeps the attachment, and the leader's address with it, of a container whose
    /// network failed on the node (until dockerd ends).
    /// </summary>
    public Task<TimeSpan> UntilSameButProvisionalAsync(Snapshot before, int seconds, string when) =>
        Wait.UntilAsync($"hosts and etcd are as before {when}", seconds, async () =>
            before.WithoutProvisional().Difference((await SnapshotAsync()).WithoutProvisional()));

    /// <summary>
    /// Removes what a test left, so that the next one begins with a bare lab. A test that wants to prove that nothing is left does so itself.
    /// </summary>
    public async Task ClearAsync()
    {
        await this[1].TryShAsync("docker service ls -q | xargs -r docker service rm");
        await Task.WhenAll(_hosts.Select(host => host.TryShAsync("docker ps -aq | xargs -r docker rm -f")));
        // What a look at the dashboard leaves for good: the key of its cookies, and tokens.
        await Task.WhenAll(_hosts.Select(host => host.TryShAsync("rm -rf /var/lib/flannelflow/dashboard-keys")));
        await EtcdctlAsync("del", "/flannelflow/access/", "--prefix");
        if (!await NetworksRemovedAsync(20))
        {
            // Docker 20.10 keeps the attachment of a container whose network failed on the node until dockerd ends, and with it the network.
            await Task.WhenAll(_hosts.Select(async host =>
            {
                await host.LabAsync("dockerd-stop", "TERM");
                await host.LabAsync("dockerd-start");
            }));
            Assert.True(await NetworksRemovedAsync(300), "the networks of the last test cannot be removed");
        }

        for (var since = Stopwatch.StartNew(); Bare.Difference(await SnapshotAsync()) is { } left;)
        {
            if (since.Elapsed > Settling * Run.Patience)
            {
                await StartAnewAsync(left);
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, Run.Ct);
        }
    }

    private async Task<bool> NetworksRemovedAsync(int attempts)
    {
        for (var attempt = 0; attempt < attempts; attempt++)
        {
            var said = await this[1].TryShAsync(
                "docker network ls --format '{{.ID}} {{.Name}} {{.Scope}}' | awk '$3 == \"swarm\" && $2 != \"ingress\" {print $1}' | xargs -r docker network rm");
            if (said.Ok) return true;
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Run.Ct);
        }

        return false;
    }

    /// <summary>By hand, what a failed test left and nothing takes away, so that the next one is not judged by it.</summary>
    private async Task StartAnewAsync(string left)
    {
        // On the console, where ./test finds it: a later test that passes hides what an earlier one left.
        Console.WriteLine($"the lab was not bare after the last test, its FlannelFlow state is deleted:\n{left}");
        await Task.WhenAll(_hosts.Select(host => host.TryShAsync(
            "kill -9 $(cat /run/flannelflow.lab.pid) $(pgrep -x flanneld); while [ -d /proc/$(cat /run/flannelflow.lab.pid) ]; do sleep .05; done; " +
            "for l in $(ip -br link | grep -oE '^(ffbr|ffvip|ffv|ffc|flannel)[.0-9a-f]*'); do ip link del $l; done; " +
            "nft delete table inet flannelflow; nft delete table ip flannelflow-nat; ip xfrm policy flush; ip xfrm state flush; " +
            "iptables -S DOCKER-USER | grep flannelflow | sed 's/^-A/-D/' | while read -r rule; do iptables $rule; done; " +
            "rm -rf /var/lib/flannelflow/networks /var/lib/flannelflow/journal.db* /var/lib/flannelflow/crashed-at-*")));
        await EtcdctlAsync("del", "/", "--prefix");
        await Task.WhenAll(_hosts.Select(host => host.StartDaemonAsync()));
        // A restarted dockerd puts its own rules in another order or place: what is there now is Docker's, and the new measure.
        Bare = await SnapshotAsync();
    }

    /// <summary>docker network create, with FlannelFlow as both drivers and the options given.</summary>
    public async Task<string> CreateNetworkAsync(string name, params string[] options) =>
        await this[1].DockerAsync(["network", "create", "-d", "flannelflow:latest", "--ipam-driver", "flannelflow:latest", "--attachable", .. options, name]);

    public async Task RemoveNetworkAsync(string name) => await Wait.UntilAsync($"docker network rm {name}", 20, async () =>
    {
        // Docker refuses while it has not yet heard that the last container is gone.
        var said = await this[1].TryDockerAsync("network", "rm", name);
        return said.Ok ? null : said.All;
    });

    /// <summary>Everything of FlannelFlow in etcd: key to value.</summary>
    public async Task<SortedDictionary<string, string>> EtcdAsync(string prefix = "/")
    {
        var answer = JsonNode.Parse(await EtcdctlAsync("get", prefix, "--prefix", "-w", "json"))!;
        var entries = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in answer["kvs"]?.AsArray() ?? [])
            entries[Decode(entry!["key"])] = Decode(entry["value"]);
        return entries;
    }

    /// <summary>Every change of a prefix since a revision, from etcd's own history.</summary>
    public async Task<IReadOnlyList<EtcdChange>> EtcdHistoryAsync(string prefix, long fromRevision)
    {
        var until = await EtcdRevisionAsync();
        // A watch never ends by itself: a key outside the prefix is no end mark, so it is given time and the last revision is checked below.
        var said = await this.CommandAsync(["switch", "timeout", "5", "env", "ETCDCTL_API=3", "etcdctl", "--endpoints", "http://10.77.0.1:2379",
            "watch", prefix, "--prefix", "--rev=" + Text(fromRevision), "-w", "json"]);
        var changes = new List<EtcdChange>();
        long seen = 0;
        foreach (var line in said.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            JsonNode? answer;
            try
            {
                answer = JsonNode.Parse(line);
            }
            catch (JsonException)
            {
                continue; // cut off by the timeout; the check below finds what is missing
            }

            seen = Math.Max(seen, answer!["Header"]?["revision"]?.GetValue<long>() ?? 0);
            foreach (var happened in answer["Events"]?.AsArray() ?? [])
            {
                changes.Add(new EtcdChange(
                    happened!["kv"]!["mod_revision"]!.GetValue<long>(),
                    Decode(happened["kv"]!["key"]),
                    happened["type"]?.GetValue<int>() == 1 ? null : Decode(happened["kv"]!["value"])));
            }
        }

        Assert.True(changes.Count == 0 || seen >= until || changes[^1].Revision <= until, $"etcd's history ended at {seen} of {until}: {said.Error}");
        return changes;
    }

    private static string Decode(JsonNode? base64) => base64 is null ? "" : Encoding.UTF8.GetString(Convert.FromBase64String(base64.GetValue<string>()));

    internal static string Text(long number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Also from a signal handler, so it waits; the logs are copied out first.</summary>
    private void Down()
    {
        if (!Directory.Exists(_folder)) return;
        foreach (var host in Directory.EnumerateDirectories(StateFolder, "n*")) KeepLogs(host);
        if (Run.StandingLab is not null) return;
        using var down = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(Run.LabScript, ["down"])
        {
            Environment = { ["LAB"] = _folder },
        })!;
        down.WaitForExit();
    }

    /// <summary>What cannot be kept, such as a journal's file that its daemon has just removed, is left out.</summary>
    private void KeepLogs(string host)
    {
        var target = Directory.CreateDirectory(Path.Combine(Run.Root, "artifacts/logs", Name, Path.GetFileName(host))).FullName;
        var all = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true };
        var state = Path.Combine(host, "flannelflow");
        var kept = Kept(Path.Combine(host, "log"), "*.log").Concat(Kept(state, "journal.db*")).Concat(Kept(state, "flanneld.log"));
        foreach (var log in kept.ToList())
        {
            try
            {
                File.Copy(log, Path.Combine(target, Path.GetFileName(log)), overwrite: true);
            }
            catch (IOException)
            {
                continue;
            }
        }

        IEnumerable<string> Kept(string folder, string pattern) => Directory.Exists(folder) ? Directory.EnumerateFiles(folder, pattern, all) : [];
    }
}

/// <summary>A change in etcd; null: deleted.</summary>
public sealed record EtcdChange(long Revision, string Key, string? Value);

/// <summary>All that the hosts of a lab and its etcd hold, as text.</summary>
public sealed record Snapshot(IReadOnlyList<string> Hosts, string Etcd)
{
    public Snapshot WithoutProvisional() => this with
    {
        Etcd = string.Join('\n', Etcd.Split('\n').Where(line => !line.Contains("\"kind\":\"provisional\"", StringComparison.Ordinal))),
    };

    /// <summary>Null if nothing differs.</summary>
    public string? Difference(Snapshot after)
    {
        var differences = Hosts.Zip(after.Hosts)
            .Select((pair, index) => (Where: $"host {index + 1}", Diff: TextDiff.Of(pair.First, pair.Second)))
            .Append((Where: "etcd", Diff: TextDiff.Of(Etcd, after.Etcd)))
            .Where(difference => difference.Diff is not null)
            .Select(difference => $"{difference.Where}:\n{difference.Diff}");
        var text = string.Join('\n', differences);
        return text.Length == 0 ? null : text;
    }
}
