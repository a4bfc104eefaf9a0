using FlannelFlow.Activities.Encryption;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Linux.Processes;

namespace FlannelFlow.Activities.Flannel;

/// <summary>How flanneld is run on this host.</summary>
/// <param name="Binary">Absolute path: ours, or flannel-io's. Both take these flags.</param>
/// <param name="EtcdPrefix">Of FlannelFlow; a network's own prefix is below it.</param>
/// <param name="Interface">Name or address of the underlay interface; empty: flanneld's choice.</param>
/// <param name="RuntimeDirectory">For the notification sockets.</param>
public sealed record FlannelSettings(
    string Binary,
    EtcdOptions Etcd,
    string EtcdPrefix,
    string Interface,
    IReadOnlyList<string> ExtraArguments,
    string RuntimeDirectory);

/// <summary>One supervised flanneld per network: its command line, and starting and stopping it.</summary>
public sealed class FlannelProcesses(FlannelSettings settings, HostNetworks networks, ProcessSupervisor supervisor, KernelEncryption encryption)
{
    private const string SubnetFileFlag = "subnet-file";

    /// <summary>That of an encrypted network makes its device only where nothing can leave by it in clear.</summary>
    public async Task<SupervisedChild> EnsureAsync(HostNetwork network, CancellationToken ct)
    {
        if (network.IsEncrypted) await encryption.GuardAsync(network.EncryptedPort, ct);
        return await supervisor.EnsureAsync(NameOf(network.Pool), ConfigOf(network.Pool), ct);
    }

    public Task StopAsync(IPv4Network pool, CancellationToken ct) => supervisor.StopAsync(NameOf(pool), ConfigOf(pool), ct);

    public SupervisedChild? Find(IPv4Network pool) => supervisor.Find(NameOf(pool));

    /// <summary>What stands in flannel.env, for whoever wants to run or understand the process by hand. etcd's password does not.</summary>
    public IReadOnlyDictionary<string, string> EnvironmentOf(IPv4Network pool) =>
        FlagsOf(pool).ToDictionary(flag => "FLANNELD_" + flag.Flag.ToUpperInvariant().Replace('-', '_'), flag => flag.Value, StringComparer.Ordinal);

    /// <summary>What both the command line and flannel.env say.</summary>
    private IEnumerable<(string Flag, string Value)> FlagsOf(IPv4Network pool)
    {
        yield return ("etcd-endpoints", string.Join(',', settings.Etcd.Endpoints));
        yield return ("etcd-prefix", PrefixOf(pool));
        yield return (SubnetFileFlag, networks.SubnetFileOf(pool));
        // The rules are FlannelFlow's: flanneld's chains are shared by all flannelds of a host, and each start flushes them.
        yield return ("iptables-forward-rules", "false");
        if (settings.Etcd.Tls?.CaFile is { } authority) yield return ("etcd-cafile", authority);
        if (settings.Etcd.Tls is { CertificateFile: { } certificate, KeyFile: { } key })
        {
            yield return ("etcd-certfile", certificate);
            yield return ("etcd-keyfile", key);
        }

        if (settings.Etcd.Credentials is { } credentials) yield return ("etcd-username", credentials.User);
        if (settings.Interface.Length > 0) yield return ("iface", settings.Interface);
    }

    private static string NameOf(IPv4Network pool) => $"flanneld {pool}";

    private string PrefixOf(IPv4Network pool) => $"{settings.EtcdPrefix}/networks/{pool.PathForm}";

    private ChildConfig ConfigOf(IPv4Network pool)
    {
        // The command line is the identity by which the next daemon finds the process, so it says all that matters by itself, except for the
        // password: every user of the host can read it.
        var environment = new Dictionary<string, string> { ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin" };
        if (settings.Etcd.Credentials is { } credentials) environment["FLANNELD_ETCD_PASSWORD"] = credentials.Password;
        return new ChildConfig
        {
            File = settings.Binary,
            Arguments = [.. FlagsOf(pool).Select(flag => Argument(flag.Flag, flag.Value)), .. settings.ExtraArguments],
            Mark = Argument(SubnetFileFlag, networks.SubnetFileOf(pool)),
            Environment = environment,
            LogFile = Path.Combine(networks.DirectoryOf(pool), "flanneld.log"),
            NotifySocket = Path.Combine(settings.RuntimeDirectory, $"notify-{pool.PathForm}.sock"),
        };
    }

    private static string Argument(string flag, string value) => $"-{flag}={value}";
}
