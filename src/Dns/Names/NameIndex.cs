using System.Collections.Frozen;
using System.Net;
using System.Runtime.InteropServices;

namespace FlannelFlow.Dns.Names;

/// <summary>A <see cref="NameSnapshot"/> made ready for lookups, by network. Immutable.</summary>
public sealed class NameIndex
{
    private readonly FrozenDictionary<string, NetworkNames> _networks;

    private NameIndex(FrozenDictionary<string, NetworkNames> networks) => _networks = networks;

    public static NameIndex Empty { get; } = Build(NameSnapshot.Empty);

    public NetworkNames? Network(string id) => _networks.GetValueOrDefault(id);

    public static NameIndex Build(NameSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        var builders = snapshot.Networks.ToDictionary(network => network.Id, network => new Builder(network), StringComparer.Ordinal);
        var services = snapshot.Services.ToDictionary(service => service.Id, StringComparer.Ordinal);
        foreach (var service in snapshot.Services)
        {
            foreach (var names in service.Networks)
                builders.GetValueOrDefault(names.NetworkId)?.Add(service, names);
        }

        foreach (var container in snapshot.Containers)
        {
            var service = container.ServiceId is { } id ? services.GetValueOrDefault(id) : null;
            foreach (var names in container.Networks)
                builders.GetValueOrDefault(names.NetworkId)?.Add(container, names, service);
        }

        return new NameIndex(builders.ToFrozenDictionary(pair => pair.Key, pair => pair.Value.Build(), StringComparer.Ordinal));
    }

    /// <summary>The form in which <see cref="NetworkNames"/> has addresses.</summary>
    /// <exception cref="ArgumentException">No IPv4 address.</exception>
    public static uint Wire(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        return address.TryWriteBytes(bytes, out var length) && length == 4
            ? MemoryMarshal.Read<uint>(bytes)
            : throw new ArgumentException($"{address} is not an IPv4 address", nameof(address));
    }

    private sealed class Builder(NamedNetwork network)
    {
        private readonly Dictionary<string, SortedSet<uint>> _addresses = new(StringComparer.Ordinal);
        private readonly Dictionary<uint, string> _names = [];
        private readonly Dictionary<uint, SortedSet<uint>> _tasksOfVips = [];
        private readonly string _name = Lower(network.Name);

        public void Add(NamedService service, ServiceNames names)
        {
            foreach (var name in names.Aliases.Prepend(service.Name).Where(IsName))
            {
                Of(TasksOf(name));
                var own = Of(Lower(name));
                if (names.Vip is { } vip) own.Add(Wire(vip));
            }

            if (names.Vip is not { } address) return;
            _names.TryAdd(Wire(address), $"{Lower(service.Name)}.{_name}");
            _tasksOfVips[Wire(address)] = Of(TasksOf(service.Name));
        }

        public void Add(NamedContainer container, ContainerNames names, NamedService? service)
        {
            var address = Wire(names.Address);
            var gives = container.Ready || container.ServiceId is null;
            foreach (var name in names.Names.Prepend(container.Name).Where(IsName)) Put(Lower(name), address, gives);
            if (IsName(container.Name)) _names[address] = $"{Lower(container.Name)}.{_name}";

            if (service?.Networks.FirstOrDefault(here => here.NetworkId == names.NetworkId) is not { } inService) return;
            foreach (var name in inService.Aliases.Prepend(service.Name).Where(IsName))
            {
                Put(TasksOf(name), address, gives);
                if (inService.Vip is null) Put(Lower(name), address, gives);
            }
        }

        public NetworkNames Build() => new(
            network.Id,
            _name,
            _addresses.ToDictionary(pair => pair.Key, pair => pair.Value.ToArray(), StringComparer.Ordinal),
            _names,
            [.. _tasksOfVips.Where(vip => vip.Value.Count == 0).Select(vip => vip.Key)]);

        private void Put(string name, uint address, bool gives)
        {
            var addresses = Of(name);
            if (gives) addresses.Add(address);
        }

        private SortedSet<uint> Of(string name)
        {
            if (!_addresses.TryGetValue(name, out var addresses)) _addresses[name] = addresses = [];
            return addresses;
        }

        private static string TasksOf(string service) => "tasks." + Lower(service);

        private static bool IsName(string name) => name.Length > 0;

#pragma warning disable CA1308 // DNS compares without case (RFC 4343), and its canonical form is the lower one (RFC 4034 6.2).
        private static string Lower(string name) => name.ToLowerInvariant();
#pragma warning restore CA1308
    }
}
