using System.Globalization;
using System.Net;

namespace FlannelFlow.Linux.Ipvs;

/// <summary>
/// A virtual service that catches what carries a firewall mark, whatever its protocol and address (ip_vs_service_user_kern). IPv4.
/// </summary>
public sealed record IpvsService(uint FwMark, string Scheduler)
{
    public IpvsServiceFlags Flags { get; init; }

    /// <summary>Seconds for which a client sticks to its backend; of meaning with <see cref="IpvsServiceFlags.Persistent"/> only.</summary>
    public uint PersistenceTimeout { get; init; }

    /// <summary>Bits of a client's address that count as "the same client" for persistence.</summary>
    public int PersistencePrefix { get; init; } = 32;

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"IPVS service 0x{FwMark:x}{(Scheduler.Length > 0 ? $" ({Scheduler})" : "")}");
}

/// <summary>IP_VS_SVC_F_*. The kernel's own IP_VS_SVC_F_HASHED (2), which is always set, is left out.</summary>
[Flags]
public enum IpvsServiceFlags
{
    None = 0,
    Persistent = 1,
    OnePacket = 4,
    Scheduler1 = 8,
    Scheduler2 = 0x10,
}

/// <summary>A backend of a service (ip_vs_dest_user_kern).</summary>
/// <param name="Weight">0 to 2147483647; 0 gets no new connections and keeps those it has.</param>
public sealed record IpvsDestination(IPAddress Address, int Weight)
{
    /// <summary>0: the port the client asked for.</summary>
    public int Port { get; init; }

    public IpvsForwarding Method { get; init; } = IpvsForwarding.Masquerade;

    /// <summary>Connections from which on it gets no new ones; 0: no bound.</summary>
    public uint UpperThreshold { get; init; }

    /// <summary>Connections below which it gets new ones again.</summary>
    public uint LowerThreshold { get; init; }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Address}{(Port > 0 ? $":{Port}" : "")} (weight {Weight})");
}

/// <summary>IP_VS_CONN_F_*: how packets reach a backend.</summary>
public enum IpvsForwarding
{
    /// <summary>By destination NAT; replies must pass this host.</summary>
    Masquerade = 0,
    Local = 1,
    Tunnel = 2,
    DirectRoute = 3,
}

/// <summary>A backend as the kernel reports it.</summary>
public sealed record IpvsDestinationStatus(IpvsDestination Destination)
{
    /// <summary>TCP: SYN_SENT, SYN_RECV, ESTABLISHED.</summary>
    public uint ActiveConnections { get; init; }

    /// <summary>TCP in all other states, also TIME_WAIT, and all UDP.</summary>
    public uint InactiveConnections { get; init; }

    public uint PersistentConnections { get; init; }

    public IpvsStatistics Statistics { get; init; } = new();
}

/// <summary>Since the destination was added (IPVS_DEST_ATTR_STATS64).</summary>
public sealed record IpvsStatistics
{
    public ulong Connections { get; init; }
    public ulong IncomingPackets { get; init; }
    public ulong OutgoingPackets { get; init; }
    public ulong IncomingBytes { get; init; }
    public ulong OutgoingBytes { get; init; }
}

/// <summary>Seconds of silence after which a connection is forgotten; of a network namespace. New ones hold from a connection's next packet on.</summary>
public sealed record IpvsTimeouts(uint Tcp, uint TcpFin, uint Udp);

/// <summary>One change of a batch (<see cref="IpvsNetlink.ApplyAsync"/>).</summary>
/// <param name="Act">For messages: "adding destination 10.1.1.5 to IPVS service 0x10000000".</param>
public abstract record IpvsChange(string Act)
{
    public sealed record AddService(IpvsService Service) : IpvsChange($"adding {Service}");

    /// <summary>Scheduler, flags and timeout of an existing one; its connections live on.</summary>
    public sealed record SetService(IpvsService Service) : IpvsChange($"changing {Service}");

    /// <summary>With its destinations; success if there is none.</summary>
    public sealed record DeleteService(uint FwMark) : IpvsChange($"deleting {Name(FwMark)}");

    public sealed record AddDestination(uint FwMark, IpvsDestination Destination)
        : IpvsChange($"adding destination {Destination} to {Name(FwMark)}");

    /// <summary>Weight and thresholds of an existing one; its connections live on.</summary>
    public sealed record SetDestination(uint FwMark, IpvsDestination Destination)
        : IpvsChange($"changing destination {Destination} of {Name(FwMark)}");

    /// <summary>Success if there is none, or no such service.</summary>
    public sealed record DeleteDestination(uint FwMark, IPAddress Address, int Port)
        : IpvsChange($"deleting destination {Address} of {Name(FwMark)}");

    private static string Name(uint mark) => new IpvsService(mark, "").ToString();
}
