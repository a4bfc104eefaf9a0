using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>Draining while something is broken. They take long, and run in tests/campaigns/end-to-end only.</summary>
public sealed partial class DrainTests
{
    [Fact(Explicit = true)]
    public async Task EtcdGoneInTheMiddleOfADrain_TheDrainEndsAtItsLimit_Once()
    {
        var (marks, load) = await DrainUnderDownloadsAsync("--label flannelflow.drain.limit=15 --stop-grace-period 60s");
        await UntilDrainingAsync(lab[1]);
        (await lab.CommandAsync(["etcd-stop", "KILL"])).Checked();
        var away = Stopwatch.StartNew();
        try
        {
            await lab[1].UntilLogAsync(marks[0], "drained after .* Forced", 60);
            if (TimeSpan.FromSeconds(30) - away.Elapsed is { Ticks: > 0 } rest) await Task.Delay(rest, TimeProvider.System, Run.Ct);
        }
        finally
        {
            (await lab.CommandAsync(["etcd-start"])).Checked();
        }

        await load.EndAsync();
        await RunningAsync("web", 1);
        await NoDrainIsOpenAsync();
        await Wait.UntilAsync("one backend is left", 60, async () => await BackendsAsync(lab[1]) is var left && left == 1 ? null : $"{left}");
        Assert.All(lab.Hosts.Zip(marks), host => Assert.InRange(Drained().Count(host.First.LogSince(host.Second)), 0, 1));
    }

    [Fact(Explicit = true)]
    public async Task HostCutOffInTheMiddleOfADrain_EndsItAfterwards_Once()
    {
        var (marks, load) = await DrainUnderDownloadsAsync("--label flannelflow.drain.limit=15 --stop-grace-period 60s");
        await UntilDrainingAsync(lab[2]);
        (await lab.CommandAsync(["switch", "ip", "link", "set", "n2", "down"])).Checked();
        try
        {
            await lab[1].UntilLogAsync(marks[0], "drained after ", 60);
            await Task.Delay(TimeSpan.FromSeconds(30), TimeProvider.System, Run.Ct);
        }
        finally
        {
            (await lab.CommandAsync(["switch", "ip", "link", "set", "n2", "up"])).Checked();
        }

        await load.EndAsync();
        await RunningAsync("web", 1);
        await NoDrainIsOpenAsync();
        foreach (var host in lab.Hosts.Take(2))
            await Wait.UntilAsync("one backend is left", 60, async () => await BackendsAsync(host) is var left && left == 1 ? null : $"{left}");
        Assert.All(lab.Hosts.Zip(marks), host => Assert.InRange(Drained().Count(host.First.LogSince(host.Second)), 0, 1));
    }

    [Fact(Explicit = true)]
    public async Task EtcdGoneForLonger_AStopIsNotHeldUp()
    {
        await lab.CreateNetworkAsync(Net);
        await ServeAsync("web", 3);
        await ClientsAsync("web", 3);
        (await lab.CommandAsync(["etcd-stop", "KILL"])).Checked();
        TimeSpan took;
        try
        {
            // Longer than any hold; each call to etcd fails by now.
            await Task.Delay(TimeSpan.FromSeconds(15), TimeProvider.System, Run.Ct);
            var watch = Stopwatch.StartNew();
            await lab[2].ShAsync("docker stop $(docker ps -q --filter label=com.docker.swarm.service.name=web)");
            took = watch.Elapsed;
        }
        finally
        {
            (await lab.CommandAsync(["etcd-start"])).Checked();
        }

        Run.Say($"docker stop without etcd took {took.TotalSeconds:0.0} s");
        // The hold is 2 s, the server needs half a second, and its grace is 20 s.
        Assert.True(took < TimeSpan.FromSeconds(8) * Run.Patience, $"docker stop took {took.TotalSeconds:0.0} s");
        await RunningAsync("web", 3);
        await NoDrainIsOpenAsync();
    }

    /// <summary>What Docker says of a host's own containers counts there at once; a dead backend is no other host's business until etcd is back.</summary>
    [Fact(Explicit = true)]
    public async Task EtcdGone_ATaskThatDies_IsNoBackendOfItsOwnHost()
    {
        await lab.CreateNetworkAsync(Net);
        await ServeAsync("web", 3);
        await ClientsAsync("web", 3);
        Assert.Equal(3, await BackendsAsync(lab[2]));
        (await lab.CommandAsync(["etcd-stop", "KILL"])).Checked();
        try
        {
            await Task.Delay(TimeSpan.FromSeconds(5), TimeProvider.System, Run.Ct);
            await lab[2].ShAsync("docker kill $(docker ps -q --filter label=com.docker.swarm.service.name=web)");
            var took = await Wait.UntilAsync("the dead task is no backend on its host", 10, async () => await BackendsAsync(lab[2]) is var left && left == 2 ? null : $"{left}");
            Run.Say($"a dead task was out of its own host's load balancer after {took.TotalSeconds:0.0} s without etcd");
        }
        finally
        {
            (await lab.CommandAsync(["etcd-start"])).Checked();
        }

        await RunningAsync("web", 3);
        await Wait.UntilAsync("three backends everywhere", 60, async () =>
        {
            var left = await Task.WhenAll(lab.Hosts.Select(BackendsAsync));
            return left.All(count => count == 3) ? null : string.Join(' ', left);
        });
        await NoDrainIsOpenAsync();
    }

