using System.Globalization;
using FlannelFlow.EndToEnd.Tests.Harness;
using FlannelFlow.Tests;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>What the documents tell people to type is typed, on three fresh machines.</summary>
[Collection(FreshMachinesCollection.Name)]
[Trait("Needs", "docker")]
[Trait("Share", "third")]
public sealed class DocumentedCommandsTests(FreshMachines lab)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(180) * Run.Patience;

    [Fact(Explicit = true)]
    public async Task EveryLine_OfAShellBlock_DoesWhatItsPageSays()
    {
        Assert.SkipWhen(Run.Tarball is null, "needs what build/package.sh makes: tests/campaigns/docs");
        await Task.WhenAll(lab.Hosts.Select(PrepareAsync));
        var failed = new List<string>();
        foreach (var line in DocumentedCommands.Typed)
        {
            if (await TypeAsync(line) is { } problem) failed.Add(problem);
        }

        Assert.True(failed.Count == 0, string.Join("\n\n", failed));

        // The hosts that kept options and state keep nothing either, nor does etcd, as install.md has it; and then all is as before.
        foreach (var host in lab.Hosts) await host.ShAsync("cd /root && tar xzf flannelflow-*-linux-x64.tar.gz && flannelflow-[0-9]*-linux-x64/flannelflow uninstall --purge");
        await lab.EtcdctlAsync("del", "--prefix", "/flannelflow");
        await lab.UntilSameAsync(lab.Bare, 120, "uninstall");
    }

    /// <summary>What is installed, and images that a service can run without being told how.</summary>
    private async Task PrepareAsync(LabHost host)
    {
        await lab.BringAsync(host);
        await lab.BringPackageAsync(host);
        await host.ShAsync(
            "docker create --name made lab:latest true && for i in web nginx; do docker commit -c 'CMD [\"traffic\", \"serve\", \"80\"]' made $i:latest; done && docker rm made");
    }

    /// <summary>On one host after the other; null, or what is wrong.</summary>
    private async Task<string?> TypeAsync(TypedLine line)
    {
        foreach (var host in line.Hosts)
        {
            if (await TypeAsync(lab[host], line) is { } problem) return problem;
        }

        return null;
    }

    private static async Task<string?> TypeAsync(LabHost host, TypedLine line)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(Run.Ct);
        bound.CancelAfter(Patience);
        var said = new Said(line.Line, 0, "", "");
        Run.Say($"n{host.Number.ToString(CultureInfo.InvariantCulture)}# {line.Script}");
        try
        {
            if (line.Until is { } until)
            {
                while (!(said = await InHomeAsync(until)).Ok) await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System, bound.Token);
            }

            while (true)
            {
                said = await InHomeAsync(line.Script);
                if (said.Code == line.Code && (line.Says is null || said.Out.Contains(line.Says, StringComparison.Ordinal))) return null;
                if (line.Says is null) return Problem();
                await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, bound.Token);
            }
        }
        catch (OperationCanceledException) when (!Run.Ct.IsCancellationRequested)
        {
            return Problem();
        }

        Task<Said> InHomeAsync(string script) => host.TryShAsync($"cd /root && {{ {script}\n}}", bound.Token);

        string Problem()
        {
            var problem = $"{line.Page}, on host {host.Number}: {line.Line}\n{said}";
            Run.Say(problem);
            return problem;
        }
    }
}
