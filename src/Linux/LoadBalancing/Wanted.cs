using System.Net.Sockets;

namespace FlannelFlow.Linux.LoadBalancing;

/// <summary>Checks what a caller wants before anything is changed.</summary>
internal static class Wanted
{
    /// <exception cref="SchedulerRefusedException"/>
    /// <exception cref="ArgumentException">A device, VIP, mark or backend is there twice, or a value is out of range.</exception>
    public static void Check(IReadOnlyList<BalancedNetwork> networks, IReadOnlyList<string> schedulers)
    {
        ArgumentNullException.ThrowIfNull(networks);
        foreach (var network in networks)
        {
            if (network.Frame.Device.Length is 0 or > 15) throw new ArgumentException($"'{network.Frame.Device}' is no name for a device", nameof(networks));
        }

        OnlyOnce(networks.Select(network => network.Frame.Device), "device");
        var services = networks.SelectMany(network => network.Services).ToList();
        OnlyOnce(services.Select(service => service.Vip), "VIP");
        OnlyOnce(services.Select(service => service.Marks), "pair of marks");
        foreach (var service in services)
        {
            if (service.Vip.AddressFamily != AddressFamily.InterNetwork) throw new ArgumentException($"VIP {service.Vip} is not an IPv4 address", nameof(networks));
            if (!schedulers.Contains(service.Scheduler))
                throw new SchedulerRefusedException(service.Scheduler, $"it is none of {string.Join(", ", schedulers)}");
            OnlyOnce(service.Backends.Select(backend => backend.Address), $"backend of {service.Vip}");
            foreach (var backend in service.Backends) Check(backend);
        }
    }

    public static void Check(Backend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        if (backend.Address.AddressFamily != AddressFamily.InterNetwork) throw new ArgumentException($"backend {backend.Address} is not an IPv4 address", nameof(backend));
        foreach (var weight in (int?[])[backend.TcpWeight, backend.UdpWeight])
        {
            if (weight is < 0 or > Backend.MaximumWeight)
                throw new ArgumentException($"weight {weight} of {backend.Address} is not between 0 and {Backend.MaximumWeight}", nameof(backend));
        }
    }

    private static void OnlyOnce<T>(IEnumerable<T> values, string what) where T : notnull
    {
        if (values.CountBy(value => value).FirstOrDefault(count => count.Value > 1) is { Value: > 1 } twice)
            throw new ArgumentException($"{what} {twice.Key} is there {twice.Value} times");
    }
}
