using System.Globalization;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>Containers come and go while the daemon is killed again and again: to Docker that is latency, never an error.</summary>
[Collection(OneHostCollection.Name)]
[Trait("Needs", "docker")]
[Trait("Share", "second")]
public sealed class KillTests(OneHost lab) : IAsyncLifetime
{
    private static readonly int Containers = Run.IsLong ? 100 : 25;

    /// <summary>On a slow machine a daemon is hardly up before it is killed again, and no container would ever get through.</summary>
    private static readonly int MaxKills = Run.IsLong ? 200 : 15;

    public async ValueTask InitializeAsync() => await lab.ClearAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task DockerRun_WhileTheDaemonIsKilledEveryTwoSeconds_NeverFails_AndNothingIsLeft()
    {
        var before = await lab.SnapshotAsync();
        await lab.CreateNetworkAsync("net1");
        var chance = new Random(Run.Seed);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Run.Ct);
        var killer = KillAsync(chance, over.Token);

        Said said;
        int kills;
        try
        {
            said = await lab[1].TryShAsync(
                $"i=0; failed=0; while [ $i -lt {Containers} ]; do i=$((i+1)); " +
                "docker run --rm --network net1 lab:latest ip -4 -o addr show dev eth0 2>&1 || { failed=$((failed+1)); echo \"run $i failed\"; }; done; echo failed $failed");
        }
        finally
        {
            await over.CancelAsync();
            kills = await killer;
        }

        Assert.True(said.Out.TrimEnd().EndsWith("failed 0", StringComparison.Ordinal), $"seed {Run.Seed}, {kills} kills:\n{said.All}");
        Assert.Equal(Containers, said.Out.Split('\n').Count(line => line.Contains(" inet 10.128.", StringComparison.Ordinal)));
        Assert.True(kills >= Containers / 8, $"the daemon was killed only {kills} times");
        Run.Say(string.Create(CultureInfo.InvariantCulture, $"{Containers} containers, {kills} kills, seed {Run.Seed}"));

        await lab.RemoveNetworkAsync("net1");
        await lab.UntilSameAsync(before, 60, $"{Containers} containers and {kills} kills (seed {Run.Seed})");
    }

    private async Task<int> KillAsync(Random chance, CancellationToken ct)
    {
        var kills = 0;
        while (kills < MaxKills)
        {
            try
            {
                await Task.Delay(TimeSpan.FromMilliseconds(chance.Next(1000, 3000)), TimeProvider.System, ct);
            }
            catch (OperationCanceledException)
            {
                return kills;
            }

            await lab[1].StopDaemonAsync("KILL");
            await lab[1].StartDaemonAsync();
            kills++;
        }

        return kills;
    }
}
