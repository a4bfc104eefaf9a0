using System.Diagnostics;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>Something that FlannelFlow stands on dies: traffic goes on, and what was broken mends itself.</summary>
[Collection(ThreeHostsCollection.Name)]
[Trait("Needs", "docker")]
public sealed class OutageTests(ThreeHosts lab) : IAsyncLifetime
{
    public async ValueTask InitializeAsync() => await lab.ClearAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Flanneld_Killed_TrafficGoesOn_AndItRunsAgainWithinTwoSeconds()
    {
        var (c1, c2) = await TwoContainersAsync();
        var before = await lab.SnapshotAsync();
        var ping = await c1.PingLoopAsync(await c2.AddressAsync());
        for (var kill = 0; kill < 2; kill++)
        {
            var old = Assert.Single(await lab[1].FlanneldsAsync());
            await lab[1].ShAsync($"kill -9 {old}");
            var watch = Stopwatch.StartNew();
            await Wait.UntilAsync("another flanneld runs", TimeSpan.FromSeconds(2), async () =>
                await lab[1].FlanneldsAsync() is [var fresh] && fresh != old ? null : "none");
            Run.Say($"flanneld was restarted within {watch.ElapsedMilliseconds} ms");
        }

        // Still a flanneld that does its work: a third host that joins now is reached.
        var c3 = await lab[3].StartAsync("c3", "net1");
        Assert.True(await c1.ReachesAsync(await c3.AddressAsync()), "a host that joins after flanneld's restart is not reached");
        await ping.EndWithoutLossAsync(atLeast: 20);
        await c3.RemoveAsync();
        await lab.UntilSameAsync(before, 40, "flanneld was killed and host 3 came and left");
    }

    [Fact]
    public async Task Daemon_Killed_TrafficGoesOn_AndTheNextOneAdoptsTheFlanneld()
    {
        var (c1, c2) = await TwoContainersAsync();
        var before = await lab.SnapshotAsync();
        var flanneld = await lab[1].FlanneldsAsync();
        var ping = await c1.PingLoopAsync(await c2.AddressAsync());
        await lab[1].StopDaemonAsync("KILL");
        Assert.True(await c1.ReachesAsync(await c2.AddressAsync()));
        await lab[1].StartDaemonAsync();
        Assert.Equal(flanneld, await lab[1].FlanneldsAsync());
        await lab.UntilSameAsync(before, 20, "the daemon was killed and started again");
        await ping.EndWithoutLossAsync(atLeast: 10);
    }

    [Fact]
    public async Task Etcd_KilledAndStartedAgain_TrafficGoesOn_AndNewContainersWorkAgain()
    {
        var (c1, c2) = await TwoContainersAsync();
        var before = await lab.SnapshotAsync();
        var flannelds = await lab[1].FlanneldsAsync();
        var ping = await c1.PingLoopAsync(await c2.AddressAsync());
        (await lab.CommandAsync(["etcd-stop", "KILL"])).Checked();

        var without = await lab[2].TryDockerAsync("run", "-d", "--name", "without", "--network", "net1", "lab:latest", "sleep", "1000");
        Assert.False(without.Ok, "a container got an address without etcd");
        Run.Say(without.All);
        await lab[2].DockerAsync("rm", "-f", "without");
        Assert.Equal(flannelds, await lab[1].FlanneldsAsync());

        (await lab.CommandAsync(["etcd-start"])).Checked();
        await Wait.UntilAsync("a container starts again", 60, async () =>
        {
            await lab[2].TryDockerAsync("rm", "-f", "again");
            var said = await lab[2].TryDockerAsync("run", "-d", "--name", "again", "--network", "net1", "lab:latest", "sleep", "1000");
            return said.Ok ? null : said.All;
        });
        Assert.True(await c1.ReachesAsync(await new Container(lab[2], "again", "net1").AddressAsync()));
        await ping.EndWithoutLossAsync(atLeast: 50);
        await lab[2].DockerAsync("rm", "-f", "again");
        await lab.UntilSameAsync(before, 60, "etcd was killed and came back");
    }

    /// <summary>Of tests/campaigns/end-to-end; ./test has the same fault among others (<see cref="FaultTests"/>).</summary>
    [Fact(Explicit = true)]
    public async Task Dockerd_Killed_TheHostConvergesWithinOneRestartOfTheDaemon()
    {
        var (c1, c2) = await TwoContainersAsync();
        var before = await lab.SnapshotAsync();
        await lab[2].StartAsync("also", "net1");
        await lab[2].LabAsync("dockerd-stop", "KILL");
        await lab[2].LabAsync("dockerd-start");
        await lab[2].RestartDaemonAsync();

        // Docker sends no Leave for what ran before: endpoints, veths and addresses that it does not know any more are taken away.
        await lab[2].ShAsync("docker ps -aq | xargs -r docker rm -f");
        await NodeReadyAsync(2);
        var again = await lab[2].StartAsync(c2.Name, "net1");
        Assert.True(await c1.ReachesAsync(await again.AddressAsync()), "the network is not usable after dockerd's return");
        await UntilLikeAsync(before, "dockerd was killed and came back");
    }

