using FlannelFlow.Linux.Namespaces;

namespace FlannelFlow.Linux.Ipvs;

/// <summary>
/// The settings net.ipv4.vs.* that a load balancer by masquerading with draining needs. They are of a network namespace and exist only once
/// ip_vs is loaded. What each does to live connections was measured (dataplane-facts.md, 3.3 and 3.4).
/// </summary>
public static class IpvsSettings
{
    private static readonly Version ReuseMended = new(5, 9);

    private static readonly (string Name, string Value)[] Values =
    [
        // IPVS's packets have connection tracking, as source NAT of same-bridge, hairpin and host clients hangs on it: without, they are "notrack".
        ("conntrack", "1"),
        // A connection whose backend was removed is forgotten at once: the client's next packet gets a reset. 0 drops it in silence, until
        // the client gives up.
        ("expire_nodest_conn", "1"),
        // A client that sticks to a backend (persistence) is freed when that backend's weight becomes 0. 0 sends it new connections for ever.
        ("expire_quiescent_template", "1"),
        // Only a SYN begins a connection. 1 would send a packet from the middle of a forgotten one to any backend, instead of a reset.
        ("sloppy_tcp", "0"),
        // The defences against floods, which drop at random when memory is short, stay off.
        ("drop_entry", "0"),
        ("drop_packet", "0"),
        ("secure_tcp", "0"),
        // ICMP is not balanced, and a destination without a service is no transparent cache's.
        ("schedule_icmp", "0"),
        ("cache_bypass", "0"),
    ];

    /// <param name="networkNamespace">Null: the calling thread's.</param>
    /// <returns>What was changed: "net.ipv4.vs.conntrack=1".</returns>
    /// <exception cref="IOException">ip_vs is not loaded, or the file system of settings is read-only.</exception>
    public static IReadOnlyList<string> Ensure(NetworkNamespace? networkNamespace) =>
        networkNamespace is null ? Ensure() : networkNamespace.Run(Ensure);

    /// <summary>All, with their paths under /proc/sys, as they are to be on this kernel.</summary>
    public static IReadOnlyList<(string Path, string Value)> Wanted { get; } =
    [
        .. Values.Select(setting => (PathOf(setting.Name), setting.Value)),
        // A client that takes its port again while the old connection is in TIME_WAIT is balanced anew (1); before 5.9 that cost a second
        // of delay each time, so that the old backend (0) is the lesser evil there (kubernetes#102122).
        (PathOf("conn_reuse_mode"), Environment.OSVersion.Version >= ReuseMended ? "1" : "0"),
    ];

    private static string PathOf(string name) => "net/ipv4/vs/" + name;

    private static List<string> Ensure() =>
        [.. Wanted.Where(setting => Sysctl.Ensure(setting.Path, setting.Value)).Select(setting => $"{setting.Path.Replace('/', '.')}={setting.Value}")];
}
