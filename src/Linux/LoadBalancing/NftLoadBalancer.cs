using System.Net;
using FlannelFlow.Linux.Conntrack;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.LoadBalancing;

/// <summary>
/// The plane for kernels without IPVS: destination NAT in a table of our own. A new connection is given a backend by the chain of its VIP
/// and protocol; connection tracking keeps it there whatever the chain says later, until we make it forget.
/// </summary>
/// <remarks>
/// Each call is one transaction of nftables; connections of what it took away are forgotten after it, so that their next packet begins
/// anew: TCP's is reset by another backend, or by us where there is none. <see cref="_gate"/> makes calls serial. <see cref="_elements"/> is
/// what the last reading gave and our changes since; it is read again by <see cref="ReadAsync"/> and <see cref="ApplyAsync"/>, and
/// forgotten when a call fails.
/// </remarks>
internal sealed class NftLoadBalancer : ILoadBalancer
{
    public const string TableName = "flannelflow-nat";
    private const string Own = "ip " + TableName;

    /// <summary>
    /// Before the NAT of others at the same hooks, as the first to translate a connection decides. What is asked of a VIP and was not
    /// translated has no backend; what answers a connection that the host itself began comes to the VIP too, as that was its source.
    /// </summary>
    private static readonly string[] Frame =
    [
        $"add table {Own}",
        $"add map {Own} weights {{ type ipv4_addr . ipv4_addr . inet_proto : mark; }}",
        $"add map {Own} indexes {{ type ipv4_addr : mark; }}",
        $"add map {Own} schedulers {{ type ipv4_addr : mark; }}",
        $"add map {Own} ways {{ type ipv4_addr . inet_proto : verdict; }}",
        $"add set {Own} vips {{ type ipv4_addr; }}",
        $"add set {Own} near {{ type ipv4_addr . ipv4_addr; flags interval; }}",
        $"add chain {Own} arriving {{ type nat hook prerouting priority -101; policy accept; }}",
        $"add chain {Own} local {{ type nat hook output priority -101; policy accept; }}",
        $"add chain {Own} sources {{ type nat hook postrouting priority 99; policy accept; }}",
        $"add chain {Own} refused {{ type filter hook input priority -1; policy accept; }}",
        .. ((string[])["arriving", "local", "sources", "refused"]).Select(chain => $"flush chain {Own} {chain}"),
        $"add rule {Own} arriving ip daddr . meta l4proto vmap @ways",
        $"add rule {Own} local ip daddr . meta l4proto vmap @ways",
        $"add rule {Own} sources ct original ip daddr @vips ip saddr . ip daddr @near masquerade",
        $"add rule {Own} sources ct original ip daddr @vips fib saddr type local masquerade",
        $"add rule {Own} refused ct direction original ip daddr @vips meta l4proto tcp reject with tcp reset",
        $"add rule {Own} refused ct direction original ip daddr @vips meta l4proto udp reject",
    ];

    /// <summary>How many rules each of its chains has.</summary>
    private static readonly Dictionary<string, int> FrameRules = new(StringComparer.Ordinal) { ["arriving"] = 1, ["local"] = 1, ["sources"] = 2, ["refused"] = 2 };

    private static readonly TransportProtocol[] Protocols = Enum.GetValues<TransportProtocol>();

    private readonly NftTable _table;
    private readonly VipDevices _devices;
    private readonly ConntrackNetlink _conntrack;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private HashSet<NftElement>? _elements;

    /// <summary>Whether the last reading found <see cref="Frame"/>: another hand may have deleted the table, or emptied its chains.</summary>
    private bool _isFramed = true;

    private NftLoadBalancer(NftTable table, VipDevices devices, ConntrackNetlink conntrack) =>
        (_table, _devices, _conntrack) = (table, devices, conntrack);

    public LoadBalancerPlane Plane => LoadBalancerPlane.Nftables;

    public IReadOnlyList<string> Schedulers => NftService.Schedulers;

    /// <param name="conntrack">Is the plane's from now on.</param>
    /// <exception cref="CommandException">There is no nft, or the kernel lacks NAT in nftables.</exception>
    public static async Task<NftLoadBalancer> OpenAsync(ConntrackNetlink conntrack, RouteNetlink netlink, CommandRunner runner, CancellationToken ct)
    {
        var balancer = new NftLoadBalancer(new NftTable(runner, "ip", TableName), new VipDevices(netlink), conntrack);
        await balancer._table.ApplyAsync(Frame, ct);
        return balancer;
    }

