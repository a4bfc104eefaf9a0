using System.Net;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Interop;
using FlannelFlow.Linux.Ipvs;
using FlannelFlow.Linux.Namespaces;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.LoadBalancing;

/// <summary>
/// The plane by IPVS: what is sent to a VIP gets a mark (a service for TCP, one for UDP), is delivered locally, as the VIP is on the
/// network's device, and is caught there by the service of its mark, which masquerades it to a backend.
/// </summary>
/// <remarks>
/// <see cref="_gate"/> makes calls serial. <see cref="_rules"/> is what the last reading of the packet filter gave and our changes since: it
/// is read again by <see cref="ReadAsync"/> and <see cref="ApplyAsync"/>, and forgotten when a call fails, so that a change of one service
/// need not list the rules of all. All else is read from the kernel by each call.
/// </remarks>
internal sealed class IpvsLoadBalancer : ILoadBalancer
{
    private static readonly string[] KnownSchedulers = ["rr", "wrr", "lc", "wlc", "sh", "dh", "sed", "nq", "lblc", "lblcr", "fo", "ovf", "mh", "twos"];

    private readonly IpvsNetlink _ipvs;
    private readonly VipDevices _devices;
    private readonly IBalancingRules _filter;
    private readonly NetworkNamespace? _namespace;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private HashSet<BalancingRule>? _rules;

    private IpvsLoadBalancer(IpvsNetlink ipvs, VipDevices devices, IBalancingRules filter, NetworkNamespace? networkNamespace, IReadOnlyList<string> schedulers)
    {
        (_ipvs, _devices, _filter, _namespace) = (ipvs, devices, filter, networkNamespace);
        Schedulers = schedulers;
    }

    public LoadBalancerPlane Plane => LoadBalancerPlane.Ipvs;

    public IReadOnlyList<string> Schedulers { get; }

    /// <summary>"nftables" or "iptables": what sets the marks.</summary>
    public string Filter => _filter.Kind;

    /// <summary>Brings the kernel's settings, timeouts and tables into the state that the plane needs; services that are there stay.</summary>
    /// <param name="ipvs">Is the plane's from now on.</param>
    public static async Task<IpvsLoadBalancer> OpenAsync(
        IpvsNetlink ipvs, RouteNetlink netlink, IBalancingRules filter, NetworkNamespace? networkNamespace, LoadBalancerOptions options, CancellationToken ct)
    {
        IpvsSettings.Ensure(networkNamespace);
        await ipvs.SetTimeoutsAsync(
            new IpvsTimeouts((uint)options.TcpIdleTimeout.TotalSeconds, (uint)options.TcpFinTimeout.TotalSeconds, (uint)options.UdpTimeout.TotalSeconds), ct);
        return new IpvsLoadBalancer(ipvs, new VipDevices(netlink), filter, networkNamespace, await FindSchedulersAsync(ipvs, ct));
    }

    /// <summary>Tried out, as they are modules that the kernel loads when first asked for.</summary>
    private static async Task<IReadOnlyList<string>> FindSchedulersAsync(IpvsNetlink ipvs, CancellationToken ct)
    {
        var mark = FwMarkPair.Trial.Tcp;
        var results = await ipvs.ApplyAsync(
            [.. KnownSchedulers.SelectMany(name => (IpvsChange[])[new IpvsChange.DeleteService(mark), new IpvsChange.AddService(new IpvsService(mark, name))]),
                new IpvsChange.DeleteService(mark)],
            ct);
        return [.. KnownSchedulers.Where((_, i) => results[(2 * i) + 1] is null)];
    }

    public async Task<LoadBalancerTables> ReadAsync(CancellationToken ct)
    {
        using var turn = await TurnAsync(ct);
        var state = await ReadAllAsync(ct);
        var networks = state.Networks();
        // What Apply would do to have just these whole, is what there is beside them.
        return new LoadBalancerTables(networks, IpvsPlan.Of(state, networks).ToLines());
    }

    public async Task<IReadOnlyList<string>> ApplyAsync(IReadOnlyList<BalancedNetwork> networks, CancellationToken ct)
    {
        Wanted.Check(networks, Schedulers);
        using var turn = await TurnAsync(ct);
        return await ExecuteAsync(IpvsPlan.Of(await ReadAllAsync(ct), networks), ct);
    }

