using System.Diagnostics;
using System.Text;
using FlannelFlow.EndToEnd.Tests.Faults;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>
/// Faults happen to a host, one after the other, under traffic. After each, kernel, etcd and Docker of every host are as text what they were, no address is
/// held twice, and pings between two other hosts were not lost.
/// </summary>
[Collection(ThreeHostsCollection.Name)]
[Trait("Needs", "docker")]
public sealed class FaultTests(ThreeHosts lab) : IAsyncLifetime
{
    public async ValueTask InitializeAsync() => await lab.ClearAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public Task RemovedByHand_IsMended() => PlayAsync([.. AllFaults.List.Where(fault => fault.IsShort)]);

    /// <summary>tests/campaigns/faults: all of them, into the table of docs/faults.md. FLANNELFLOW_FAULTS picks those whose names contain it.</summary>
    [Fact(Explicit = true)]
    public async Task EveryFault_IsLivedThrough()
    {
        var only = Environment.GetEnvironmentVariable("FLANNELFLOW_FAULTS");
        var table = await PlayAsync([.. AllFaults.List.Where(fault => only is null || fault.Name.Contains(only, StringComparison.Ordinal))]);
        await File.WriteAllTextAsync(Path.Combine(Run.Root, "artifacts/faults.md"), table, Run.Ct);
    }

    private async Task<string> PlayAsync(IReadOnlyList<Fault> faults)
    {
        var scene = new FaultScene(lab);
        await scene.BeginAsync();
        var table = new StringBuilder();
        var failures = new List<string>();
        var group = "";
        foreach (var fault in faults)
        {
            if (fault.Group != group) table.Append($"{(group.Length > 0 ? "\n" : "")}## {group = fault.Group}\n\n| fault | all as before within | lost pings elsewhere | |\n| --- | --- | --- | --- |\n");
            try
            {
                var (took, lost, how) = await PlayAsync(scene, fault);
                table.Append($"| {fault.Name} | {FaultScene.Seconds(took)} s | {lost} | {how} |\n");
                Run.Say($"{fault.Name}: as before within {FaultScene.Seconds(took)} s, {lost} pings lost elsewhere");
            }
            catch (Xunit.Sdk.XunitException failed)
            {
                // The others are played all the same, on what is there.
                table.Append($"| {fault.Name} | **not within {fault.Seconds} s** | | |\n");
                Run.Say($"{fault.Name}: {failed.Message}");
                failures.Add($"{fault.Name}: {failed.Message}");
            }
        }

        Assert.True(failures.Count == 0, string.Join("\n\n", failures));
        return table.ToString();
    }

    private static async Task<(TimeSpan Took, int Lost, string How)> PlayAsync(FaultScene scene, Fault fault)
    {
        await scene.LookAsync();
        var ping = await scene.PingsAsync();
        await fault.Inject(scene);
        var since = Stopwatch.StartNew();
        var how = fault.Heal is null ? "from the fault on" : "from its end on";
        if (fault.ByHand is { } command)
        {
            await scene.UntilToldAsync(command);
            await scene.Host.ShAsync(command);
            how = $"told: `{command}`; done, from the fault on";
        }
        else if (fault.Heal is { } heal)
        {
            since.Restart();
            await heal(scene);
        }

        await scene.UntilHealedAsync(fault.Name, fault.Seconds);
        var took = since.Elapsed;
        await scene.UntilNoDriftAsync();
        await scene.NoAddressTwiceAsync();
        return (took, await ping.EndAsync(atLeast: 10), how);
    }
}
