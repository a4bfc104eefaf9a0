using System.Globalization;
using System.Net;
using System.Text;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.LoadBalancing;

/// <summary>Where a network's service addresses (VIPs) live on this host.</summary>
/// <param name="Device">The device that carries them and nothing else, made and removed by the load balancer; at most 15 characters.</param>
/// <param name="HostSubnet">
/// This host's containers of the network. Only what comes from one of them and goes to one of them, or comes from the host itself, gets
/// the host's address for a source: the reply would not pass this host otherwise. All other clients keep their addresses.
/// </param>
public sealed record NetworkFrame(string Device, IPv4Prefix HostSubnet)
{
    public override string ToString() => $"{Device} {HostSubnet}";
}

/// <summary>One network's load balancing on this host, as wanted or as found.</summary>
public sealed record BalancedNetwork(NetworkFrame Frame, IReadOnlyList<VirtualService> Services)
{
    /// <summary>Sorted lines; two states are the same if their texts are.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"network {Frame}\n");
        foreach (var service in Services.OrderBy(s => IPv4Prefix.Host(s.Vip)))
        {
            text.Append(CultureInfo.InvariantCulture, $"  {service.Vip} {service.Marks} {service.Scheduler}\n");
            foreach (var backend in service.Backends.OrderBy(b => IPv4Prefix.Host(b.Address)))
                text.Append(CultureInfo.InvariantCulture, $"    {backend}\n");
        }

        return text.ToString();
    }
}

/// <summary>What names a service to the kernel: its address, and its marks, which no other service of the cluster has.</summary>
public readonly record struct VirtualServiceKey(IPAddress Vip, FwMarkPair Marks);

/// <summary>One address that stands for many: all TCP and UDP ports of it go to the same ports of the backends.</summary>
public sealed record VirtualService
{
    /// <summary>IPv4.</summary>
    public required IPAddress Vip { get; init; }

    public required FwMarkPair Marks { get; init; }

    /// <summary>One of <see cref="ILoadBalancer.Schedulers"/>.</summary>
    public string Scheduler { get; init; } = DefaultScheduler;

    /// <summary>At most one per address. None, or none with a weight: connections are refused at once.</summary>
    public IReadOnlyList<Backend> Backends { get; init; } = [];

    public VirtualServiceKey Key => new(Vip, Marks);

    /// <summary>Each backend in turn, as often as its weight says; with equal weights plain round robin.</summary>
    public const string DefaultScheduler = "wrr";
}

/// <summary>A container behind a VIP.</summary>
/// <param name="TcpWeight">0: it keeps its connections and gets no new ones. Null: no TCP; what it has is reset with the client's next packet.</param>
/// <param name="UdpWeight">0: it keeps its flows, for as long as they send. Null: no UDP; its flows go to another backend with their next packet.</param>
public sealed record Backend(IPAddress Address, int? TcpWeight, int? UdpWeight)
{
    /// <summary>IPVS takes no more; above, its schedulers would lose time.</summary>
    public const int MaximumWeight = 65535;

    public static Backend Active(IPAddress address, int weight = 1) => new(address, weight, weight);

    /// <summary>Its TCP connections live on, its UDP flows go elsewhere.</summary>
    public static Backend Draining(IPAddress address) => new(address, 0, null);

    public int? WeightOf(TransportProtocol protocol) => protocol switch
    {
        TransportProtocol.Tcp => TcpWeight,
        TransportProtocol.Udp => UdpWeight,
    };

    public override string ToString() => $"{Address} tcp {Text(TcpWeight)} udp {Text(UdpWeight)}";

    private static string Text(int? weight) => weight?.ToString(CultureInfo.InvariantCulture) ?? "-";
}

/// <summary>All that the kernel holds of ours.</summary>
/// <param name="Strays">What belongs to no service, or to a service that is not whole; <see cref="ILoadBalancer.ApplyAsync"/> mends or removes it.</param>
public sealed record LoadBalancerTables(IReadOnlyList<BalancedNetwork> Networks, IReadOnlyList<string> Strays)
{
    /// <summary>Equal to that of the wanted networks exactly if the kernel holds them and nothing else.</summary>
    public string ToText() => ToText(Networks) + string.Concat(Strays.Order(StringComparer.Ordinal).Select(stray => $"stray {stray}\n"));

    public static string ToText(IEnumerable<BalancedNetwork> networks) =>
        string.Concat(networks.OrderBy(n => n.Frame.Device, StringComparer.Ordinal).Select(n => n.ToText()));
}