    public async Task<LoadBalancerTables> ReadAsync(CancellationToken ct)
    {
        using var turn = await TurnAsync(ct);
        var devices = await ReadAllAsync(ct);
        var services = NftService.Services(_elements!);
        List<BalancedNetwork> networks = [.. devices.Select(device =>
            new BalancedNetwork(device.Frame, [.. device.Vips.Where(services.ContainsKey).Select(vip => services[vip])]))];
        // What Apply would do to have just these whole, is what there is beside them.
        return new LoadBalancerTables(networks, [.. FrameLines(), .. Plan(devices, _elements!, networks).ToLines()]);
    }

    public async Task<IReadOnlyList<string>> ApplyAsync(IReadOnlyList<BalancedNetwork> networks, CancellationToken ct)
    {
        Wanted.Check(networks, Schedulers);
        using var turn = await TurnAsync(ct);
        var devices = await ReadAllAsync(ct);
        return [.. FrameLines(), .. await ExecuteAsync(Plan(devices, _elements!, networks), ct)];
    }

    public async Task<IReadOnlyList<string>> EnsureServiceAsync(NetworkFrame frame, VirtualService service, CancellationToken ct)
    {
        BalancedNetwork network = new(frame, [service]);
        Wanted.Check([network], Schedulers);
        using var turn = await TurnAsync(ct);
        var (devices, elements) = await ReadPartAsync(frame, vip => vip.Equals(service.Vip), service.Vip, ct);
        return await ExecuteAsync(Plan(devices, elements, [network]), ct);
    }

    public async Task<bool> RemoveServiceAsync(NetworkFrame frame, VirtualServiceKey service, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(frame);
        using var turn = await TurnAsync(ct);
        var (devices, elements) = await ReadPartAsync(frame, vip => vip.Equals(service.Vip), service.Vip, ct);
        return (await ExecuteAsync(Plan(devices, elements, [.. devices.Select(device => new BalancedNetwork(device.Frame, []))]), ct)).Count > 0;
    }

    public async Task<bool> RemoveNetworkAsync(NetworkFrame frame, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(frame);
        using var turn = await TurnAsync(ct);
        var (devices, elements) = await ReadPartAsync(frame, _ => true, null, ct);
        return (await ExecuteAsync(Plan(devices, elements, []), ct)).Count > 0;
    }

    public async Task EnsureBackendAsync(VirtualServiceKey service, Backend backend, CancellationToken ct)
    {
        Wanted.Check(backend);
        using var turn = await TurnAsync(ct);
        var found = await FindAsync(service.Vip, ct) ?? throw new ServiceMissingException(service);
        await ChangeAsync(found, found with { Backends = [.. Without(found, backend.Address), backend] }, ct);
    }

    public async Task RemoveBackendAsync(VirtualServiceKey service, IPAddress backend, CancellationToken ct)
    {
        using var turn = await TurnAsync(ct);
        if (await FindAsync(service.Vip, ct) is { } found) await ChangeAsync(found, found with { Backends = [.. Without(found, backend)] }, ct);
    }

    private static IEnumerable<Backend> Without(VirtualService service, IPAddress address) => service.Backends.Where(b => !b.Address.Equals(address));

    private async Task<VirtualService?> FindAsync(IPAddress vip, CancellationToken ct)
    {
        _elements ??= await ReadElementsAsync(ct);
        return NftService.Services(Of(vip, _elements)).GetValueOrDefault(vip);
    }

    private Task ChangeAsync(VirtualService found, VirtualService wanted, CancellationToken ct)
    {
        HashSet<NftElement> before = [.. NftService.Elements(found)], after = [.. NftService.Elements(wanted)];
        return ChangeTableAsync([.. before.Except(after)], [.. after.Except(before)], [wanted], ct);
    }

    public async Task<IReadOnlyList<BackendConnections>> CountConnectionsAsync(IPAddress vip, CancellationToken ct)
    {
        var entries = await _conntrack.ListAsync(vip, ct);
        return [.. entries
            .Where(entry => !entry.Answerer.Address.Equals(vip))
            .GroupBy(entry => entry.Answerer.Address)
            .Select(group => new BackendConnections(group.Key)
            {
                Opening = group.Count(e => e.TcpState is ConntrackTcpState.SynSent or ConntrackTcpState.SynSent2 or ConntrackTcpState.SynReceived),
                Established = group.Count(e => e.TcpState == ConntrackTcpState.Established),
                HalfClosed = group.Count(e => e.TcpState is ConntrackTcpState.FinWait or ConntrackTcpState.CloseWait or ConntrackTcpState.LastAck),
                Closed = group.Count(e => e.TcpState is ConntrackTcpState.TimeWait or ConntrackTcpState.Close),
                Udp = group.Count(e => e.Protocol == (byte)TransportProtocol.Udp),
            })];
    }

