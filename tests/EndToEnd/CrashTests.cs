using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>The daemon is killed at a step of a workflow that Docker waits for; after its restart the same end state is reached.</summary>
[Collection(OneHostCollection.Name)]
[Trait("Needs", "docker")]
[Trait("Share", "second")]
public sealed class CrashTests(OneHost lab) : IAsyncLifetime
{
    private static readonly string[] EveryMoment = ["before-effect", "after-effect", "before-enqueue", "before-commit", "after-commit"];

    /// <summary>The two where an effect and its record fall apart, or the record is there and nobody was told.</summary>
    private static readonly string[] TheHardMoments = ["after-effect", "after-commit"];

    private static readonly Dictionary<string, string[]> Steps = new(StringComparer.Ordinal)
    {
        ["pool-allocate"] = ["allocate-pool"],
        ["network-allocate"] = ["find-pool", "link-pool", "allocate-vni", "write-flannel-config"],
        ["network-create"] =
            ["allocate-pool", "allocate-vni", "write-flannel-config", "write-flannel-env", "start-flannel", "create-bridge", "install-forwarding-rules"],
        ["endpoint-join"] = ["claim-address", "create-veth", "attach-to-bridge"],
    };

    /// <summary>
    /// A point that a story passes until its network stands, and one that it passes later, at which the daemon that was started again dies:
    /// one story for both.
    /// </summary>
    public static TheoryData<string, string?> Points()
    {
        // The short form kills at each step of the two definitions that act on the kernel.
        string[] early = Run.IsLong ? ["pool-allocate", "network-allocate", "network-create"] : ["network-create"];
        var later = PointsOf("endpoint-join").Cast<string?>();
        var points = new TheoryData<string, string?>();
        foreach (var (first, second) in early.SelectMany(PointsOf).Zip(later.Concat(Enumerable.Repeat<string?>(null, int.MaxValue)))) points.Add(first, second);
        return points;
    }

    private static IEnumerable<string> PointsOf(string definition)
    {
        foreach (var step in Steps[definition])
        {
            foreach (var moment in Run.IsLong ? EveryMoment : TheHardMoments) yield return $"{definition}/{step}/{moment}";
        }

        // Respond has no commit of its own, so no point either: it is in the boundary of the step before it.
        yield return $"{definition}/accept/after-commit";
    }

    public async ValueTask InitializeAsync() => await lab.ClearAsync();

    public async ValueTask DisposeAsync()
    {
        if (!(await lab[1].TryShAsync("[ -d /proc/$(cat /run/flannelflow.lab.pid) ]")).Ok) await lab[1].StartDaemonAsync();
    }

    [Theory]
    [MemberData(nameof(Points))]
    public async Task Daemon_KilledAt_GoesOn_ToTheSameEndState(string point, string? later)
    {
        var uncrashed = await UncrashedAsync();
        var before = await lab.SnapshotAsync();
        await lab[1].ShAsync("rm -f /var/lib/flannelflow/crashed-at-*");
        await lab[1].RestartDaemonAsync(CrashAt(point));

        var restarted = RestartWhenDeadAsync(later);
        await lab.CreateNetworkAsync("net1");
        var run = await lab[1].TryDockerAsync("run", "-d", "--name", "c1", "--network", "net1", "lab:latest", "sleep", "100000");
        await restarted;
        foreach (var passed in later is null ? [point] : new[] { point, later })
            Assert.True((await lab[1].TryShAsync($"[ -e /var/lib/flannelflow/crashed-at-{passed.Replace('/', '_')} ]")).Ok, $"the daemon was not killed at {passed}");
        Assert.True(run.Ok, $"the docker command in flight failed: {run}");
        var c1 = new Container(lab[1], "c1", "net1");
        var c2 = await lab[1].StartAsync("c2", "net1");
        Assert.True(await c2.ReachesAsync(await c1.AddressAsync()), "the containers do not reach each other");
        await Wait.UntilAsync("the end state is that of a run without a crash", 20, async () =>
            uncrashed.Difference(Normal.Of(await lab.SnapshotAsync())));
        Assert.Single(await lab[1].FlanneldsAsync());

        await lab[1].DockerAsync("rm", "-f", "c1", "c2");
        await lab.RemoveNetworkAsync("net1");
        await lab.UntilSameAsync(before, 30, $"a crash at {point}, and the network's removal");
    }

    private static string CrashAt(string point) => "FLANNELFLOW_CRASH_AT=" + point;

    private async Task RestartWhenDeadAsync(string? later)
    {
        await lab[1].DaemonEndAsync();
        await lab[1].StartDaemonAsync(later is null ? [] : [CrashAt(later)]);
        if (later is null) return;
        await lab[1].DaemonEndAsync();
        await lab[1].StartDaemonAsync();
    }

    /// <summary>What a run without a crash comes to; made once for all points.</summary>
    private async Task<Snapshot> UncrashedAsync()
    {
        if (lab.Uncrashed is null)
        {
            await lab.CreateNetworkAsync("net1");
            await lab[1].StartAsync("c1", "net1");
            await lab[1].StartAsync("c2", "net1");
            lab.Uncrashed = Normal.Of(await lab.SnapshotAsync());
            await lab.ClearAsync();
        }

        return lab.Uncrashed;
    }
}
