using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>
/// Tasks come and go, and every container on every host is told exactly those that run: who was told when is printed, Docker's own answers beside ours.
/// That it comes to that is asserted, how soon only where seconds more would be a fault. tests/campaigns/end-to-end NameChurnTests is the long form.
/// </summary>
[Collection(ThreeHostsCollection.Name)]
[Trait("Needs", "docker")]
[Trait("Share", "third")]
public sealed class NameChurnTests(ThreeHosts lab) : IAsyncLifetime
{
    /// <summary>Of one host in the long form.</summary>
    private static readonly TimeSpan Partition = TimeSpan.FromSeconds(30);

    private NameChurn _names = null!;

    public async ValueTask InitializeAsync()
    {
        await lab.ClearAsync();
        await lab.CreateNetworkAsync("net1");
        _names = new NameChurn(lab, await Task.WhenAll(lab.Hosts.Select(host => host.StartAsync($"c{host.Number}", "net1"))));
    }

    public async ValueTask DisposeAsync()
    {
        if (_names is not null) await _names.DisposeAsync();
    }

    [Fact]
    public async Task Tasks_AreScaledAndReplaced()
    {
        await lab[1].DockerAsync("service", "create", "--detach", "--name", "web", "--replicas", "3", "--update-parallelism", "0", "--stop-grace-period", "1s", "--network", "net1", "lab:latest", "sleep", "100000");
        await _names.WatchAsync("tasks.web");
        await _names.UntilToldAsync("three tasks start", "web", 3);
        foreach (var round in Enumerable.Range(0, Run.IsLong ? 5 : 1))
        {
            await lab[1].DockerAsync("service", "scale", "--detach", "web=6");
            await _names.UntilToldAsync("scaled to 6", "web", 6);
            await lab[1].DockerAsync("service", "scale", "--detach", "web=2");
            await _names.UntilToldAsync("scaled to 2", "web", 2);
            var old = await NameChurn.RunningAsync("web", lab.Hosts);
            await lab[1].DockerAsync("service", "update", "--detach", "--force", "web");
            await _names.UntilToldAsync("updated by force", "web", 2, old);
        }
    }

    /// <summary>The daemon alone ends: others keep its containers. The host is cut off: they drop them, and take them back.</summary>
    [Fact]
    public async Task Host_IsCutOff()
    {
        await lab[1].DockerAsync("service", "create", "--detach", "--name", "each", "--mode", "global", "--stop-grace-period", "1s", "--network", "net1", "lab:latest", "sleep", "100000");
        await _names.WatchAsync("tasks.each");
        await _names.UntilToldAsync("a task on each host starts", "each", 3);
        await _names.UntilSignsOfLifeAsync();

        var killed = DateTimeOffset.UtcNow;
        await lab[2].StopDaemonAsync("KILL");
        await Task.Delay(TimeSpan.FromSeconds(4), TimeProvider.System, Run.Ct);
        await lab[2].StartDaemonAsync();
        foreach (var watcher in _names.Ours.Where(watcher => watcher.Client.Host != lab[2]))
            Assert.Single(watcher.AnswersSince(killed).Where(answer => answer != NameWatcher.Silence).Distinct());

        await _names.UntilSignsOfLifeAsync();
        var all = _names.Ours[0].Now;
        var others = await NameChurn.RunningAsync("each", [lab[1], lab[3]]);
        var began = DateTimeOffset.UtcNow;
        await SwitchAsync("down");
        await _names.UntilToldAsync("host 2 is cut off", began, others, except: lab[2]);
        var knew = _names.Ours.Single(watcher => watcher.Client.Host == lab[2]);
        await Wait.UntilAsync("the host that is cut off goes on saying what it knew", 30, () => Task.FromResult(knew.Now == all ? null : knew.Now));

        while (Run.IsLong && DateTimeOffset.UtcNow - began < Partition) await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Run.Ct);
        await SwitchAsync("up");
        await _names.UntilToldAsync("host 2 is back", "each", 3);
    }

    private async Task SwitchAsync(string state) => (await lab.CommandAsync(["switch", "ip", "link", "set", "n2", state])).Checked();
}
