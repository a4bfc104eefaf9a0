using System.Diagnostics;
using System.Globalization;
using System.Text;
using FlannelFlow.EndToEnd.Tests.Faults;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>
/// Faults happen to a host, one after the other, under traffic. After each, kernel, etcd and Docker of every host are as text what they were, no address is
/// held twice, and pings between two other hosts were not lost.
/// </summary>
[Collection(FaultyHostsCollection.Name)]
[Trait("Needs", "docker")]
[Trait("Share", "fourth")]
public sealed class FaultTests(FaultyHosts lab) : IAsyncLifetime
{
    public async ValueTask InitializeAsync() => await lab.ClearAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>
    /// tests/campaigns/faults: all of them, into the tables of docs/faults.md; in a lab of kernels, those that are played there. FLANNELFLOW_FAULTS picks those whose names
    /// contain it.
    /// </summary>
    [Fact(Explicit = true)]
    public async Task EveryFault_IsLivedThrough()
    {
        var only = Environment.GetEnvironmentVariable("FLANNELFLOW_FAULTS");
        var (all, file) = lab.HasKernels ? (AllFaults.InKernels, "faults-kernels.md") : (AllFaults.List, "faults.md");
        var table = await PlayAsync([.. all.Where(fault => only is null || fault.Name.Contains(only, StringComparison.Ordinal))]);
        await File.WriteAllTextAsync(Path.Combine(Run.Root, "artifacts", file), table, Run.Ct);
    }

    /// <summary>Faults at random while containers and a service come and go; the daemons on which nothing happens do not grow.</summary>
    [Fact]
    public async Task FaultsAndChurnAtRandom()
    {
        // Which faults come is the seed's alone; how far the churn gets in the meantime is not.
        var (random, churned) = (new Random(Run.Seed), new Random(Run.Seed));
        var scene = new FaultScene(lab);
        await scene.BeginAsync();
        var sizes = new List<IReadOnlyList<ProcessSize>> { await SizesAsync() };
        var faults = new Queue<Fault>();
        for (var end = Stopwatch.StartNew(); end.Elapsed < Run.Soak;)
        {
            if (faults.Count == 0)
            {
                // None again before all the others.
                Fault[] next = [.. AllFaults.List];
                random.Shuffle(next);
                faults = new Queue<Fault>(next);
            }

            var fault = faults.Dequeue();
            var churn = new Churn(lab, churned);
            await scene.LookAsync();
            var ping = await scene.PingsAsync();
            await churn.DuringAsync(() => HappensAsync(scene, fault));
            var took = await scene.UntilHealedAsync($"{fault.Name} (seed {Run.Seed}, after {FaultScene.Seconds(end.Elapsed)} s)", fault.Seconds);
            await scene.UntilNoDriftAsync();
            await scene.NoAddressTwiceAsync();
            Assert.Equal(0, await ping.EndAsync(atLeast: 10));
            sizes.Add(await SizesAsync());
            Run.Say($"{FaultScene.Seconds(end.Elapsed)} s: {fault.Name}; {churn.Done} changes, {churn.Refused} refused; as before within {FaultScene.Seconds(took)} s; daemons: {string.Join(", ", sizes[^1])}");
        }

        for (var host = 0; host < sizes[0].Count; host++)
        {
            var all = sizes.Skip(1).Select(each => each[host]).ToList();
            var (first, last) = (ProcessSize.MedianOf(all.Take((all.Count + 2) / 3)), ProcessSize.MedianOf(all.TakeLast((all.Count + 2) / 3)));
            Assert.True(last.Kilobytes <= first.Kilobytes * 1.25 && last.Handles <= first.Handles + 32, $"the daemon of host {host + 1} grows: {first}, then {last} (seed {Run.Seed})");
        }
    }

    /// <summary>Of the daemons of the hosts that no fault happens to.</summary>
    private async Task<IReadOnlyList<ProcessSize>> SizesAsync() => await Task.WhenAll(lab.Hosts.Take(2).Select(async host =>
    {
        var said = (await host.ShAsync("p=$(cat /run/flannelflow.lab.pid); awk '/VmRSS/ {print $2}' /proc/$p/status; ls /proc/$p/fd | wc -l")).Split('\n');
        return new ProcessSize(int.Parse(said[0], CultureInfo.InvariantCulture), int.Parse(said[1], CultureInfo.InvariantCulture));
    }));

    private sealed record ProcessSize(int Kilobytes, int Handles)
    {
        public static ProcessSize MedianOf(IEnumerable<ProcessSize> sizes)
        {
            var all = sizes.ToList();
            return new ProcessSize(Median(all.Select(size => size.Kilobytes)), Median(all.Select(size => size.Handles)));

            int Median(IEnumerable<int> numbers) => numbers.Order().ElementAt(all.Count / 2);
        }

        public override string ToString() => $"{Kilobytes / 1024} MiB, {Handles} handles";
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
        // The others are played under churn by the soak.
        var (since, how) = scene.Lab.HasKernels ? await new Churn(scene.Lab, new Random(Run.Seed)).DuringAsync(() => HappensAsync(scene, fault)) : await HappensAsync(scene, fault);
        await scene.UntilHealedAsync(fault.Name, fault.Seconds);
        var took = since.Elapsed;
        await scene.UntilNoDriftAsync();
        await scene.NoAddressTwiceAsync();
        return (took, await ping.EndAsync(atLeast: 10), how);
    }

    /// <summary>The fault, and what is done about it; the watch runs since there is nothing more to do.</summary>
    private static async Task<(Stopwatch Since, string How)> HappensAsync(FaultScene scene, Fault fault)
    {
        await fault.Inject(scene);
        var since = Stopwatch.StartNew();
        if (fault.ByHand is { } command)
        {
            await scene.UntilToldAsync(command);
            await scene.Host.ShAsync(command);
            return (since, $"told: `{command}`; done, from the fault on");
        }

        if (fault.Heal is not { } heal) return (since, "from the fault on");
        since.Restart();
        await heal(scene);
        return (since, "from its end on");
    }
}