    public void Dispose()
    {
        _conntrack.Dispose();
        _gate.Dispose();
    }

    private async Task<IReadOnlyList<VipDevices.VipDevice>> ReadAllAsync(CancellationToken ct)
    {
        _elements = await ReadElementsAsync(ct);
        return await _devices.ReadAsync(ct);
    }

    private async Task<HashSet<NftElement>> ReadElementsAsync(CancellationToken ct)
    {
        var elements = new HashSet<NftElement>();
        var table = await _table.ListJsonAsync(ct);
        _isFramed = FrameRules.All(frame => table?.Count(entry => entry?["rule"]?["chain"]?.GetValue<string>() == frame.Key) == frame.Value);
        foreach (var entry in table ?? [])
        {
            if (entry?["map"] is { } map) elements.UnionWith(NftService.Read(map, isMap: true));
            if (entry?["set"] is { } set) elements.UnionWith(NftService.Read(set, isMap: false));
        }

        return elements;
    }

    /// <summary>What there is of the network's services with one of the VIPs; of a frame also what an older one left.</summary>
    private async Task<(IReadOnlyList<VipDevices.VipDevice> Devices, IReadOnlyCollection<NftElement> Elements)> ReadPartAsync(
        NetworkFrame frame, Func<IPAddress, bool> isMeant, IPAddress? vip, CancellationToken ct)
    {
        var device = await _devices.FindAsync(frame.Device, ct);
        var vips = (device?.Vips.Where(isMeant) ?? []).ToHashSet();
        var all = vip is null ? vips : vips.Append(vip);
        _elements ??= await ReadElementsAsync(ct);
        HashSet<NftElement> near = [NftService.Near(frame.HostSubnet), NftService.Near(device?.Frame.HostSubnet ?? frame.HostSubnet)];
        var elements = all.Distinct().SelectMany(v => Of(v, _elements)).Concat(near.Where(_elements.Contains)).ToList();
        return (device is null ? [] : [device with { Vips = vips }], elements);
    }

    private static List<NftElement> Of(IPAddress vip, HashSet<NftElement> elements)
    {
        var (key, prefix) = (vip.ToString(), vip + " . ");
        return [.. elements.Where(element => element.Key == key || element.Key.StartsWith(prefix, StringComparison.Ordinal))];
    }

    private sealed record Changes(
        IReadOnlyList<NetworkFrame> Frames,
        IReadOnlyList<NftElement> Removed,
        IReadOnlyList<NftElement> Added,
        IReadOnlyList<VirtualService> Services,
        IReadOnlyList<(string Device, IPAddress Vip)> AddedVips,
        IReadOnlyList<(VipDevices.VipDevice Device, IPAddress Vip)> RemovedVips,
        IReadOnlyList<string> RemovedDevices)
    {
        public IReadOnlyList<string> ToLines()
        {
            HashSet<(string, string)> before = [.. Removed.Select(Place)], after = [.. Added.Select(Place)];
            return
            [
                .. Frames.Select(frame => $"making device {frame}"),
                .. Added.Select(element => $"{(before.Contains(Place(element)) ? "changing" : "adding")} {element}"),
                .. Removed.Where(element => !after.Contains(Place(element))).Select(element => $"deleting {element}"),
                .. AddedVips.Select(added => $"adding address {added.Vip} on {added.Device}"),
                .. RemovedVips.Select(removed => $"deleting address {removed.Vip} on {removed.Device.Frame.Device}"),
                .. RemovedDevices.Select(device => $"deleting device {device}"),
            ];

            static (string, string) Place(NftElement element) => (element.Set, element.Key);
        }
    }

    private static Changes Plan(IReadOnlyList<VipDevices.VipDevice> devices, IReadOnlyCollection<NftElement> elements, IReadOnlyList<BalancedNetwork> networks)
    {
        var found = devices.ToDictionary(device => device.Frame.Device);
        var wanted = networks.ToDictionary(network => network.Frame.Device);
        var goal = networks.SelectMany(NftService.Elements).ToHashSet();
        return new Changes(
            [.. networks.Select(network => network.Frame).Where(frame => found.GetValueOrDefault(frame.Device)?.Frame != frame)],
            [.. elements.Where(element => !goal.Contains(element))],
            [.. goal.Except(elements)],
            [.. networks.SelectMany(network => network.Services)],
            [.. from network in networks
                from service in network.Services
                where found.GetValueOrDefault(network.Frame.Device)?.Vips.Contains(service.Vip) != true
                select (network.Frame.Device, service.Vip)],
            [.. from device in devices
                where wanted.ContainsKey(device.Frame.Device)
                from vip in device.Vips
                where wanted[device.Frame.Device].Services.All(service => !service.Vip.Equals(vip))
                select (device, vip)],
            [.. found.Keys.Where(device => !wanted.ContainsKey(device))]);
    }