    public async Task<IReadOnlyList<string>> EnsureServiceAsync(NetworkFrame frame, VirtualService service, CancellationToken ct)
    {
        BalancedNetwork network = new(frame, [service]);
        Wanted.Check([network], Schedulers);
        using var turn = await TurnAsync(ct);
        var state = await ReadPartAsync(frame, vip => vip.Equals(service.Vip), [service.Vip], service.Marks, ct);
        return await ExecuteAsync(IpvsPlan.Of(state, [network]), ct);
    }

    public async Task<bool> RemoveServiceAsync(NetworkFrame frame, VirtualServiceKey service, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(frame);
        using var turn = await TurnAsync(ct);
        var state = await ReadPartAsync(frame, vip => vip.Equals(service.Vip), [service.Vip], service.Marks, ct);
        var plan = IpvsPlan.Of(state, [.. state.Devices.Select(device => new BalancedNetwork(device.Frame, []))]);
        return (await ExecuteAsync(plan, ct)).Count > 0;
    }

    public async Task<bool> RemoveNetworkAsync(NetworkFrame frame, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(frame);
        using var turn = await TurnAsync(ct);
        var state = await ReadPartAsync(frame, _ => true, [], null, ct);
        return (await ExecuteAsync(IpvsPlan.Of(state, []), ct)).Count > 0;
    }

    public async Task EnsureBackendAsync(VirtualServiceKey service, Backend backend, CancellationToken ct)
    {
        Wanted.Check(backend);
        using var turn = await TurnAsync(ct);
        var changes = Enum.GetValues<TransportProtocol>().Select(protocol => Change(service.Marks.Of(protocol), backend, protocol)).ToList();
        // Nearly always it is there, so that setting is the first try; what is missing is told by its own number.
        var results = await _ipvs.ApplyAsync(changes, ct);
        var missing = new List<IpvsChange>();
        for (var i = 0; i < changes.Count; i++)
        {
            switch (results[i])
            {
                case null:
                    break;
                case { Errno: Errno.ESRCH }:
                    throw new ServiceMissingException(service);
                case { Errno: Errno.ENOENT } when changes[i] is IpvsChange.SetDestination set:
                    missing.Add(new IpvsChange.AddDestination(set.FwMark, set.Destination));
                    break;
                case { } error:
                    throw error;
            }
        }

        await ApplyAsync(missing, ct);
    }

    private static IpvsChange Change(uint mark, Backend backend, TransportProtocol protocol) => backend.WeightOf(protocol) is { } weight
        ? new IpvsChange.SetDestination(mark, new IpvsDestination(backend.Address, weight))
        : new IpvsChange.DeleteDestination(mark, backend.Address, 0);

    public async Task RemoveBackendAsync(VirtualServiceKey service, IPAddress backend, CancellationToken ct)
    {
        using var turn = await TurnAsync(ct);
        await ApplyAsync([.. Enum.GetValues<TransportProtocol>().Select(p => new IpvsChange.DeleteDestination(service.Marks.Of(p), backend, 0))], ct);
    }

    public async Task<IReadOnlyList<BackendConnections>> CountConnectionsAsync(IPAddress vip, CancellationToken ct)
    {
        var connections = await IpvsConnections.ReadAsync(_namespace, ct);
        return [.. connections
            .Where(connection => connection.Virtual.Address.Equals(vip))
            .GroupBy(connection => connection.Backend.Address)
            .Select(group => new BackendConnections(group.Key)
            {
                Opening = group.Count(c => c.State is IpvsConnectionState.SynSent or IpvsConnectionState.SynReceived or IpvsConnectionState.SynAck),
                Established = group.Count(c => c.State == IpvsConnectionState.Established),
                HalfClosed = group.Count(c => c.State is IpvsConnectionState.FinWait or IpvsConnectionState.CloseWait or IpvsConnectionState.LastAck),
                Closed = group.Count(c => c.State is IpvsConnectionState.TimeWait or IpvsConnectionState.Close),
                Udp = group.Count(c => c.State == IpvsConnectionState.Udp),
            })];
    }

    public void Dispose()
    {
        _ipvs.Dispose();
        _gate.Dispose();
    }