    [Fact]
    public async Task Host_LosesPower_ConvergesWithinOneStartOfTheDaemon()
    {
        var (c1, _) = await TwoContainersAsync();
        var before = await lab.SnapshotAsync();
        await lab[2].StartAsync("also", "net1");
        await lab[1].DockerAsync("service", "create", "--name", "each", "--mode", "global", "--quiet", "--network", "net1", "lab:latest", "sleep", "100000");
        await using (var names = new NameChurn(lab, [c1]))
        {
            await names.WatchAsync("tasks.each");
            await names.UntilToldAsync("a task on each host starts", "each", 3);
            await names.UntilSignsOfLifeAsync();
            var others = await NameChurn.RunningAsync("each", [lab[1], lab[3]]);
            var crashed = DateTimeOffset.UtcNow;
            await lab[2].LabAsync("crash");
            await names.UntilToldAsync("host 2 crashed", crashed, others);
        }

        await lab[1].DockerAsync("service", "rm", "each");
        await lab[2].LabAsync("boot");
        await lab[2].StartDaemonAsync();
        await Wait.UntilAsync("host 2 has no container left", 60, async () =>
        {
            // Swarm's agent removes what is left of its task itself, perhaps at this moment.
            var said = await lab[2].TryShAsync("docker ps -aq | xargs -r docker rm -f >/dev/null && docker ps -aq");
            return said.Ok && said.Out.Length == 0 ? null : said.All;
        });
        await NodeReadyAsync(2);

        Container again = null!;
        await Wait.UntilAsync("a container starts on the host that came back", 60, async () =>
        {
            await lab[2].TryDockerAsync("rm", "-f", "c2");
            var said = await lab[2].TryDockerAsync("run", "-d", "--name", "c2", "--network", "net1", "lab:latest", "sleep", "1000");
            again = new Container(lab[2], "c2", "net1");
            return said.Ok ? null : said.All;
        });
        Assert.True(await c1.ReachesAsync(await again.AddressAsync()), "the host that came back is not reached");
        await UntilLikeAsync(before, "host 2 lost power and came back");
    }

    [Fact]
    public async Task Doctor_WhereAllIsWell_HasNoProblem_AndWhereAllIsDead_SaysSo()
    {
        await TwoContainersAsync();
        var doctor = Path.Combine(Run.Daemon, "flannelflow") + " doctor";
        await Wait.UntilAsync("host 1 is well", 90, async () =>
        {
            var well = await lab[1].TryShAsync(doctor);
            return well.Ok && well.Out.Contains("0 problems", StringComparison.Ordinal) ? null : well.All;
        });
        var report = await lab[1].ShAsync(doctor + " --json");
        foreach (var text in new[] { "veth, vxlan devices", "enabled, and passes calls to the daemon", "active, a manager", "runs, holds 10.128.", "ffbr.6514 1450, flannel.6514 1450" })
            Assert.Contains(text, report, StringComparison.Ordinal);

        var dockerd = "$(pgrep -x dockerd)";
        try
        {
            await lab[1].StopDaemonAsync("KILL");
            await lab[1].ShAsync($"kill -STOP {dockerd}");
            (await lab.CommandAsync(["etcd-stop", "KILL"])).Checked();

            // Nobody tells it now with which options the daemon runs.
            var watch = Stopwatch.StartNew();
            var dead = await lab[1].TryShAsync($"ETCD_ENDPOINTS=http://10.77.0.1:2379 {doctor}");
            Run.Say($"with all dead the doctor took {watch.ElapsedMilliseconds} ms");
            Assert.False(dead.Ok);
            foreach (var text in new[] { "problem  etcd: http://10.77.0.1:2379 does not answer", "problem  Docker: unix:///var/run/docker.sock does not answer", "problem  daemon: it does not run", "ok       flanneld: " })
                Assert.Contains(text, dead.Out, StringComparison.Ordinal);
        }
        finally
        {
            await lab[1].ShAsync($"kill -CONT {dockerd}");
            (await lab.CommandAsync(["etcd-start"])).Checked();
            await lab[1].StartDaemonAsync();
        }
    }

    /// <summary>The same counts and names, though endpoints and addresses are others: every veth, address record and process is accounted for.</summary>
    private Task<TimeSpan> UntilLikeAsync(Snapshot before, string when) =>
        Wait.UntilAsync($"hosts and etcd are like before {when}", 90, async () =>
            // A start that Docker tried while the host was not ready yet keeps its provisional address (see UntilSameButProvisionalAsync).
            Normal.Of(before.WithoutProvisional()).Difference(Normal.Of((await lab.SnapshotAsync()).WithoutProvisional())));

    private Task<TimeSpan> NodeReadyAsync(int host) => Wait.UntilAsync($"host {host} is ready in the swarm", 60, async () =>
    {
        var nodes = await lab[1].DockerAsync("node", "ls", "--format", "{{.Hostname}} {{.Status}}");
        return nodes.Contains($"n{host} Ready", StringComparison.Ordinal) ? null : nodes;
    });

    private async Task<(Container C1, Container C2)> TwoContainersAsync()
    {
        await lab.CreateNetworkAsync("net1");
        var c1 = await lab[1].StartAsync("c1", "net1");
        var c2 = await lab[2].StartAsync("c2", "net1");
        Assert.True(await c1.ReachesAsync(await c2.AddressAsync()));
        return (c1, c2);
    }
}
