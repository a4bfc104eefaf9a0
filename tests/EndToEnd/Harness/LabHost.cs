using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace FlannelFlow.EndToEnd.Tests.Harness;

/// <summary>A host of a lab.</summary>
public sealed partial class LabHost(Lab lab, int number)
{
    public int Number { get; } = number;

    /// <summary>By name, as tests/lab/lab makes it.</summary>
    public string NetworkNamespace => $"{lab.Id}-n{N}";

    public string Address => $"10.77.0.{10 + Number}";

    /// <summary>On this machine: the host's /var/lib/flannelflow.</summary>
    public string StateFolder => Path.Combine(lab.StateFolder, $"n{Number}", "flannelflow");

    /// <summary>The daemon's socket for dockerd's calls.</summary>
    public string PluginSocket => Path.Combine(StateFolder, "plugin/daemon.sock");

    public string DaemonLog => LogFile("flannelflow.log");

    /// <summary>Of dockerd for a container whose attachment to a swarm's network was refused, or took too long.</summary>
    private const string AttachmentFailed = "attaching to network failed";

    /// <summary>Machines with a systemd have none.</summary>
    private string DockerLog => LogFile("dockerd.log");

    /// <summary>On this machine: a file of the host's /var/log.</summary>
    public string LogFile(string name) => Path.Combine(lab.StateFolder, $"n{Number}", "log", name);

    /// <summary>Of the lab: what LAB is for tests/lab/lab.</summary>
    public string LabFolder => Path.GetDirectoryName(lab.StateFolder)!;

    private string N => Number.ToString(CultureInfo.InvariantCulture);

    public Task<Said> TryShAsync(string script, CancellationToken? ct = null) => lab.CommandAsync(["exec", N, "sh", "-c", script], ct: ct);

    /// <summary>A shell command in the host; what it printed.</summary>
    public async Task<string> ShAsync(string script) => (await TryShAsync(script)).Checked();

    public Task<Said> TryDockerAsync(params string[] arguments) => lab.CommandAsync(["exec", N, "docker", .. arguments]);

    public async Task<string> DockerAsync(params string[] arguments) => (await TryDockerAsync(arguments)).Checked();

    /// <summary>The host's dump, without what a crash point leaves on purpose.</summary>
    public async Task<string> DumpAsync() =>
        CrashMarkers().Replace((await lab.CommandAsync(["dump", N])).Checked(), "");

    public async Task StartDaemonAsync(params string[] environment) =>
        (await lab.CommandAsync(["daemon-start", N], environment)).Checked();

    /// <param name="signal">TERM or KILL.</param>
    public async Task StopDaemonAsync(string signal = "TERM") => (await lab.CommandAsync(["daemon-stop", N, signal])).Checked();

    public async Task RestartDaemonAsync(params string[] environment)
    {
        await StopDaemonAsync();
        await StartDaemonAsync(environment);
    }

    /// <summary>Completes when the daemon that now runs is gone.</summary>
    public Task<Said> DaemonEndAsync() => TryShAsync("p=$(cat /run/flannelflow.lab.pid); while [ -d /proc/$p ]; do sleep .05; done");

    public async Task LabAsync(string command, params string[] more) => (await lab.CommandAsync([command, N, .. more])).Checked();

    /// <summary>docker run -d of a container that sleeps; once more if Docker's own gossip with another host timed out meanwhile.</summary>
    /// <remarks>
    /// A host joins a network's gossip before its first container there, and waits 30 s for another host's answer; the container's attachment is given 20
    /// (moby libnetwork/networkdb/cluster.go: bulkSyncNode; daemon/cluster/networks.go: AttachNetwork).
    /// </remarks>
    public async Task<Container> StartAsync(string name, string network, params string[] options)
    {
        string[] run = ["run", "-d", "--name", name, "--network", network, .. options, "lab:latest", "sleep", "100000"];
        var mark = MarkOf(DockerLog);
        var said = await TryDockerAsync(run);
        if (!said.Ok && said.All.Contains(AttachmentFailed, StringComparison.Ordinal) && await GossipTimedOutAsync(mark))
        {
            Run.Say($"host {Number}: {said.All.Trim()}; once more");
            await DockerAsync("rm", "-f", name);
            said = await TryDockerAsync(run);
        }

        said.Checked();
        return new Container(this, name, network);
    }

    /// <summary>
    /// Whether a container's error is one after which dockerd does not start it by itself, whatever its restart policy: its attachment failed; or the last task
    /// of before on the network was taken away between the attachment and the endpoint, and the network with it (moby/libnetwork issue 2341).
    /// </summary>
    public static bool IsGivenUp(string error) => error.Contains(AttachmentFailed, StringComparison.Ordinal) || NetworkGone().IsMatch(error);

    private async Task<bool> GossipTimedOutAsync(long mark)
    {
        for (var waited = Stopwatch.StartNew(); waited.Elapsed < TimeSpan.FromSeconds(20);)
        {
            if (GossipTimeout().IsMatch(Since(DockerLog, mark))) return true;
            await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, Run.Ct);
        }

