using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Linux.Processes;

namespace FlannelFlow.Activities.Flannel;

/// <summary>How flanneld is run on this host.</summary>
/// <param name="Binary">Absolute path: ours, or flannel-io's. Both take these flags.</param>
/// <param name="EtcdPrefix">Of FlannelFlow; a network's own prefix is below it.</param>
/// <param name="Interface">Name or address of the underlay interface; empty: flanneld's choice.</param>
/// <param name="RuntimeDirectory">For the notification sockets.</param>
public sealed record FlannelSettings(
    string Binary,
    IReadOnlyList<string> EtcdEndpoints,
    string EtcdPrefix,
    string Interface,
    IReadOnlyList<string> ExtraArguments,
    string RuntimeDirectory);

/// <summary>One supervised flanneld per network: its command line, and starting and stopping it.</summary>
public sealed class FlannelProcesses(FlannelSettings settings, HostNetworks networks, ProcessSupervisor supervisor)
{
    public Task<SupervisedChild> EnsureAsync(HostNetwork network, CancellationToken ct) =>
        supervisor.EnsureAsync(NameOf(network.Pool), ConfigOf(network.Pool), ct);

    public Task StopAsync(IPv4Network pool, CancellationToken ct) => supervisor.StopAsync(NameOf(pool), ConfigOf(pool), ct);

    public SupervisedChild? Find(IPv4Network pool) => supervisor.Find(NameOf(pool));

    /// <summary>What stands in flannel.env, for whoever wants to run or understand the process by hand.</summary>
    public IReadOnlyDictionary<string, string> EnvironmentOf(IPv4Network pool)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["FLANNELD_ETCD_ENDPOINTS"] = string.Join(',', settings.EtcdEndpoints),
            ["FLANNELD_ETCD_PREFIX"] = PrefixOf(pool),
            ["FLANNELD_SUBNET_FILE"] = networks.SubnetFileOf(pool),
            // The rules are FlannelFlow's: flanneld's chains are shared by all flannelds of a host, and each start flushes them.
            ["FLANNELD_IPTABLES_FORWARD_RULES"] = "false",
        };
        if (settings.Interface.Length > 0)
            environment["FLANNELD_IFACE"] = settings.Interface;
        return environment;
    }

    private static string NameOf(IPv4Network pool) => $"flanneld {pool}";

    private string PrefixOf(IPv4Network pool) => $"{settings.EtcdPrefix}/networks/{pool.PathForm}";

    private string SubnetFileArgument(IPv4Network pool) => "-subnet-file=" + networks.SubnetFileOf(pool);

    private ChildConfig ConfigOf(IPv4Network pool)
    {
        // The command line is the identity by which the next daemon finds the process, so it says all that matters by itself.
        var arguments = new List<string>
        {
            "-etcd-endpoints=" + string.Join(',', settings.EtcdEndpoints),
            "-etcd-prefix=" + PrefixOf(pool),
            SubnetFileArgument(pool),
            "-iptables-forward-rules=false",
        };
        if (settings.Interface.Length > 0)
            arguments.Add("-iface=" + settings.Interface);
        arguments.AddRange(settings.ExtraArguments);
        return new ChildConfig
        {
            File = settings.Binary,
            Arguments = arguments,
            Mark = SubnetFileArgument(pool),
            Environment = new Dictionary<string, string> { ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin" },
            LogFile = Path.Combine(networks.DirectoryOf(pool), "flanneld.log"),
            NotifySocket = Path.Combine(settings.RuntimeDirectory, $"notify-{pool.PathForm}.sock"),
        };
    }
}
