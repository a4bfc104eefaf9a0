using System.Collections.Immutable;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Activities.Restore;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Host.Dns;
using FlannelFlow.Host.Docker;
using FlannelFlow.Host.LoadBalancing;
using FlannelFlow.Host.Mirror;
using FlannelFlow.Host.Plugin;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Reconcile;

/// <summary>What the steps of restore and sync do, with the means of the daemon.</summary>
/// <param name="runtime">Opened after the activities that call this were made.</param>
public sealed class HostUpkeep(
    PictureReader pictures,
    DriftBook book,
    DockerTruth docker,
    RunningContainers containers,
    MirrorWriter writer,
    SandboxSweep sandboxes,
    BalancingLooks balancing,
    HostNetworks networks,
    FlannelFlowOptions options,
    TimeProvider time,
    Func<WorkflowRuntime> runtime) : IHostUpkeep
{
    /// <summary>What differs only for a moment is being changed.</summary>
    private static readonly TimeSpan SecondLook = TimeSpan.FromSeconds(1);
    private ImmutableDictionary<string, Difference> _known = ImmutableDictionary.Create<string, Difference>(StringComparer.Ordinal);

    /// <summary>One comparison of all; what is found can be mended from then on.</summary>
    /// <returns>And what could not be compared, or null.</returns>
    public async Task<(ImmutableArray<Difference> Found, string? Trouble)> CompareAsync(CancellationToken ct)
    {
        var picture = await pictures.ReadAsync(ct);
        var found = HostComparison.Of(picture, options.Reconcile.Linger);
        _known = found.DistinctBy(difference => difference.Key).ToImmutableDictionary(difference => difference.Key, StringComparer.Ordinal);
        return (found, picture.Trouble);
    }

    public async Task<IReadOnlyList<string>> FindDifferencesAsync(DriftScope? scope, CancellationToken ct)
    {
        // What drifted was looked at twice before sync began. A bridge can be made anew while etcd is away.
        if (scope is null) return [.. (await CompareAsync(ct)).Found.Select(difference => difference.Key).Where(book.IsDue)];
        var first = await KeysAsync();
        if (first.Count == 0) return [];
        await Task.Delay(SecondLook, time, ct);
        first.IntersectWith(await KeysAsync());
        return [.. first.Order(StringComparer.Ordinal)];

        async Task<HashSet<string>> KeysAsync() =>
            (await CompareAllAsync(ct)).Where(difference => difference.Scope == scope && difference.Mend is not null).Select(difference => difference.Key).ToHashSet(StringComparer.Ordinal);
    }

    public async Task<string?> MendAsync(string difference, CancellationToken ct)
    {
        // Not known: the daemon was started anew since it was found.
        if (!_known.ContainsKey(difference)) await CompareAllAsync(ct);
        if (_known.GetValueOrDefault(difference)?.Mend is not { } start) return null;
        var id = await runtime().StartAsync(start, ct);
        book.Begun(difference, id.Value);
        return id.Value;
    }

    public async Task<string?> RestoreNetworkAsync(string networkId, CancellationToken ct)
    {
        if (networks.Find(networkId) is not { IdleSince: null } network) return null;
        return (await runtime().StartAsync(FabricStart.Restore(network), ct)).Value;
    }

    public async Task<int> ResyncDockerAsync(CancellationToken ct)
    {
        containers.ForgetAll();
        return await writer.WriteContainersAsync(options.HostName, containers.ReadAsync, ct) + await writer.WriteClusterAsync(docker.ClusterAsync, ct);
    }

    public Task<int> ServeNamesAsync(CancellationToken ct) => sandboxes.ServeAsync(ct);

    public Task BalanceAsync(CancellationToken ct) => balancing.OnceMoreAsync(ct);

    /// <exception cref="IOException">Docker or etcd do not answer: a step that needs to know is tried again.</exception>
    private async Task<ImmutableArray<Difference>> CompareAllAsync(CancellationToken ct)
    {
        var (found, trouble) = await CompareAsync(ct);
        return trouble is null ? found : throw new IOException(trouble);
    }
}
