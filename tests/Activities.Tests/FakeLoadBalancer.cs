using System.Collections.Concurrent;
using System.Net;
using FlannelFlow.Linux.LoadBalancing;

namespace FlannelFlow.Activities.Tests;

/// <summary>A kernel in memory; <see cref="ToString"/> is its text.</summary>
public sealed class FakeLoadBalancer : ILoadBalancer
{
    private readonly SortedDictionary<string, (NetworkFrame Frame, Dictionary<VirtualServiceKey, VirtualService> Services)> _networks = new(StringComparer.Ordinal);

    public LoadBalancerPlane Plane => LoadBalancerPlane.Nftables;

    public IReadOnlyList<string> Schedulers { get; } = ["rr", "wrr"];

    public List<string> Strays { get; } = [];

    /// <summary>Established TCP connections by backend.</summary>
    public ConcurrentDictionary<IPAddress, int> Connections { get; } = new();

    /// <summary>Null: the kernel works. Else what it says to every change of a backend and every count.</summary>
    public Exception? Broken { get; set; }

    /// <summary>Every change of a backend, in order.</summary>
    public ConcurrentQueue<string> Changes { get; } = new();

    public Task<LoadBalancerTables> ReadAsync(CancellationToken ct) => Task.FromResult(new LoadBalancerTables(
        [.. _networks.Values.Select(network => new BalancedNetwork(network.Frame, [.. network.Services.Values]))], [.. Strays]));

    public Task<IReadOnlyList<string>> ApplyAsync(IReadOnlyList<BalancedNetwork> networks, CancellationToken ct)
    {
        _networks.Clear();
        Strays.Clear();
        foreach (var network in networks) _networks[network.Frame.Device] = (network.Frame, network.Services.ToDictionary(service => service.Key));
        return Task.FromResult<IReadOnlyList<string>>(["applied"]);
    }

    public Task<IReadOnlyList<string>> EnsureServiceAsync(NetworkFrame frame, VirtualService service, CancellationToken ct)
    {
        if (!_networks.ContainsKey(frame.Device)) _networks[frame.Device] = (frame, []);
        _networks[frame.Device].Services[service.Key] = service;
        return Task.FromResult<IReadOnlyList<string>>([$"service {service.Vip}"]);
    }

    public Task<bool> RemoveServiceAsync(NetworkFrame frame, VirtualServiceKey service, CancellationToken ct) =>
        Task.FromResult(_networks.TryGetValue(frame.Device, out var network) && network.Services.Remove(service));

    public Task<bool> RemoveNetworkAsync(NetworkFrame frame, CancellationToken ct) => Task.FromResult(_networks.Remove(frame.Device));

    public Task EnsureBackendAsync(VirtualServiceKey service, Backend backend, CancellationToken ct) => ChangeAsync(
        backend.ToString(), () => Change(service, backends => [.. backends.Where(other => !other.Address.Equals(backend.Address)), backend]));

    public Task RemoveBackendAsync(VirtualServiceKey service, IPAddress backend, CancellationToken ct) => ChangeAsync(
        $"{backend} removed",
        () =>
        {
            if (_networks.Values.Any(network => network.Services.ContainsKey(service)))
                Change(service, backends => [.. backends.Where(other => !other.Address.Equals(backend))]);
        });

    public Task<IReadOnlyList<BackendConnections>> CountConnectionsAsync(IPAddress vip, CancellationToken ct) => Broken is { } fault
        ? Task.FromException<IReadOnlyList<BackendConnections>>(fault)
        : Task.FromResult<IReadOnlyList<BackendConnections>>([.. Connections.Select(pair => new BackendConnections(pair.Key) { Established = pair.Value })]);

    public void Dispose()
    {
    }

    public override string ToString() => LoadBalancerTables.ToText(_networks.Values.Select(network => new BalancedNetwork(network.Frame, [.. network.Services.Values])));

    private Task ChangeAsync(string what, Action change)
    {
        if (Broken is { } fault) return Task.FromException(fault);
        change();
        Changes.Enqueue(what);
        return Task.CompletedTask;
    }

    private void Change(VirtualServiceKey key, Func<IReadOnlyList<Backend>, IReadOnlyList<Backend>> change)
    {
        foreach (var (_, services) in _networks.Values)
        {
            if (!services.TryGetValue(key, out var service)) continue;
            services[key] = service with { Backends = change(service.Backends) };
            return;
        }

        throw new ServiceMissingException(key);
    }
}