    private async Task<IReadOnlyList<string>> ExecuteAsync(Changes changes, CancellationToken ct)
    {
        var indexes = new Dictionary<string, int>();
        foreach (var frame in changes.Frames) indexes[frame.Device] = (await _devices.EnsureAsync(frame, ct)).Index;
        await ChangeTableAsync(changes.Removed, changes.Added, changes.Services, ct);
        foreach (var group in changes.AddedVips.GroupBy(added => added.Device, added => added.Vip))
        {
            if (!indexes.TryGetValue(group.Key, out var index))
                index = (await _devices.FindAsync(group.Key, ct) ?? throw new InvalidOperationException($"device {group.Key} was there a moment ago")).Index;
            await _devices.AddAsync(index, group, ct);
        }

        foreach (var group in changes.RemovedVips.GroupBy(removed => removed.Device.Index, removed => removed.Vip))
            await _devices.DeleteAsync(group.Key, group, ct);
        foreach (var device in changes.RemovedDevices) await _devices.RemoveAsync(device, ct);
        return changes.ToLines();
    }

    /// <param name="services">As they are to be; only the chains of those that change are written.</param>
    private async Task ChangeTableAsync(
        IReadOnlyList<NftElement> removed, IReadOnlyList<NftElement> added, IReadOnlyList<VirtualService> services, CancellationToken ct)
    {
        if (removed.Count + added.Count == 0 && _isFramed) return;
        var touched = removed.Concat(added).Where(element => element.Set is "weights" or "schedulers" or "ways").Select(Vip).ToHashSet();
        List<string> commands = _isFramed ? [] : [.. Frame];
        // 1. Chains, as the elements of "ways" name them.
        foreach (var service in services.Where(service => touched.Contains(service.Vip.ToString())))
        {
            foreach (var protocol in Protocols)
            {
                var chain = NftService.Chain(service.Vip, protocol);
                commands.Add($"add chain {Own} {chain}");
                commands.Add($"flush chain {Own} {chain}");
                if (NftService.Rule(service, protocol) is { } rule) commands.Add($"add rule {Own} {chain} {rule}");
            }
        }

        // 2. Elements; one with a new value is deleted and added.
        commands.AddRange(Commands("delete", removed));
        commands.AddRange(Commands("add", added));
        // 3. Chains that no way leads to any more.
        var ways = added.Where(element => element.Set == "ways").Select(element => element.Value).ToHashSet();
        foreach (var way in removed.Where(element => element.Set == "ways" && !ways.Contains(element.Value)))
        {
            var chain = way.Value!["goto ".Length..];
            commands.Add($"flush chain {Own} {chain}");
            commands.Add($"delete chain {Own} {chain}");
        }

        var after = _elements!.Except(removed).Union(added).ToHashSet();
        _elements = null;   // until it is known that the change was made
        await _table.ApplyAsync(commands, ct);
        _elements = after;
        _isFramed = true;
        await ForgetAsync(removed, added, ct);
    }

    /// <summary>Cuts the connections of what is a backend no longer.</summary>
    private async Task ForgetAsync(IReadOnlyList<NftElement> removed, IReadOnlyList<NftElement> added, CancellationToken ct)
    {
        var remaining = added.Where(element => element.Set == "weights").Select(element => element.Key).ToHashSet();   // with another weight
        var gone = removed.Where(element => element.Set == "weights" && !remaining.Contains(element.Key)).Select(element => element.Key).ToHashSet();
        foreach (var vip in gone.Select(key => key.Split(" . ")[0]).Distinct())
        {
            var entries = await _conntrack.ListAsync(IPAddress.Parse(vip), ct);
            await _conntrack.DeleteAsync(
                [.. entries.Where(entry => gone.Contains($"{vip} . {entry.Answerer.Address} . {NftJson.Name((TransportProtocol)entry.Protocol)}"))], ct);
        }
    }

    private IEnumerable<string> FrameLines() => _isFramed ? [] : [$"making table {Own}"];

    private static string Vip(NftElement element) => element.Key.Split(" . ")[0];

    private static IEnumerable<string> Commands(string act, IReadOnlyList<NftElement> elements) =>
        from element in elements
        group element.Text by element.Set into texts
        select $"{act} element {Own} {texts.Key} {{ {string.Join(", ", texts)} }}";

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