        return false;
    }

    /// <summary>Where the daemon's log ends now; <see cref="LogSince"/> reads on from there.</summary>
    public long LogMark() => MarkOf(DaemonLog);

    public string LogSince(long mark) => Since(DaemonLog, mark);

    private static long MarkOf(string log) => File.Exists(log) ? new FileInfo(log).Length : 0;

    private static string Since(string log, long mark)
    {
        if (!File.Exists(log)) return "";
        using var stream = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        stream.Seek(mark, SeekOrigin.Begin);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    /// <summary>Waits until the daemon's log says something; what matched, with the rest of its line.</summary>
    public async Task<string> UntilLogAsync(long mark, string pattern, int seconds = 10)
    {
        var found = "";
        await Wait.UntilAsync($"the daemon of host {Number} says /{pattern}/", seconds, () =>
        {
            var log = LogSince(mark);
            found = Regex.Match(log, $"(?:{pattern}).*").Value;
            return Task.FromResult(found.Length > 0 ? null : "its log since then:\n" + log);
        });
        return found;
    }

    /// <summary>The pids, in the host, of the flannelds of a network or of all, oldest first.</summary>
    public async Task<IReadOnlyList<int>> FlanneldsAsync(string pool = "")
    {
        // An exact program name, and the pool in its -etcd-prefix; zombies are none.
        var script = "for p in $(pgrep -x flanneld); do grep -q '^State:.Z' /proc/$p/status || { tr '\\0' ' ' </proc/$p/cmdline | grep -q '" +
            pool.Replace('/', '-') + "' && echo $p; }; done; true";
        return [.. (await ShAsync(script)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(pid => int.Parse(pid, CultureInfo.InvariantCulture))];
    }

    /// <summary>Journal events of the daemon as JSON lines, from the first one that the journal keeps.</summary>
    public async Task<string> JournalAsync(long after = 0) =>
        (await TryShAsync($"curl -sN -m 2 --unix-socket /run/flannelflow/api.sock 'http://daemon/api/v1/journal/events?after={Lab.Text(after)}'")).Out;

    [GeneratedRegex("Bulk sync to node .* timed out")]
    private static partial Regex GossipTimeout();

    [GeneratedRegex("network [0-9a-z]{25} not found")]
    private static partial Regex NetworkGone();

    [GeneratedRegex(@"^f /var/lib/flannelflow/crashed-at-.*\n", RegexOptions.Multiline)]
    private static partial Regex CrashMarkers();
}

/// <summary>A running container.</summary>
public sealed class Container(LabHost host, string name, string network)
{
    public LabHost Host => host;

    public string Name => name;

    public Task<Said> TryExecAsync(params string[] command) => host.TryDockerAsync(["exec", name, .. command]);

    public async Task<string> ExecAsync(params string[] command) => (await TryExecAsync(command)).Checked();

    public async Task<string> AddressAsync() =>
        (await host.DockerAsync("inspect", "-f", $"{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}", name)).Trim();

    /// <summary>In the host.</summary>
    public async Task<string> PidAsync() => (await host.DockerAsync("inspect", "-f", "{{.State.Pid}}", name)).Trim();

    /// <summary>Whether an address answers within a second or two.</summary>
    public async Task<bool> ReachesAsync(string address) => (await TryExecAsync("ping", "-c", "2", "-i", "0.2", "-W", "2", address)).Ok;

    public Task RemoveAsync() => host.DockerAsync("rm", "-f", name);

    /// <summary>Pings ten times a second until told to stop; then says how many went out and came back.</summary>
    public async Task<PingLoop> PingLoopAsync(string address)
    {
        await ExecAsync("sh", "-c", $"ping -i 0.1 {address} >/tmp/ping.{name} 2>&1 & echo $! >/tmp/ping.{name}.pid");
        return new PingLoop(this, $"/tmp/ping.{name}");
    }
}

public sealed class PingLoop(Container container, string file)
{
    /// <summary>Ends the loop, not before so many were answered; fails if a packet was lost.</summary>
    public async Task EndWithoutLossAsync(int atLeast) => Assert.Equal(0, await EndAsync(atLeast));

    /// <summary>Ends the loop, not before so many were answered; fails if one that was sent before the last answered one was not. However slow the hosts are.</summary>
    public async Task EndWithoutGapAsync(int atLeast)
    {
        await EndAsync(atLeast);
        var answered = Regex.Matches(await container.ExecAsync("cat", file), @"seq=(\d+)").Select(seq => int.Parse(seq.Groups[1].Value, CultureInfo.InvariantCulture)).ToHashSet();
        Assert.Equal([], Enumerable.Range(0, answered.Max()).Where(seq => !answered.Contains(seq)));
    }

    /// <summary>Ends the loop, not before so many were answered; how many were lost.</summary>
    public async Task<int> EndAsync(int atLeast)
    {
        await Wait.UntilAsync($"{atLeast} pings are answered", 60, async () =>
        {
            var answered = (await container.ExecAsync("sh", "-c", $"grep -c seq= {file} || true")).Trim();
            return int.Parse(answered, CultureInfo.InvariantCulture) >= atLeast ? null : answered;
        });
        var said = await container.ExecAsync("sh", "-c", $"kill -INT $(cat {file}.pid); i=0; until grep -q transmitted {file} || [ $i = 100 ]; do i=$((i+1)); sleep 0.05; done; tail -n 3 {file}");
        var counts = Regex.Match(said, @"(\d+) packets transmitted, (\d+) packets received");
        Assert.True(counts.Success, said);
        var sent = int.Parse(counts.Groups[1].Value, CultureInfo.InvariantCulture);
        var received = int.Parse(counts.Groups[2].Value, CultureInfo.InvariantCulture);
        // The last one may be on its way when the loop ends.
        if (sent - received > 1) Run.Say($"packets were lost: {said}");
        return sent - received > 1 ? sent - received : 0;
    }
}
