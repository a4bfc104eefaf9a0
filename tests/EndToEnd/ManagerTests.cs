using System.Text.Json.Nodes;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>What the Swarm leader keeps of a network, and what a restart of it does.</summary>
[Collection(ThreeHostsCollection.Name)]
[Trait("Needs", "docker")]
public sealed class ManagerTests(ThreeHosts lab) : IAsyncLifetime
{
    public async ValueTask InitializeAsync() => await lab.ClearAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task DriverOptions_SurviveAllocateNetwork_AndTheContainerHasThem()
    {
        await lab.CreateNetworkAsync("net1", "-o", "com.docker.network.driver.mtu=1400", "-o", "my.own=option");
        await Wait.UntilAsync("the network is allocated", 10, async () =>
            (await OptionsAsync("net1")).ContainsKey("flannelflow.vni") ? null : (await OptionsAsync("net1")).ToJsonString());
        var options = await OptionsAsync("net1");
        Assert.Equal("1400", options["com.docker.network.driver.mtu"]!.GetValue<string>());
        Assert.Equal("option", options["my.own"]!.GetValue<string>());

        var containers = await Task.WhenAll(lab[1].StartAsync("c1", "net1"), lab[2].StartAsync("c2", "net1"));
        foreach (var container in containers) Assert.Equal("1400", await container.ExecAsync("cat", "/sys/class/net/eth0/mtu"));
        Assert.True(await containers[0].ReachesAsync(await containers[1].AddressAsync()));
    }

    [Fact]
    public async Task ManagerRestart_ReplaysPoolsAndAddresses_AndNothingChanges()
    {
        await lab.CreateNetworkAsync("net1", "-o", "com.docker.network.driver.mtu=1400");
        await lab.CreateNetworkAsync("net2");
        await lab[1].DockerAsync("service", "create", "-d", "--name", "vip", "--network", "net2", "--replicas", "2", "--constraint", "node.role==worker",
            "lab:latest", "httpd", "-f");
        var c2 = await lab[2].StartAsync("c2", "net1");
        var c3 = await lab[3].StartAsync("c3", "net1");
        await Wait.UntilAsync("the service runs", 60, async () =>
        {
            var tasks = await lab[1].DockerAsync("service", "ps", "vip", "--format", "{{.CurrentState}} {{.Error}}");
            return tasks.Split('\n').Count(task => task.StartsWith("Running", StringComparison.Ordinal)) == 2 ? null : tasks;
        });
        var pools = await ClusterStateAsync();
        var options = (await OptionsAsync("net1")).ToJsonString();
        var workers = (await lab[2].DumpAsync(), await lab[3].DumpAsync());
        var mark = lab[1].LogMark();
        var ping = await c2.PingLoopAsync(await c3.AddressAsync());

        await lab[1].LabAsync("dockerd-stop", "TERM");
        await lab[1].LabAsync("dockerd-start");
        await Wait.UntilAsync("the manager serves the swarm again", 60, async () =>
        {
            var nodes = await lab[1].TryDockerAsync("node", "ls", "--format", "{{.Status}}");
            return nodes.Ok && nodes.Out.Split('\n').Count(status => status == "Ready") == 3 ? null : nodes.All;
        });
        // A network made after the restart is allocated after the replay: the allocator is one goroutine.
        await lab.CreateNetworkAsync("net3");
        await Wait.UntilAsync("the leader allocates again", 60, async () =>
            (await OptionsAsync("net3")).ContainsKey("flannelflow.vni") ? null : "net3 is not allocated");
        await lab.RemoveNetworkAsync("net3");
        await Wait.UntilAsync("pools, VNIs and addresses are as before", 30, async () => TextDiff.Of(pools, await ClusterStateAsync()));
        await ping.EndWithoutLossAsync(atLeast: 50);
        Assert.Equal(options, (await OptionsAsync("net1")).ToJsonString());
        Assert.Null(TextDiff.Of(workers.Item1, await lab[2].DumpAsync()));
        Assert.Null(TextDiff.Of(workers.Item2, await lab[3].DumpAsync()));
        Assert.DoesNotContain("refused", lab[1].LogSince(mark), StringComparison.Ordinal);

        // A new container's provisional address is nobody else's, the VIP's least of all.
        var c1 = await lab[1].StartAsync("c1", "net2");
        Assert.True(await c1.ReachesAsync(await TaskAddressAsync()), "a container started after the replay does not reach the service's task");
    }

    private async Task<string> TaskAddressAsync()
    {
        var host = lab[2];
        var name = (await host.DockerAsync("ps", "--filter", "name=vip", "--format", "{{.Names}}")).Split('\n')[0];
        return await new Container(host, name, "net2").AddressAsync();
    }

    /// <summary>Pools, VNIs and who holds which address, without times.</summary>
    private async Task<string> ClusterStateAsync()
    {
        var entries = await lab.EtcdAsync("/flannelflow/");
        return string.Join('\n', entries
            .Where(entry => !entry.Key.StartsWith("/flannelflow/hosts/", StringComparison.Ordinal))
            .Select(entry => (entry.Key, Value: JsonNode.Parse(entry.Value)!.AsObject()))
            .Where(entry => entry.Value["state"]?.GetValue<string>() != "quarantined")
            .Select(entry => $"{entry.Key} {entry.Value["state"]?.GetValue<string>().Replace("spare", "reserved", StringComparison.Ordinal)} {entry.Value["kind"]} {entry.Value["owner"]} {entry.Value["networkId"]} {entry.Value["vni"]} {entry.Value["pool"]}"));
    }

    private async Task<JsonObject> OptionsAsync(string network) =>
        JsonNode.Parse(await lab[1].DockerAsync("network", "inspect", network))![0]!["Options"]?.AsObject() ?? [];
}
