namespace FlannelFlow.Linux.LoadBalancing;

/// <summary>How the load balancer of this host is to be. The timeouts are those of IPVS; nftables has those of connection tracking (nf_conntrack_*).</summary>
public sealed record LoadBalancerOptions
{
    /// <summary>Null: IPVS, or nftables where the kernel has no IPVS.</summary>
    public LoadBalancerPlane? Plane { get; init; }

    /// <summary>
    /// How long a TCP connection through a VIP may be silent. The default is longer than the two hours after which Linux sends its first
    /// keepalive (tcp_keepalive_time), so that a connection with keepalive on lives for ever. IPVS's own would be 15 minutes.
    /// </summary>
    public TimeSpan TcpIdleTimeout { get; init; } = TimeSpan.FromMinutes(130);

    /// <summary>How long a TCP connection that one side has closed may be silent; IPVS's own default.</summary>
    public TimeSpan TcpFinTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long a UDP flow may be silent and still go to the same backend; IPVS's own default.</summary>
    public TimeSpan UdpTimeout { get; init; } = TimeSpan.FromMinutes(5);
}
