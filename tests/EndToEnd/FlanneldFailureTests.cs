using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>A flanneld that cannot do its work: the container does not start, flanneld's own words tell why, and the host is as before.</summary>
[Collection(OneHostCollection.Name)]
[Trait("Needs", "docker")]
[Trait("Share", "second")]
public sealed class FlanneldFailureTests(OneHost lab) : IAsyncLifetime
{
    public async ValueTask InitializeAsync() => await lab.ClearAsync();

    public async ValueTask DisposeAsync()
    {
        await lab[1].TryShAsync("ip link del foreign0");
        await lab.ClearAsync();
        await lab[1].RestartDaemonAsync();
    }

    [Fact]
    public async Task WrongInterface_FailsTheContainer_WithThatMessage_AndIsUndone()
    {
        await lab[1].RestartDaemonAsync("FLANNEL_INTERFACE=nosuch");
        await FailsAsync("no interface named nosuch");
    }

    [Fact]
    public async Task BusyVni_FailsTheContainer_WithThatMessage_AndIsUndone()
    {
        await lab[1].ShAsync("ip link add foreign0 type vxlan id 6514 local 10.77.0.11 dev eth0 dstport 8472 nolearning && ip link set foreign0 up");
        await FailsAsync("VNI 6514 is in use by device foreign0");
    }

    [Fact]
    public async Task UnreachableEtcd_FailsTheContainer_WithThatMessage_AndIsUndone()
    {
        await lab[1].RestartDaemonAsync("DEFAULT_FLANNEL_OPTIONS=-etcd-endpoints=http://10.77.0.99:2379");
        await FailsAsync(@"10\.77\.0\.99:2379");
    }

    private async Task FailsAsync(string message)
    {
        await lab.CreateNetworkAsync("net1");
        await Wait.UntilAsync("the leader has allocated the network", 10, async () =>
            (await lab.EtcdAsync("/flannelflow/address-space/vnis/")).Count == 1 ? null : "no VNI");
        var before = await lab.SnapshotAsync();
        var mark = lab[1].LogMark();

        var refused = await lab[1].TryDockerAsync("run", "-d", "--name", "c1", "--network", "net1", "lab:latest", "sleep", "1000");
        Assert.False(refused.Ok, "the container started without a flanneld");
        // docker run itself only says that attaching took too long; the words are in dockerd's log ("fatal task error") and in ours.
        Run.Say(await lab[1].UntilLogAsync(mark, $@"CreateNetwork refused: flanneld [^\n]*(\n[^\n]*){{0,8}}?{message}[^\n]*"));
        Assert.Matches($"\"kind\":\"stepFaulted\",\"activityId\":\"start-flannel\".*{message}", await lab[1].JournalAsync());

        await lab[1].DockerAsync("rm", "-f", "c1");
        await lab.UntilSameButProvisionalAsync(before, 30, "the workflow was compensated");
    }
}
