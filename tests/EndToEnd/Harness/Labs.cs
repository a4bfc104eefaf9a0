using System.Diagnostics;

namespace FlannelFlow.EndToEnd.Tests.Harness;

public sealed class ThreeHosts : Lab
{
    protected override int Count => 3;

    protected override string Name => "three-hosts";
}

public sealed class OneHost : Lab
{
    protected override int Count => 1;

    protected override string Name => "one-host";

    /// <summary>The normal end state of CrashTests, reached without a crash; made by the first test that needs it.</summary>
    public Snapshot? Uncrashed { get; set; }
}

/// <summary>Three hosts whose containers run under the runtime wrapper, with a web server and clients in the image.</summary>
public sealed class DrainingHosts : Lab
{
    protected override int Count => 3;

    protected override string Name => "draining";

    protected override string Tools => Path.Combine(Run.Root, "artifacts/traffic/traffic");

    protected override string DockerdOptions => $"--add-runtime flannelflow={Path.Combine(Run.Daemon, "flannelflow-runc")} --default-runtime flannelflow";
}

/// <summary>Three hosts with an etcd of three members, which can be filled in a moment, and has room for what is in it for a campaign's time.</summary>
public sealed class FaultyHosts : Lab
{
    protected override int Count => 3;

    protected override string Name => "faulty-hosts";

    protected override int EtcdMembers => 3;

    protected override string EtcdOptions => "--quota-backend-bytes=67108864 --auto-compaction-mode=revision --auto-compaction-retention=5000";
}

/// <summary>Three machines, each booted by a systemd of its own, on which nothing of FlannelFlow is installed.</summary>
public sealed class FreshMachines : Lab
{
    protected override int Count => 3;

    protected override string Name => "fresh-machines";

    protected override string Tools => Path.Combine(Run.Root, "artifacts/traffic/traffic");

    protected override async Task UpAsync() => (await CommandAsync(["up", Text(Count), "--image", "--systemd", .. Run.WantsKernels ? ["--kernels"] : Array.Empty<string>()])).Checked();

    public Task InstalledAsync() => PluginsKnownAsync();

    /// <summary>What build/package.sh made, or the published folder in its form, as a file in the host's /root.</summary>
    public async Task BringAsync(LabHost host)
    {
        // Out of this machine's files into the host's: a host sees them, but not what is below /tmp, which its systemd clears.
        var name = $"flannelflow-{(await File.ReadAllTextAsync(Path.Combine(Run.Daemon, "VERSION"), Run.Ct)).Trim()}-linux-x64";
        await BringAsync(host, $"{name}.tar.gz", Run.Tarball is { } tarball ? $"cat '{tarball}'" : $"tar c -C '{Run.Daemon}' --transform 's,^\\.,{name},' . | gzip -1");
    }

    /// <summary>The package that build/package.sh made beside the tarball, as a file in the host's /root.</summary>
    public Task BringPackageAsync(LabHost host)
    {
        var file = Directory.GetFiles(Path.GetDirectoryName(Run.Tarball)!, "*.deb").Single();
        return BringAsync(host, Path.GetFileName(file), $"cat '{file}'");
    }

    /// <param name="made">Shell that writes it.</param>
    private static async Task BringAsync(LabHost host, string file, string made)
    {
        using var shell = Process.Start(new ProcessStartInfo("sh", ["-c", $"{made} | '{Run.LabScript}' exec {Text(host.Number)} sh -c 'cat >/root/{file}'"])
        {
            Environment = { ["LAB"] = host.LabFolder },
        })!;
        await shell.WaitForExitAsync(Run.Ct);
        Assert.Equal(0, shell.ExitCode);
    }

    /// <summary>What a host's file system has that the machine's had not, but for what systemd, Docker and logs write by themselves.</summary>
    public Task<string> WrittenAsync(LabHost host) => host.ShAsync(
        "find /etc /usr /var/lib/flannelflow /run/flannelflow /run/systemd/system -newer /etc/machine-id \\( -type f -o -type l \\) 2>/dev/null | sort");
}

[CollectionDefinition(FaultyHostsCollection.Name)]
public sealed class FaultyHostsCollection : ICollectionFixture<FaultyHosts>
{
    public const string Name = "5 faulty hosts";
}

[CollectionDefinition(FreshMachinesCollection.Name)]
public sealed class FreshMachinesCollection : ICollectionFixture<FreshMachines>
{
    public const string Name = "4 fresh machines";
}

[CollectionDefinition(DrainingHostsCollection.Name)]
public sealed class DrainingHostsCollection : ICollectionFixture<DrainingHosts>
{
    public const string Name = "3 draining hosts";
}

[CollectionDefinition(ThreeHostsCollection.Name)]
public sealed class ThreeHostsCollection : ICollectionFixture<ThreeHosts>
{
    public const string Name = "1 three hosts";
}

[CollectionDefinition(OneHostCollection.Name)]
public sealed class OneHostCollection : ICollectionFixture<OneHost>
{
    public const string Name = "2 one host";
}
