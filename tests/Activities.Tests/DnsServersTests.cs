using System.Net.Sockets;
using FlannelFlow.Activities.Dns;
using FlannelFlow.Dns.Names;
using FlannelFlow.Dns.Serving;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Activities.Tests;

[Trait("Needs", "kernel")]
public sealed class DnsServersTests : IDisposable
{
    private readonly string _resolvConf = Path.GetTempFileName();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => File.Delete(_resolvConf);

    [Fact]
    public async Task Sandbox_IsServed_WhileAnEndpointIsInIt()
    {
        await using var sandbox = await DnsSandbox.CreateAsync();
        sandbox.Board.Publish(DnsSandbox.Names);
        await using var servers = Servers(sandbox);
        await servers.EnsureAsync(Facts(sandbox, "n", "other"), "n", "e1", Ct);
        await servers.EnsureAsync(Facts(sandbox, "n", "other"), "other", "e2", Ct);
        await servers.EnsureAsync(Facts(sandbox, "n", "other"), "n", "e1", Ct);
        var served = Assert.Single(servers.All);
        Assert.Equal(["n", "other"], served.Server.Responder.Sandbox.Networks);

        await servers.WithdrawAsync("e2", Ct);
        Assert.Same(served, Assert.Single(servers.All));
        Assert.Equal(["n"], served.Server.Responder.Sandbox.Networks);
        await servers.WithdrawAsync("e1", Ct);
        await servers.WithdrawAsync("e1", Ct);
        await servers.WithdrawAsync("never", Ct);
        Assert.Empty(servers.All);
        Assert.False(servers.Serves("e1"));
        Assert.DoesNotContain("flannelflow", await sandbox.Commands.RunCheckedAsync("nft", ["list", "ruleset"], null, Ct), StringComparison.Ordinal);
    }

    /// <summary>As when a container starts again: its endpoint and its sandbox's path are new, or the path means another namespace.</summary>
    [Fact]
    public async Task Sandbox_IsAnotherAtTheSamePath_IsServedAnew()
    {
        await using var sandbox = await DnsSandbox.CreateAsync();
        await using var other = await DnsSandbox.CreateAsync();
        await using var servers = Servers(sandbox);
        var path = Path.Combine(Path.GetTempPath(), "fft-" + Guid.NewGuid().ToString("N")[..8]);
        try
        {
            File.CreateSymbolicLink(path, sandbox.NamespacePath);
            await servers.EnsureAsync(Facts(sandbox, "n") with { Key = path }, "n", "e1", Ct);
            var first = Assert.Single(servers.All);
            File.Delete(path);
            File.CreateSymbolicLink(path, other.NamespacePath);
            await servers.EnsureAsync(Facts(sandbox, "n") with { Key = path }, "n", "e1", Ct);
            Assert.NotSame(first, Assert.Single(servers.All));
            Assert.Contains("flannelflow-dns", await other.Commands.RunCheckedAsync("nft", ["list", "tables"], null, Ct), StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task Loop_KeepsServersAlive_OnceThereAreNamesOfTheirNetworks_AndFollowsTheHostsFile()
    {
        await using var sandbox = await DnsSandbox.CreateAsync();
        await using var servers = Servers(sandbox);
        await File.WriteAllTextAsync(_resolvConf, "nameserver 192.0.2.1\n", Ct);
        await servers.EnsureAsync(Facts(sandbox, "n"), "n", "e1", Ct);
        var served = Assert.Single(servers.All);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var loop = servers.RunAsync(stop.Token);
        using var client = sandbox.Client(ProtocolType.Udp);

        // No names yet, then names, but not of its network.
        Assert.Equal(DnsSandbox.Docker, await DnsSandbox.AskAsync(client));
        sandbox.Board.Publish(NameIndex.Build(new NameSnapshot([new NamedNetwork("elsewhere", "elsewhere")], [], [])));
        await UntilAsync(() => Task.FromResult(served.Server.Responder.Sandbox.Upstreams is [{ } only] && only.ToString() == "192.0.2.1:53"));
        Assert.Equal(DnsSandbox.Docker, await DnsSandbox.AskAsync(client));

        sandbox.Board.Publish(DnsSandbox.Names);
        await UntilAsync(async () => await DnsSandbox.AskAsync(client) == DnsSandbox.Ours);
        await File.WriteAllTextAsync(_resolvConf, "nameserver 192.0.2.2\nnameserver 127.0.0.53\n", Ct);
        await UntilAsync(() => Task.FromResult(string.Join(' ', served.Server.Responder.Sandbox.Upstreams) == "192.0.2.2:53 127.0.0.53:53 (asked by the host)"));

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => loop);
        await servers.DisposeAsync();
        Assert.Equal(DnsSandbox.Docker, await DnsSandbox.AskAsync(client));
    }

    [Fact]
    public async Task Namespace_IsGone_SaysSo()
    {
        await using var sandbox = await DnsSandbox.CreateAsync();
        await using var servers = Servers(sandbox);
        await Assert.ThrowsAnyAsync<IOException>(() => servers.EnsureAsync(Facts(sandbox, "n") with { Key = "/run/netns/fft-none" }, "n", "e1", Ct));
        Assert.Empty(servers.All);
        Assert.False(servers.Serves("e1"));
    }

    private DnsServers Servers(DnsSandbox sandbox) => new(
        sandbox.Board,
        new DnsOptions(MatchMode.FirstNetwork, 1),
        new HostResolverFile(_resolvConf),
        TimeProvider.System,
        () => new Random(1),
        NullLogger<DnsServers>.Instance);

    private static SandboxFacts Facts(DnsSandbox sandbox, params string[] networks) =>
        new("c", sandbox.NamespacePath, [.. networks], IsOursOnly: true, IsInternal: false, Servers: [], NdotsSet: false);

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        while (!await holds()) await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Ct);
    }
}
