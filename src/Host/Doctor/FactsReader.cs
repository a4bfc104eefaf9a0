using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Docker.DotNet;
using Docker.DotNet.Models;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Host.Api;
using FlannelFlow.Host.Installation;
using FlannelFlow.Host.Mirror;
using FlannelFlow.Host.Reconcile;
using FlannelFlow.Linux;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Ipvs;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Linux.Processes;
using FlannelFlow.Operations;
using FlannelFlow.Operations.Cluster;
using FlannelFlow.Operations.Reconcile;
using Health = FlannelFlow.Host.Api.Health;

namespace FlannelFlow.Host.Doctor;

/// <summary>Asks the kernel, etcd, Docker, files and the daemon of this host, all at once. Changes nothing.</summary>
/// <remarks>Whatever one of them does, also if it says nothing at all, the others are asked, and each within <see cref="Limit"/>.</remarks>
public sealed class FactsReader(FlannelFlowOptions options, string apiSocket, TimeProvider time)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    /// <summary>As dockerd has it by default (moby: plugin/backend_linux.go, below the engine's exec-root).</summary>
    private const string PluginSockets = "/run/docker/plugins";

    public async Task<IReadOnlyList<Finding>> ReadAsync(CancellationToken ct)
    {
        var daemonPids = DaemonPids();
        var kernel = KernelAsync(ct);
        var etcd = EtcdAsync(ct);
        var docker = DockerAsync(ct);
        var networks = NetworksAsync(daemonPids.Count > 0, ct);
        var daemon = DaemonAsync(daemonPids, ct);
        return
        [
            .. KernelChecks.Of(await kernel),
            .. EtcdChecks.Of(await etcd, time.GetUtcNow()),
            .. DockerChecks.Of(await docker),
            .. DaemonChecks.Of(await daemon),
            .. NetworkChecks.Of(await networks),
        ];
    }

    /// <summary>Of the daemons that run in this host's network namespace.</summary>
    public static IReadOnlyList<int> DaemonPids() =>
    [
        .. ProcessTable.Find(arguments => Path.GetFileName(arguments[0]) == "flannelflow" && arguments is [_] or [_, "run"])
            .Select(found => found.Identity.Pid)
            .Where(pid => pid != Environment.ProcessId),
    ];

    private async Task<KernelFacts> KernelAsync(CancellationToken ct) => new(
        await AskAsync(limited => KernelTrial.RunAsync(new CommandRunner(time) { Timeout = Limit }, limited), ct),
        options.LoadBalancer.Plane,
        options.Flannel.Binary == Path.Combine(AppContext.BaseDirectory, "flanneld"),
        KernelChecks.SettingPaths.Concat(IpvsSettings.Wanted.Select(setting => setting.Path)).ToDictionary(path => path, Sysctl.Find, StringComparer.Ordinal),
        IpvsSettings.Wanted);

    private async Task<EtcdFacts> EtcdAsync(CancellationToken ct)
    {
        var etcd = new EtcdOptions
        {
            Endpoints = EmbeddedEtcd.EndpointsOf(options),
            CallTimeout = options.Etcd.RequestTimeout,
            Tls = options.Etcd.Tls,
            Credentials = options.Etcd.Credentials,
        };
        var key = new ClusterKeys(options.Etcd.Prefix).Host("-");
        var asked = await Task.WhenAll(etcd.Endpoints.Select(async endpoint =>
            (endpoint, await AskAsync(limited => EtcdProbe.AskAsync(endpoint, etcd, key, time, limited), ct))));
        var ends = await AskAsync(
            _ => Task.FromResult(options.Etcd.Tls?.CertificateFile is { } file ? X509CertificateLoader.LoadCertificateFromFile(file).NotAfter.ToUniversalTime().ToString("O") : ""), ct);
        return new EtcdFacts(
            asked, options.Etcd.Endpoints.Count == 0,
            ends.Answer is { Length: > 0 } text ? DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture) : null);
    }

    private async Task<DockerFacts> DockerAsync(CancellationToken ct)
    {
        using var client = new DockerClientBuilder().WithEndpoint(new Uri(options.DockerEndpoint)).WithTimeout(Limit).Build();
        var engine = AskAsync(
            async limited =>
            {
                var info = await client.System.GetSystemInfoAsync(limited);
                return new DockerEngine(
                    info.ServerVersion, info.Swarm.LocalNodeState, info.Swarm.Error ?? "", info.Swarm.ControlAvailable, info.LiveRestoreEnabled, info.FirewallBackend?.Driver);
            },
            ct);
        var plugin = AskAsync(async limited => await PluginAsync(client, limited), ct);
        return new DockerFacts(options.DockerEndpoint, await engine, await plugin, Path.GetDirectoryName(options.Plugin.Socket) ?? "");
    }

    private static async Task<DockerPlugin> PluginAsync(DockerClient client, CancellationToken ct)
    {
        var plugins = await client.Plugin.ListPluginsAsync(new PluginListParameters(), ct);
        if (plugins.FirstOrDefault(plugin => plugin.Name == InstallPlan.Plugin) is not { } ours) return new DockerPlugin(PluginState.Missing, "", null);
        var folder = ours.Settings.Mounts.FirstOrDefault(mount => mount.Name == "daemon")?.Source ?? "";
        return ours.Enabled
            ? new DockerPlugin(PluginState.Enabled, folder, await PassedAsync(Path.Combine(PluginSockets, ours.ID ?? "", ours.Config.Interface.Socket ?? ""), ct))
            : new DockerPlugin(PluginState.Disabled, folder, null);
    }

    private static async Task<string?> PassedAsync(string socket, CancellationToken ct)
    {
        if (!File.Exists(socket)) return $"there is no socket {socket}";
        using var client = ApiClient.Over(socket);
        // Below the limit of the whole question: a plugin holds a call while the daemon is away.
        client.Timeout = Limit * 0.6;
        try
        {
            using var answer = await client.PostAsync(new Uri("/Plugin.Activate", UriKind.Relative), null, ct);
            return answer.IsSuccessStatusCode ? null : $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(ct)}";
        }
        catch (HttpRequestException e)
        {
            return e.Message;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return "no answer";
        }
    }

    private async Task<NetworkFacts> NetworksAsync(bool isDaemonRunning, CancellationToken ct)
    {
        var carried = AskAsync<IReadOnlyList<CarriedNetwork>>(
            _ =>
            {
                // HostNetworks makes the folder, where there is none.
                if (!Directory.Exists(Path.Combine(options.StateDirectory, "networks"))) return Task.FromResult<IReadOnlyList<CarriedNetwork>>([]);
                var networks = new HostNetworks(options.StateDirectory);
                var flannelds = ProcessTable.Find(arguments => arguments.Any(argument => argument.StartsWith("-subnet-file=", StringComparison.Ordinal)));
                return Task.FromResult<IReadOnlyList<CarriedNetwork>>(
                [
                    .. networks.All.OrderBy(network => network.Pool).Select(network => new CarriedNetwork(
                        network, networks.FabricOf(network),
                        [.. flannelds.Where(process => process.CommandLine.Contains("-subnet-file=" + networks.SubnetFileOf(network.Pool))).Select(process => process.Identity.Pid)])),
                ]);
            },
            ct);
        var devices = AskAsync<IReadOnlyDictionary<string, DeviceFacts>>(
            async limited =>
            {
                using var netlink = RouteNetlink.Open();
                return (await netlink.ListLinksAsync(limited)).ToDictionary(
                    link => link.Name, link => new DeviceFacts(link.Name, link.Index, link.Mtu, link.IsUp, link.Vxlan?.UnderlayIndex), StringComparer.Ordinal);
            },
            ct);
        return new NetworkFacts(await carried, await devices, isDaemonRunning, [.. options.Etcd.InClear]);
    }

    private async Task<DaemonFacts> DaemonAsync(IReadOnlyList<int> pids, CancellationToken ct)
    {
        var answers = await AskAsync(DaemonAnswersAsync, ct);
        var journal = new FileInfo(Path.Combine(options.StateDirectory, "journal.db"));
        return new DaemonFacts(
            apiSocket, pids, answers, ThisHost.Version, options.HostName, options.StateDirectory,
            Directory.Exists(options.StateDirectory) ? new DriveInfo(options.StateDirectory).AvailableFreeSpace : null,
            journal.Exists ? journal.Length : null);
    }

    private async Task<DaemonAnswers> DaemonAnswersAsync(CancellationToken ct)
    {
        using var client = ApiClient.Over(apiSocket);
        // 503 comes with the checks, too.
        using var ready = await client.GetAsync(new Uri(HealthApi.ReadyPath, UriKind.Relative), ct);
        var health = await ready.Content.ReadFromJsonAsync<Health>(OperationsJson.Options, ct);
        var hosts = await FindAsync<List<HostView>>(client, ClusterApi.HostsPath, ct);
        return new DaemonAnswers(
            health!,
            hosts?.FirstOrDefault(host => host.IsHere),
            await JournalSequenceAsync(client, ct),
            await FindAsync<DriftView>(client, DriftApi.DriftPath, ct),
            await FindAsync<IncidentPage>(client, ClusterApi.IncidentsPath, ct));
    }

    /// <summary>Null: it answers with an error, such as that etcd is away.</summary>
    private static async Task<T?> FindAsync<T>(HttpClient client, string path, CancellationToken ct)
        where T : class
    {
        using var response = await client.GetAsync(new Uri(path, UriKind.Relative), ct);
        return response.IsSuccessStatusCode ? JsonSerializer.Deserialize<T>(await response.Content.ReadAsStringAsync(ct), OperationsJson.Options) : null;
    }

    private static async Task<long?> JournalSequenceAsync(HttpClient client, CancellationToken ct)
    {
        const string metric = "flannelflow_journal_sequence ";
        var metrics = await client.GetStringAsync(new Uri(MetricsApi.MetricsPath, UriKind.Relative), ct);
        var line = metrics.Split('\n').FirstOrDefault(line => line.StartsWith(metric, StringComparison.Ordinal));
        return line is not null && long.TryParse(line.AsSpan(metric.Length), out var sequence) ? sequence : null;
    }

    /// <summary>One question's edge: whatever goes wrong with it is its trouble, in words.</summary>
    private async Task<Asked<T>> AskAsync<T>(Func<CancellationToken, Task<T>> ask, CancellationToken ct)
        where T : class
    {
        using var limit = new CancellationTokenSource(Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, limit.Token);
        try
        {
            // Also of what does not end when it is told to.
            return new Asked<T>(await Task.Run(() => ask(either.Token), ct).WaitAsync(either.Token), null);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return new Asked<T>(null, $"no answer within {Limit.TotalSeconds:0} s");
        }
#pragma warning disable CA1031 // what it does not tell must not keep the others from telling
        catch (Exception e) when (e is not OperationCanceledException)
#pragma warning restore CA1031
        {
            return new Asked<T>(null, e.Message);
        }
    }
}
