using System.Globalization;
using FlannelFlow.Linux.Processes;

namespace FlannelFlow.Host;

/// <summary>
/// The embedded default: where no endpoints are configured, the daemon runs a single-node etcd of its own on loopback, with its data in the
/// state directory: a supervised child that outlives a daemon crash and is adopted by the next daemon.
/// </summary>
public static class EmbeddedEtcd
{
    private const string Name = "etcd";

    /// <summary>The configured endpoints, or the embedded one.</summary>
    public static IReadOnlyList<string> EndpointsOf(FlannelFlowOptions options) =>
        options.Etcd.Endpoints.Count > 0 ? options.Etcd.Endpoints : [Loopback(options.Etcd.EmbeddedPort)];

    /// <exception cref="IOException">There is no etcd on this machine.</exception>
    public static async Task EnsureAsync(ProcessSupervisor supervisor, FlannelFlowOptions options, CancellationToken ct)
    {
        var data = Path.Combine(options.StateDirectory, "etcd");
        // etcd warns about, and newer versions refuse, a data directory that others can read.
        Directory.CreateDirectory(data, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var dataArgument = $"--data-dir={data}";
        var (client, peer) = (Loopback(options.Etcd.EmbeddedPort), Loopback(options.Etcd.EmbeddedPort + 1));
        await supervisor.EnsureAsync(
            Name,
            new ChildConfig
            {
                File = Binary(),
                Arguments =
                [
                    "--name=flannelflow",
                    dataArgument,
                    $"--listen-client-urls={client}",
                    $"--advertise-client-urls={client}",
                    $"--listen-peer-urls={peer}",
                    $"--initial-advertise-peer-urls={peer}",
                    $"--initial-cluster=flannelflow={peer}",
                    "--auto-compaction-retention=1",
                ],
                Mark = dataArgument,
                LogFile = Path.Combine(options.StateDirectory, "etcd.log"),
            },
            ct);
    }

    private static string Loopback(int port) => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}");

    private static string Binary()
    {
        var path = Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin";
        return path.Split(':').Append("/usr/bin").Select(folder => Path.Combine(folder, "etcd")).FirstOrDefault(File.Exists)
            ?? throw new IOException("no ETCD_ENDPOINTS are configured and there is no etcd on this machine to run: install it (Debian: " +
                "apt-get install etcd-server) or set ETCD_ENDPOINTS");
    }
}
