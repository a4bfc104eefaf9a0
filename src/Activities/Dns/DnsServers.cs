using System.Collections.Concurrent;
using System.Collections.Immutable;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Dns.Upstreams;
using FlannelFlow.Workflows;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Activities.Dns;

/// <summary>The DNS servers of this host's sandboxes.</summary>
/// <remarks>
/// A sandbox is served while at least one endpoint of ours is in it. Changes of one sandbox are serial by its <see cref="Entry"/>'s gate; one
/// loop (<see cref="RunAsync"/>) keeps all servers alive to their redirects, and follows the host's resolv.conf.
/// </remarks>
public sealed class DnsServers(
    NameBoard board, DnsOptions options, HostResolverFile hostFile, TimeProvider time, Func<Random> chance, ILogger<DnsServers> log) : IAsyncDisposable
{
    /// <summary>Four signs of life in the time that one is good for.</summary>
    internal static readonly TimeSpan ProbeInterval = DnsRedirect.Life / 4;

    private const int StopsAtOnce = 4;

    private readonly ConcurrentDictionary<string, Entry> _byKey = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> _keyOfEndpoint = new(StringComparer.Ordinal);

    /// <summary>The sandboxes that are served now.</summary>
    public IReadOnlyCollection<ServedSandbox> All => [.. _byKey.Values.Select(entry => entry.Served).OfType<ServedSandbox>()];

    /// <summary>False once this kernel has refused the redirect, as it would for every sandbox: Docker's resolver goes on answering in all.</summary>
    public bool CanServe { get; private set; } = true;

    /// <summary>Whether a sandbox is served for this endpoint.</summary>
    public bool Serves(string endpointId) => _keyOfEndpoint.ContainsKey(endpointId);

    /// <summary>The sandbox is served, for this endpoint too, and as the facts say.</summary>
    public async Task EnsureAsync(SandboxFacts facts, string networkId, string endpointId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(facts);
        while (true)
        {
            var entry = _byKey.GetOrAdd(facts.Key, _ => new Entry());
            await entry.Gate.WaitAsync(ct);
            try
            {
                if (entry.IsGone) continue;
                await EnsureLockedAsync(entry, facts, ct);
                entry.Endpoints[endpointId] = networkId;
                _keyOfEndpoint[endpointId] = facts.Key;
                return;
            }
            finally
            {
                if (entry.Endpoints.Count == 0 && !entry.IsGone) Forget(facts.Key, entry);
                entry.Gate.Release();
            }
        }
    }

    /// <summary>A sandbox that is served is what the facts say now. Nothing happens to one that is not, nor where the endpoint is in another now.</summary>
    public async Task RefreshAsync(SandboxFacts facts, string endpointId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(facts);
        if (!_keyOfEndpoint.TryGetValue(endpointId, out var key) || key != facts.Key || !_byKey.TryGetValue(key, out var entry)) return;
        await entry.Gate.WaitAsync(ct);
        try
        {
            if (!entry.IsGone) Become(entry, facts);
        }
        finally
        {
            entry.Gate.Release();
        }
    }

    /// <summary>The sandbox is not served for this endpoint any more; with the last one its server ends. Success also when it never was.</summary>
    public async Task WithdrawAsync(string endpointId, CancellationToken ct)
    {
        if (!_keyOfEndpoint.TryGetValue(endpointId, out var key) || !_byKey.TryGetValue(key, out var entry)) return;
        await entry.Gate.WaitAsync(ct);
        try
        {
            _keyOfEndpoint.TryRemove(endpointId, out _);
            if (!entry.Endpoints.Remove(endpointId, out var networkId)) return;
            if (entry.Endpoints.Count > 0)
            {
                Become(entry, entry.Facts! with { Networks = entry.Facts.Networks.Remove(networkId) });
                return;
            }

            Forget(key, entry);
            if (entry.Served is { } served) await served.DisposeAsync();
            entry.Served = null;
        }
        finally
        {
            entry.Gate.Release();
        }
    }

    /// <summary>Keeps the servers alive until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        using var timer = new PeriodicTimer(ProbeInterval, time);
        do
        {
            FollowHostConfig();
            // Without names every query would be passed on, and be denied by somebody who does not know better.
            if (!board.IsReady) continue;
            foreach (var entry in _byKey.Values)
            {
                if (entry.Served is { } served && Knows(entry.Facts!)) served.Probe();
            }
        }
        while (await timer.WaitForNextTickAsync(ct));
    }

    /// <summary>
    /// All queries go to Docker's resolver, then the servers end. Nothing is lost meanwhile, and a process that is killed half way leaves nothing
    /// behind that does harm.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        var served = All;
        await Task.WhenAll(served.Select(sandbox => sandbox.FarewellAsync()));
        _byKey.Clear();
        _keyOfEndpoint.Clear();
        await Parallel.ForEachAsync(served, new ParallelOptions { MaxDegreeOfParallelism = StopsAtOnce }, (sandbox, _) => sandbox.DisposeAsync());
    }

    private async Task EnsureLockedAsync(Entry entry, SandboxFacts facts, CancellationToken ct)
    {
        if (entry.Served is { } stale && !stale.IsAt(facts.Key))
        {
            entry.Served = null;
            await stale.DisposeAsync();
        }

        Become(entry, facts);
        try
        {
            entry.Served ??= await ServedSandbox.StartAsync(facts.Key, board, options, ModelOf(facts), DnsRedirect.Life, time, chance, log, ct);
        }
        catch (RefusalException)
        {
            CanServe = false;
            throw;
        }
    }

    private void Forget(string key, Entry entry)
    {
        entry.IsGone = true;
        _byKey.TryRemove(key, out _);
    }

    private void Become(Entry entry, SandboxFacts facts)
    {
        entry.Facts = facts;
        if (entry.Served is { } served) served.Server.Responder.Sandbox = ModelOf(facts);
    }

    private SandboxModel ModelOf(SandboxFacts facts) => new(
        facts.Networks,
        facts.IsOursOnly ? UpstreamChoice.Of(facts.Servers, hostFile.Current, facts.IsInternal) : [UpstreamChoice.DockersResolver],
        facts.NdotsSet && facts.IsOursOnly,
        HasOtherNames: !facts.IsOursOnly);

    /// <summary>A network that was just made may not be in the names yet; until it is, Docker's resolver knows more.</summary>
    private bool Knows(SandboxFacts facts)
    {
        var names = board.Current;
        return facts.Networks.All(network => names.Network(network) is not null);
    }

    private void FollowHostConfig()
    {
        if (!hostFile.TryFollow()) return;
        log.LogInformation("names that are not ours are asked of {Servers}, as {File} says", string.Join(", ", hostFile.Current.Servers), hostFile.Path);
        foreach (var entry in _byKey.Values)
        {
            if (entry.Facts is { } facts) Become(entry, facts);
        }
    }

    private sealed class Entry
    {
        public SemaphoreSlim Gate { get; } = new(1);

        /// <summary>Its last endpoint left; whoever waited for the gate begins anew with another entry.</summary>
        public bool IsGone { get; set; }

        public SandboxFacts? Facts { get; set; }

        public ServedSandbox? Served { get; set; }

        /// <summary>Their networks, by endpoint.</summary>
        public Dictionary<string, string> Endpoints { get; } = new(StringComparer.Ordinal);
    }
}
