using System.Diagnostics;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>What an operator does: unpack, install, use, upgrade under load, go back, take off again.</summary>
[Collection(FreshMachinesCollection.Name)]
[Trait("Needs", "docker")]
[Trait("Share", "third")]
public sealed class InstallTests(FreshMachines lab)
{
    private const string Etcd = "--set ETCD_ENDPOINTS=http://10.77.0.1:2379";
    private const string Unpacked = "/root/flannelflow";
    private const string Newer = "9.9.9";

    [Fact]
    public async Task Install_Use_UpgradeUnderLoad_RollBack_Uninstall_ThenTheHostsAreAsBefore()
    {
        var written = await Task.WhenAll(lab.Hosts.Select(lab.WrittenAsync));
        await Task.WhenAll(lab.Hosts.Select(UnpackAsync));

        // Nothing is done by a dry run, or to a host where options are wrong.
        var dry = await lab[1].ShAsync($"{Unpacked}/flannelflow install --dry-run {Etcd}");
        Assert.Contains("would write /etc/systemd/system/flannelflow.service", dry, StringComparison.Ordinal);
        var refused = await lab[1].TryShAsync($"{Unpacked}/flannelflow install --set ETCD_ENDPOINTS=10.77.0.1:2379 --set VNI_START=x");
        Assert.Equal(1, refused.Code);
        Assert.Contains("/etc/flannelflow/flannelflow.env: VNI_START: \"x\" is not a whole number", refused.Error, StringComparison.Ordinal);
        Assert.Equal(written[0], await lab.WrittenAsync(lab[1]));

        await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync($"{Unpacked}/flannelflow install {Etcd} --set NETWORK_LINGER=2 --set SYNC_INTERVAL=2 --runtime-wrapper")));
        await lab.InstalledAsync();
        Assert.Equal("Nothing is to be done.", await lab[1].ShAsync($"flannelflow install {Etcd}"));

        // The first network, and a service on it.
        await lab.CreateNetworkAsync("net1");
        await lab[1].ShAsync("docker service create -d --name web --network net1 --replicas 3 --stop-grace-period 20s lab:latest traffic serve 80");
        var client = await lab[2].StartAsync("client", "net1");
        await RunningAsync(3);
        var vip = (await lab[1].DockerAsync("service", "inspect", "-f", "{{range .Endpoint.VirtualIPs}}{{.Addr}}{{end}}", "web")).Split('/')[0];
        await Wait.UntilAsync("the service answers by its name", 60, async () =>
            await client.TryExecAsync("wget", "-q", "-O", "-", "http://web/") is { Ok: false } said ? said.All : null);
        // Docker's resolver answers until ours does; and for ever where the kernel has no nf_tables, as the guest's.
        foreach (var host in lab.HasKernels ? [] : lab.Hosts)
        {
            await Wait.UntilAsync($"our own server answers every container of host {host.Number}", 60, async () =>
                await host.ShAsync("flannelflow workflows list --definition endpoint-dns") is var all && all.Contains("finished", StringComparison.Ordinal) && !all.Contains("running", StringComparison.Ordinal) ? null : all);
        }

        var load = await LoadRun.BeginAsync(client, vip);
        await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync($"cp -r {Unpacked} /root/newer; echo {Newer} >/root/newer/VERSION")));
        foreach (var host in lab.Hosts) await host.ShAsync("/root/newer/flannelflow upgrade");
        Assert.Equal($"/usr/lib/flannelflow/{Newer}/flannelflow", await RunningProgramAsync(lab[2]));
        foreach (var host in lab.Hosts) await host.ShAsync($"flannelflow upgrade --to {await VersionAsync()}");
        Assert.NotEqual($"/usr/lib/flannelflow/{Newer}/flannelflow", await RunningProgramAsync(lab[2]));
        // Where a command takes seconds, a drain has to take some, too: these connections stay until their server's grace is over.
        if (lab.HasKernels) await client.ExecAsync("sh", "-c", $"traffic load {vip} 80 0 0 12 600 >/dev/null 2>&1 &");
        await lab[1].DockerAsync("service", "update", "--detach", "--force", "web");
        await DrainSeenAsync("web");
        await RunningAsync(3);
        var result = await load.EndAsync();
        Assert.True(result.Failed == 0, result.ToString());
        Assert.True(result.Requests > 100, $"hardly anything was asked: {result}");

        // A daemon that is killed comes back by itself; so does all of it with a machine that lost its power.
        await lab[3].ShAsync("systemctl kill -s KILL flannelflow; for i in $(seq 300); do systemctl is-active -q flannelflow && exit 0; sleep 0.1; done; exit 1");
        await lab[3].LabAsync("crash");
        await lab[3].LabAsync("boot");
        await Wait.UntilAsync("host 3 serves as before", 120, async () =>
        {
            if (await lab[3].TryShAsync("systemctl is-active flannelflow docker") is { Ok: false } inactive) return inactive.All;
            var answers = await client.TryExecAsync("sh", "-c", $"set -o pipefail; traffic ask {vip} 80 15 | sort -u");
            return answers.Ok && answers.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length == 3 ? null : answers.All;
        });

        // Not while it is in use.
        refused = await lab[1].TryShAsync("flannelflow uninstall");
        Assert.Equal(1, refused.Code);
        Assert.Contains("Docker has networks of FlannelFlow: net1", refused.Error, StringComparison.Ordinal);
        refused = await lab[2].TryShAsync("docker service rm web 2>/dev/null; flannelflow uninstall");
        Assert.Contains("containers were created with the runtime wrapper, and Docker cannot start them without it: client", refused.Error, StringComparison.Ordinal);
        await lab[1].DockerAsync("service", "rm", "web");
        await client.RemoveAsync();
        await lab.RemoveNetworkAsync("net1");
        await Wait.UntilAsync("no host has a network any more", 60, async () =>
            await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync("ls /var/lib/flannelflow/networks 2>/dev/null"))) is var left && left.All(name => name.Length == 0) ? null : string.Join('\n', left));
        foreach (var host in lab.Hosts) await host.ShAsync("flannelflow uninstall --purge");

        for (var i = 0; i < 3; i++) Assert.Equal(written[i], await lab.WrittenAsync(lab.Hosts[i]));
        await lab.UntilSameAsync(lab.Bare, 60, "uninstall");
        Assert.Equal("works", await lab[1].ShAsync("docker run --rm lab:latest echo works"));
    }

    private async Task UnpackAsync(LabHost host)
    {
        await lab.BringAsync(host);
        await host.ShAsync($"cd /root && tar xzf flannelflow-*-linux-x64.tar.gz && mv flannelflow-*-linux-x64 {Unpacked}");
    }

    private async Task RunningAsync(int replicas) => await Wait.UntilAsync($"{replicas} tasks run", 120, async () =>
    {
        var tasks = await lab[1].DockerAsync("service", "ps", "--format", "{{.DesiredState}} {{.CurrentState}} {{.Error}}", "web");
        var update = await lab[1].DockerAsync("service", "inspect", "-f", "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}", "web");
        return update != "updating" && tasks.Split('\n').Count(task => task.StartsWith("Running Running", StringComparison.Ordinal)) == replicas ? null : tasks;
    });

    /// <summary>The first drain, as the README has it, from a host that need not be its own. One that has just ended is not shown any more: another follows it.</summary>
    private async Task DrainSeenAsync(string service) => await Wait.UntilAsync($"a backend of {service} is drained, and seen to be", 60, async () =>
    {
        var list = await lab[1].ShAsync("flannelflow drains list");
        if (list.Split('\n').Select(line => line.Split('\t')).FirstOrDefault(columns => columns.Contains(service)) is not [var id, ..]) return list;
        var shown = await lab[1].TryShAsync($"flannelflow drains show {id}");
        return shown.Ok && shown.Out.Contains("set-weight-zero", StringComparison.Ordinal) ? null : shown.All;
    });

    private static Task<string> RunningProgramAsync(LabHost host) => host.ShAsync("readlink /proc/$(systemctl show -p MainPID --value flannelflow)/exe");

    private Task<string> VersionAsync() => lab[1].ShAsync($"cat {Unpacked}/VERSION");
}
