using System.Text.Json.Nodes;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>Every host is a manager, and another one leads again and again, while services come and go.</summary>
[Collection(ThreeHostsCollection.Name)]
[Trait("Needs", "docker")]
[Trait("Share", "third")]
public sealed class LeaderTests(ThreeHosts lab) : IAsyncLifetime
{
    private readonly Dictionary<string, string> _vips = new(StringComparer.Ordinal);

    public async ValueTask InitializeAsync()
    {
        await lab.ClearAsync();
        await lab[1].DockerAsync("node", "promote", "n2", "n3");
        await ManagersAsync("n1 n2 n3");
    }

    /// <summary>The lab's other tests know one manager, host 1.</summary>
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(lab.Hosts.Select(async host =>
        {
            if (!(await host.TryDockerAsync("version")).Ok) await host.LabAsync("dockerd-start");
        }));
        await (await AnyManagerAsync()).DockerAsync("node", "promote", "n1");
        await Wait.UntilAsync("host 1 is a manager", 60, async () => (await lab[1].TryDockerAsync("node", "ls")) is { Ok: false } said ? said.All : null);
        foreach (var (node, left) in new[] { ("n3", "n1 n2"), ("n2", "n1") })
        {
            // The demotion of a leader ends its leading first, and answers with that if it comes at a bad moment.
            await Wait.UntilAsync($"{node} is demoted", 90, async () => (await lab[1].TryDockerAsync("node", "demote", node)) is { Ok: false } said ? said.All : null);
            await ManagersAsync(left);
        }
    }

    [Fact]
    public async Task LeaderChanges_WhileServicesComeAndGo_NoVipMoves_NoneIsGivenTwice_NoneIsLost()
    {
        await lab.CreateNetworkAsync("net1");
        for (var round = 0; round < (Run.IsLong ? 10 : 2); round++)
        {
            var leader = await LeaderAsync();
            var others = lab.Hosts.Where(host => host != leader).ToList();
            await Task.WhenAll(CreateAsync(others[0], $"a{round}"), CreateAsync(others[1], $"b{round}"));
            await NoVipMovedAsync(others[0]);

            // Once as an operator does it, once as a fault does it; what is asked for meanwhile waits for the next leader.
            var demoted = round % 2 == 0;
            if (demoted) await others[0].DockerAsync("node", "demote", $"n{leader.Number}");
            else await leader.LabAsync("dockerd-stop", "KILL");
            await Wait.UntilAsync($"another host than {leader.Number} leads", 90, async () =>
                await TryLeaderAsync(others[0]) is { } next && next != leader ? null : "none yet");
            await CreateAsync(others[1], $"c{round}");
            await NoVipMovedAsync(others[0]);
            if (demoted) await others[0].DockerAsync("node", "promote", $"n{leader.Number}");
            else await leader.LabAsync("dockerd-start");
            await ManagersAsync("n1 n2 n3");

            await others[1].DockerAsync("service", "rm", $"a{round}");
            _vips.Remove($"a{round}");
            await NoVipMovedAsync(leader);
        }

        await Wait.UntilAsync("etcd knows just these services' VIPs", 120, async () =>
        {
            var records = await lab.EtcdAsync("/flannelflow/addresses/");
            var held = records.Where(record => JsonNode.Parse(record.Value)! is var value && value["kind"]!.GetValue<string>() == "vip"
                && value["state"]!.GetValue<string>() != "quarantined").Select(record => record.Key.Split('/')[^1]);
            return TextDiff.Of(string.Join('\n', _vips.Values.Order(StringComparer.Ordinal)), string.Join('\n', held.Order(StringComparer.Ordinal)));
        });
    }

    private async Task CreateAsync(LabHost manager, string service)
    {
        await Wait.UntilAsync($"docker service create {service}", 90, async () =>
        {
            // While no manager leads, a request is refused; one that was refused may have come through all the same.
            var said = await manager.TryDockerAsync("service", "create", "-d", "--name", service, "--network", "net1", "lab:latest", "sleep", "100000");
            return said.Ok || said.All.Contains("already exists", StringComparison.Ordinal) || said.All.Contains("name conflicts", StringComparison.Ordinal) ? null : said.All;
        });
        await Wait.UntilAsync($"{service} has a VIP", 90, async () =>
        {
            var vip = await VipAsync(manager, service);
            if (vip is null) return "none yet";
            lock (_vips) _vips[service] = vip;
            return null;
        });
    }

    private async Task NoVipMovedAsync(LabHost manager)
    {
        Assert.Equal(_vips.Count, _vips.Values.Distinct(StringComparer.Ordinal).Count());
        foreach (var (service, vip) in _vips)
        {
            await Wait.UntilAsync($"host {manager.Number} tells the VIP of {service}", 60, async () =>
            {
                var now = await VipAsync(manager, service);
                if (now is not null) Assert.Equal(vip, now);
                return now is null ? "nothing" : null;
            });
        }
    }

    private static async Task<string?> VipAsync(LabHost manager, string service)
    {
        var said = await manager.TryDockerAsync("service", "inspect", "-f", "{{range .Endpoint.VirtualIPs}}{{.Addr}}{{end}}", service);
        return said.Ok && said.Out.Trim().Split('/')[0] is { Length: > 0 } vip ? vip : null;
    }

    private async Task<LabHost> LeaderAsync()
    {
        LabHost? leader = null;
        await Wait.UntilAsync("a manager leads", 90, async () => (leader = await TryLeaderAsync(await AnyManagerAsync())) is null ? "none" : null);
        return leader!;
    }

    private async Task<LabHost?> TryLeaderAsync(LabHost manager)
    {
        var said = await manager.TryDockerAsync("node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}");
        return said.Ok ? lab.Hosts.FirstOrDefault(host => said.Out.Contains($"n{host.Number} Leader", StringComparison.Ordinal)) : null;
    }

    private async Task<LabHost> AnyManagerAsync()
    {
        LabHost? manager = null;
        await Wait.UntilAsync("a manager answers", 90, async () =>
        {
            foreach (var host in lab.Hosts)
            {
                if ((await host.TryDockerAsync("node", "ls")).Ok) manager = host;
            }

            return manager is null ? "none does" : null;
        });
        return manager!;
    }

    /// <summary>Until just these hosts are managers, reachable, and say so themselves.</summary>
    private Task<TimeSpan> ManagersAsync(string names) => Wait.UntilAsync($"the managers are {names}", 120, async () =>
    {
        foreach (var host in lab.Hosts.Where(host => names.Contains($"n{host.Number}", StringComparison.Ordinal)))
        {
            var said = await host.TryDockerAsync("node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}");
            var managers = said.Out.Split('\n').Where(line => line.EndsWith("Ready Reachable", StringComparison.Ordinal) || line.EndsWith("Ready Leader", StringComparison.Ordinal))
                .Select(line => line.Split(' ')[0]).Order(StringComparer.Ordinal);
            if (!said.Ok || string.Join(' ', managers) != names) return $"host {host.Number}: {said.All}";
        }

        return null;
    });
}