    private async Task<IpvsState> ReadAllAsync(CancellationToken ct)
    {
        _rules = await _filter.ReadAsync(ct);
        var entries = new Dictionary<uint, IpvsState.Entry>();
        foreach (var service in await _ipvs.ListServicesAsync(ct))
        {
            if (FwMarkPair.From(service.FwMark) is not null) entries[service.FwMark] = await ReadEntryAsync(service, ct);
        }

        return new IpvsState(await _devices.ReadAsync(ct), entries, _rules.ToHashSet());
    }

    /// <summary>What there is of the network's services with one of the VIPs, and of the marks; of a frame also what an older one left.</summary>
    private async Task<IpvsState> ReadPartAsync(
        NetworkFrame frame, Func<IPAddress, bool> isMeant, IEnumerable<IPAddress> vips, FwMarkPair? marks, CancellationToken ct)
    {
        var device = await _devices.FindAsync(frame.Device, ct);
        var meant = vips.Concat(device?.Vips.Where(isMeant) ?? []).ToHashSet();
        _rules ??= await _filter.ReadAsync(ct);
        var subnets = new HashSet<IPv4Prefix> { frame.HostSubnet, device?.Frame.HostSubnet ?? frame.HostSubnet };
        var rules = _rules.Where(rule => rule switch
        {
            BalancingRule.Mark mark => meant.Contains(mark.Vip),
            BalancingRule.Source source => meant.Contains(source.Vip),
            BalancingRule.Near near => subnets.Contains(near.Subnet),
            _ => false,
        }).ToHashSet();

        var entries = new Dictionary<uint, IpvsState.Entry>();
        HashSet<uint> wanted = [.. rules.OfType<BalancingRule.Mark>().Select(mark => mark.Value)];
        if (marks is { } pair) wanted.UnionWith([pair.Tcp, pair.Udp]);
        foreach (var mark in wanted)
        {
            if (await _ipvs.FindServiceAsync(mark, ct) is { } service) entries[mark] = await ReadEntryAsync(service, ct);
        }

        return new IpvsState(device is null ? [] : [device with { Vips = device.Vips.Where(meant.Contains).ToHashSet() }], entries, rules);
    }

    private async Task<IpvsState.Entry> ReadEntryAsync(IpvsService service, CancellationToken ct) =>
        new(service, [.. (await _ipvs.ListDestinationsAsync(service.FwMark, ct)).Select(status => status.Destination)]);

    /// <returns>The plan's lines.</returns>
    private async Task<IReadOnlyList<string>> ExecuteAsync(IpvsPlan plan, CancellationToken ct)
    {
        var indexes = new Dictionary<string, int>();
        foreach (var frame in plan.Frames) indexes[frame.Device] = (await _devices.EnsureAsync(frame, ct)).Index;
        await ApplyAsync(plan.Additions, ct);
        if (plan.AddedRules.Count + plan.RemovedRules.Count > 0)
        {
            var after = _rules!.Except(plan.RemovedRules).Union(plan.AddedRules).ToHashSet();
            _rules = null;   // until it is known that the change was made
            await _filter.ApplyAsync(plan.RemovedRules, plan.AddedRules, ct);
            _rules = after;
        }

        foreach (var group in plan.AddedVips.GroupBy(added => added.Device, added => added.Vip))
        {
            if (!indexes.TryGetValue(group.Key, out var index))
                index = (await _devices.FindAsync(group.Key, ct) ?? throw new InvalidOperationException($"device {group.Key} was there a moment ago")).Index;
            await _devices.AddAsync(index, group, ct);
        }

        await ApplyAsync(plan.Removals, ct);
        foreach (var group in plan.RemovedVips.GroupBy(removed => removed.Device.Index, removed => removed.Vip))
            await _devices.DeleteAsync(group.Key, group, ct);
        foreach (var device in plan.RemovedDevices) await _devices.RemoveAsync(device, ct);
        return plan.ToLines();
    }

    private async Task ApplyAsync(IReadOnlyList<IpvsChange> changes, CancellationToken ct)
    {
        if (changes.Count == 0) return;
        var failed = (await _ipvs.ApplyAsync(changes, ct)).FirstOrDefault(result => result is not null);
        if (failed is not null) throw failed;
    }

    private async Task<Turn> TurnAsync(CancellationToken ct)
    {
        await _gate.WaitAsync(ct);
        return new Turn(_gate);
    }

    private readonly struct Turn(SemaphoreSlim gate) : IDisposable
    {
        public void Dispose() => gate.Release();
    }
}
