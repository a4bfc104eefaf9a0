using System.Net;
using FlannelFlow.Linux.Ipvs;

namespace FlannelFlow.Linux.LoadBalancing;

/// <summary>What the kernel holds of ours, or the part of it that a call is about.</summary>
internal sealed record IpvsState(
    IReadOnlyList<VipDevices.VipDevice> Devices,
    IReadOnlyDictionary<uint, IpvsState.Entry> Entries,
    IReadOnlySet<BalancingRule> Rules)
{
    internal sealed record Entry(IpvsService Service, IReadOnlyList<IpvsDestination> Destinations);

    /// <summary>The services that this amounts to. What is not whole is mended by <see cref="IpvsPlan.Of"/>, which so tells of it.</summary>
    public IReadOnlyList<BalancedNetwork> Networks()
    {
        var pairs = new Dictionary<IPAddress, FwMarkPair>();
        foreach (var mark in Rules.OfType<BalancingRule.Mark>())
        {
            if (FwMarkPair.From(mark.Value) is { } pair) pairs[mark.Vip] = pair;
        }

        return [.. Devices.Select(device => new BalancedNetwork(device.Frame, [.. device.Vips.Where(pairs.ContainsKey).Select(vip => Service(vip, pairs[vip]))]))];
    }

    private VirtualService Service(IPAddress vip, FwMarkPair marks)
    {
        var (tcp, udp) = (Entries.GetValueOrDefault(marks.Tcp), Entries.GetValueOrDefault(marks.Udp));
        var backends = new SortedDictionary<string, Backend>(StringComparer.Ordinal);
        foreach (var destination in tcp?.Destinations ?? [])
            backends[destination.Address.ToString()] = new Backend(destination.Address, destination.Weight, null);
        foreach (var destination in udp?.Destinations ?? [])
        {
            var name = destination.Address.ToString();
            backends[name] = backends.GetValueOrDefault(name, new Backend(destination.Address, null, null)) with { UdpWeight = destination.Weight };
        }

        return new VirtualService
        {
            Vip = vip,
            Marks = marks,
            Scheduler = (tcp ?? udp)?.Service.Scheduler ?? VirtualService.DefaultScheduler,
            Backends = [.. backends.Values],
        };
    }
}

/// <summary>
/// The way from what is to what is wanted, in the order in which it is gone: devices, services, rules, addresses are added, so that a VIP
/// answers only once all behind it stands; then what is not wanted goes, rules first.
/// </summary>
internal sealed record IpvsPlan
{
    /// <summary>Devices to be made, or given another alias.</summary>
    public required IReadOnlyList<NetworkFrame> Frames { get; init; }

    public required IReadOnlyList<IpvsChange> Additions { get; init; }

    public required IReadOnlyList<BalancingRule> AddedRules { get; init; }

    public required IReadOnlyList<BalancingRule> RemovedRules { get; init; }

    public required IReadOnlyList<(string Device, IPAddress Vip)> AddedVips { get; init; }

    public required IReadOnlyList<IpvsChange> Removals { get; init; }

    public required IReadOnlyList<(VipDevices.VipDevice Device, IPAddress Vip)> RemovedVips { get; init; }

    public required IReadOnlyList<string> RemovedDevices { get; init; }

    public IReadOnlyList<string> ToLines() =>
    [
        .. Frames.Select(frame => $"making device {frame}"),
        .. Additions.Select(change => change.Act),
        .. AddedRules.Select(rule => $"adding {rule}"),
        .. RemovedRules.Select(rule => $"deleting {rule}"),
        .. AddedVips.Select(added => $"adding address {added.Vip} on {added.Device}"),
        .. Removals.Select(change => change.Act),
        .. RemovedVips.Select(removed => $"deleting address {removed.Vip} on {removed.Device.Frame.Device}"),
        .. RemovedDevices.Select(device => $"deleting device {device}"),
    ];

    public static IpvsPlan Of(IpvsState state, IReadOnlyList<BalancedNetwork> networks)
    {
        var devices = state.Devices.ToDictionary(device => device.Frame.Device);
        var wanted = networks.ToDictionary(network => network.Frame.Device);
        var rules = networks
            .SelectMany(network => network.Services.SelectMany(BalancingRule.Of).Append(new BalancingRule.Near(network.Frame.HostSubnet)))
            .ToHashSet();

        List<IpvsChange> additions = [], removals = [];
        var marks = new HashSet<uint>();
        foreach (var service in networks.SelectMany(network => network.Services))
        {
            foreach (var protocol in Enum.GetValues<TransportProtocol>())
            {
                marks.Add(service.Marks.Of(protocol));
                Compare(state.Entries.GetValueOrDefault(service.Marks.Of(protocol)), service, protocol, additions, removals);
            }
        }

        removals.AddRange(state.Entries.Keys.Where(mark => !marks.Contains(mark)).Order().Select(mark => new IpvsChange.DeleteService(mark)));
        return new IpvsPlan
        {
            Frames = [.. networks.Select(network => network.Frame).Where(frame => devices.GetValueOrDefault(frame.Device)?.Frame != frame)],
            Additions = additions,
            AddedRules = [.. rules.Where(rule => !state.Rules.Contains(rule))],
            RemovedRules = [.. state.Rules.Where(rule => !rules.Contains(rule))],
            AddedVips = [.. from network in networks
                            from service in network.Services
                            where devices.GetValueOrDefault(network.Frame.Device)?.Vips.Contains(service.Vip) != true
                            select (network.Frame.Device, service.Vip)],
            Removals = removals,
            RemovedVips = [.. from device in state.Devices
                              where wanted.ContainsKey(device.Frame.Device)
                              from vip in device.Vips
                              where wanted[device.Frame.Device].Services.All(service => !service.Vip.Equals(vip))
                              select (device, vip)],
            RemovedDevices = [.. devices.Keys.Where(device => !wanted.ContainsKey(device))],
        };
    }

    private static void Compare(IpvsState.Entry? found, VirtualService service, TransportProtocol protocol, List<IpvsChange> additions, List<IpvsChange> removals)
    {
        var mark = service.Marks.Of(protocol);
        var wanted = new IpvsService(mark, service.Scheduler);
        if (found is null) additions.Add(new IpvsChange.AddService(wanted));
        else if (found.Service != wanted) additions.Add(new IpvsChange.SetService(wanted));

        var before = (found?.Destinations ?? []).ToDictionary(destination => (destination.Address, destination.Port));
        foreach (var backend in service.Backends)
        {
            if (backend.WeightOf(protocol) is not { } weight) continue;
            var destination = new IpvsDestination(backend.Address, weight);
            if (!before.Remove((destination.Address, destination.Port), out var old)) additions.Add(new IpvsChange.AddDestination(mark, destination));
            else if (old != destination) additions.Add(new IpvsChange.SetDestination(mark, destination));
        }

        removals.AddRange(before.Values.Select(old => new IpvsChange.DeleteDestination(mark, old.Address, old.Port)));
    }
}