    [Fact(Explicit = true)]
    public async Task Limit_CutsNotBefore_AndNotASecondLater()
    {
        var (marks, load) = await DrainUnderDownloadsAsync("--label flannelflow.drain.limit=7 --stop-grace-period 60s");
        var said = await lab[1].UntilLogAsync(marks[0], "drained after .* Forced", 60);
        Run.Say(said);
        Assert.InRange(double.Parse(Drained().Match(said).Groups[1].ValueSpan, CultureInfo.InvariantCulture), 7, 8);
        Assert.InRange((await load.EndAsync()).Failed, 1, 4);
        await NoDrainIsOpenAsync();
    }

    [Fact(Explicit = true)]
    public async Task KernelThatCannotBeRead_IsAnIncident_WhichEndsByItself_AndTheDrainBegins()
    {
        Assert.SkipWhen(await IsIpvsAsync(), "the plane is ipvs, which is read by no program that could be made to fail");
        await lab.CreateNetworkAsync(Net);
        await ServeAsync("web", 2);
        await ClientsAsync("web", 2);
        await lab[2].ShAsync(
            "cp /usr/sbin/nft /run/nft && printf '#!/bin/sh\nfor a; do case $a in list) echo injected >&2; exit 1;; esac; done\nexec /run/nft \"$@\"\n' >/run/nft-blind " +
            "&& chmod +x /run/nft-blind && mount --bind /run/nft-blind /usr/sbin/nft");
        try
        {
            await lab[1].DockerAsync("service", "scale", "--detach", "web=1");
            await Wait.UntilAsync("host 2 has an incident", 60, async () =>
            {
                var incidents = await lab[2].ShAsync($"{Run.Daemon}/flannelflow workflows list --incident --definition balancing-read");
                return incidents.Contains("injected", StringComparison.Ordinal) ? null : incidents;
            });
        }
        finally
        {
            await lab[2].ShAsync("umount /usr/sbin/nft");
        }

        await Wait.UntilAsync("the incident is over", 60, async () =>
            await lab[2].ShAsync($"{Run.Daemon}/flannelflow workflows list --incident --definition balancing-read") is { Length: > 0 } left ? left : null);
        await RunningAsync("web", 1);
        await NoDrainIsOpenAsync();
        await Wait.UntilAsync("one backend is left", 60, async () => await BackendsAsync(lab[2]) is var left && left == 1 ? null : $"{left}");
    }

    /// <summary>One of two servers drains, while a client on host 1 has downloads from both that take longer than any limit.</summary>
    /// <returns>Of each host, where its log ended before the drain.</returns>
    private async Task<(long[] Marks, LoadRun Load)> DrainUnderDownloadsAsync(string options)
    {
        await lab.CreateNetworkAsync(Net);
        await ServeAsync("web", 2, options);
        var client = (await ClientsAsync("web", 2))[0];
        var address = await VipAsync("web");
        var load = await LoadRun.BeginAsync(client, address, shorts: 0, kept: 0, downloads: 4, seconds: 50);
        await Wait.UntilAsync("downloads go on", 60, async () =>
        {
            var connections = await client.ExecAsync("sh", "-c", $"netstat -tn | grep ' {address}:80 ' | grep -c ESTABLISHED || true");
            return connections.Trim() == "4" ? null : $"{connections.Trim()} connections, not 4";
        });
        var marks = lab.Hosts.Select(host => host.LogMark()).ToArray();
        await lab[1].DockerAsync("service", "scale", "--detach", "web=1");
        return (marks, load);
    }

    private static Task<TimeSpan> UntilDrainingAsync(LabHost host) => Wait.UntilAsync($"host {host.Number} drains", 60, async () =>
        (await DrainsAsync(host)).Any(drain => drain["host"]!.GetValue<string>() == $"n{host.Number}") ? null : "no drain");

    [GeneratedRegex(@"drained after ([\d.]+) s")]
    private static partial Regex Drained();
}
