using System.Globalization;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Dns.Names;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Host.Access;
using FlannelFlow.Host.Draining;
using FlannelFlow.Host.Encryption;
using FlannelFlow.Host.Mirror;
using FlannelFlow.Host.Tracing;
using FlannelFlow.Linux.LoadBalancing;

namespace FlannelFlow.Host;

/// <summary>Everything that is wrong with the configuration, at once.</summary>
public sealed class ConfigurationException(IReadOnlyList<string> problems)
    : Exception("the configuration is not valid:\n" + string.Join('\n', problems.Select(problem => "  - " + problem)))
{
    public IReadOnlyList<string> Problems { get; } = problems;
}

/// <summary>
/// Reads the <see cref="Options"/> from environment variables and appsettings.json (the environment
/// wins), and reports all that is wrong together.
/// </summary>
public sealed class ConfigurationReader(IConfiguration configuration)
{
    private readonly List<string> _problems = [];

    /// <exception cref="ConfigurationException">One or more options are not valid.</exception>
    public FlannelFlowOptions Read() => ReadAll() is var (options, problems) && problems.Count == 0 ? options : throw new ConfigurationException(problems);

    /// <summary>The options, with defaults in place of what is not valid, and all that is not.</summary>
    public (FlannelFlowOptions Options, IReadOnlyList<string> Problems) ReadAll()
    {
        var state = Directory(Options.StateDirectory);
        var runtime = Directory(Options.RuntimeDirectory);
        var host = HostName();
        var options = new FlannelFlowOptions
        {
            StateDirectory = state,
            RuntimeDirectory = runtime,
            HostName = host,
            DockerEndpoint = Uri(Options.DockerHost, "unix", "tcp", "http", "https"),
            WorkflowsDirectory = Text(Options.WorkflowsDirectory, Path.Combine(AppContext.BaseDirectory, "workflows")),
            LogLevel = OneOf(Options.LogLevel),
            CrashAt = configuration["FLANNELFLOW_CRASH_AT"],
            Plugin = new PluginOptions(
                Text(Options.PluginSocket, Path.Combine(state, "plugin", "daemon.sock")),
                Seconds(Options.PluginCallTimeout)),
            Etcd = new EtcdConnectionOptions(
                Endpoints(),
                Prefix(),
                Number(Options.EmbeddedEtcdPort),
                Seconds(Options.EtcdRequestTimeout),
                Seconds(Options.AddressQuarantine),
                EtcdTls(),
                EtcdCredentials()),
            Flannel = new FlannelOptions(
                FlannelBinary(),
                Text(Options.FlannelInterface),
                Text(Options.DefaultFlannelOptions).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)),
            Encryption = new EncryptionOptions(EncryptionPort(), Seconds(Options.EncryptionRotation)),
            StopsChildren = OneOf(Options.ChildrenOnStop) == "stop",
            Addresses = new AddressSpaceOptions
            {
                AvailableSubnets = Text(Options.AvailableSubnets),
                NetworkSubnetSize = Number(Options.NetworkSubnetSize),
                DefaultHostSubnetSize = Number(Options.DefaultHostSubnetSize),
                ServiceSubnetSize = Text(Options.ServiceSubnetSize, "").Length > 0 ? Number(Options.ServiceSubnetSize) : null,
                VniStart = Number(Options.VniStart),
            },
            Reconcile = new ReconcileOptions(
                Seconds(Options.SyncInterval),
                Seconds(Options.NetworkLinger),
                Seconds(Options.GarbageAge)),
            Dns = new DnsOptions(
                OneOf(Options.DnsDockerCompatibilityMode) == "true" ? MatchMode.FirstNetwork : MatchMode.AllNetworks,
                Number(Options.DnsTtl)),
            Drain = new DrainTerms(
                Poll: Seconds(Options.DrainPoll),
                MinimumGrace: Seconds(Options.DrainMinimumGrace),
                UdpGrace: Seconds(Options.DrainUdpGrace),
                StopGrace: Seconds(Options.DrainStopGrace),
                Hold: Seconds(Options.DrainHold),
                Slack: Seconds(Options.DrainSlack)),
            DrainWatch = new DrainWatchOptions(
                BusyInterval: Seconds(Options.TaskPollBusy),
                IdleInterval: Seconds(Options.TaskPoll),
                BusyTime: Seconds(Options.TaskPollBusyTime)),
            Access = AccessReader.Read(
                Text(Options.DashboardAddress),
                OneOf(Options.DashboardAnonymous),
                Text(Options.DashboardCertificate),
                Text(Options.DashboardCertificateKey),
                _problems),
            Tracing = TracingOptions.Read(name => Text(name, ""), host, ThisHost.Version, _problems),
            LoadBalancer = new LoadBalancerOptions
            {
                Plane = OneOf(Options.LoadBalancer) switch
                {
                    "ipvs" => LoadBalancerPlane.Ipvs,
                    "nftables" => LoadBalancerPlane.Nftables,
                    _ => null,
                },
                TcpIdleTimeout = Seconds(Options.LoadBalancerTcpIdleTimeout),
                TcpFinTimeout = Seconds(Options.LoadBalancerTcpFinTimeout),
                UdpTimeout = Seconds(Options.LoadBalancerUdpTimeout),
            },
            ListenWait = Seconds(Options.LoadBalancerListenWait),
        };
        _problems.AddRange(options.Addresses.Validate());
        return (options, _problems);
    }

    private string Text(TextOption option) => Text(option, option.Default);

    private string Text(DaemonOption option, string fallback) => Text(option.Name, fallback);

    private string Text(string name, string fallback)
    {
        var given = configuration[name];
        return string.IsNullOrWhiteSpace(given) ? fallback : given.Trim();
    }

    private string Directory(TextOption option)
    {
        var path = Text(option);
        // systemd gives STATE_DIRECTORY as a colon-separated list.
        path = path.Split(':')[0];
        if (!Path.IsPathFullyQualified(path))
            _problems.Add($"{option.Name}: \"{path}\" is not an absolute path");
        return path;
    }

    private string HostName()
    {
        var name = Text(Options.HostName, Environment.MachineName);
        if (name.Contains('/', StringComparison.Ordinal) || name.Length > 253)
            _problems.Add($"HOST_NAME: \"{name}\" is not a host name");
        return name;
    }

    private int Number(NumberOption option)
    {
        var text = Text(option, option.DefaultValue);
        if (int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) && value >= option.From && value <= option.To)
            return value;
        _problems.Add($"{option.Name}: \"{text}\" is not a whole number from {option.Range}");
        return option.Default;
    }

    private int EncryptionPort()
    {
        var port = Number(Options.EncryptionPort);
        if (ClearPorts.OwnerOf(port) is { } owner)
            _problems.Add(string.Create(CultureInfo.InvariantCulture, $"ENCRYPTION_PORT: {port} is that of {owner}"));
        return port;
    }

    private TimeSpan Seconds(SecondsOption option)
    {
        var text = Text(option, option.DefaultValue);
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= option.From && value <= option.To)
            return TimeSpan.FromSeconds(value);
        _problems.Add($"{option.Name}: \"{text}\" is not a number of seconds from {option.Range}");
        return TimeSpan.FromSeconds(option.Default);
    }

    private string Uri(TextOption option, params string[] schemes)
    {
        var text = Text(option);
        if (!System.Uri.TryCreate(text, UriKind.Absolute, out var uri) || !schemes.Contains(uri.Scheme))
            _problems.Add($"{option.Name}: \"{text}\" is not an address of the form {string.Join(", ", schemes.Select(s => s + "://"))}");
        return text;
    }

    private string OneOf(ChoiceOption option)
    {
        var text = Text(option, option.Default);
        var known = option.Values.FirstOrDefault(value => value.Equals(text, StringComparison.OrdinalIgnoreCase));
        if (known is null)
            _problems.Add($"{option.Name}: \"{text}\" is none of {string.Join(", ", option.Values)}");
        return known ?? option.Default;
    }

    private string[] Endpoints()
    {
        var endpoints = Text(Options.EtcdEndpoints).Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        foreach (var endpoint in endpoints)
        {
            if (!System.Uri.TryCreate(endpoint, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
                _problems.Add($"ETCD_ENDPOINTS: \"{endpoint}\" is not of the form http://HOST:PORT or https://HOST:PORT");
        }

        return endpoints;
    }

    private EtcdTlsOptions? EtcdTls()
    {
        var (authority, certificate, key) = (ExistingFile(Options.EtcdCaFile), ExistingFile(Options.EtcdCertFile), ExistingFile(Options.EtcdKeyFile));
        if (certificate is null != key is null)
            _problems.Add("ETCD_CERT_FILE and ETCD_KEY_FILE belong together: one of them is missing");
        if (authority is null && certificate is null) return null;
        var endpoints = Text(Options.EtcdEndpoints).Split(',', StringSplitOptions.TrimEntries);
        if (endpoints is [""])
            _problems.Add("ETCD_ENDPOINTS: none, although TLS files are configured; the daemon's own etcd has no TLS");
        foreach (var endpoint in endpoints.Where(endpoint => endpoint.StartsWith("http://", StringComparison.OrdinalIgnoreCase)))
            _problems.Add($"ETCD_ENDPOINTS: \"{endpoint}\" is plain http, although TLS files are configured");
        return new EtcdTlsOptions(authority, certificate, key);
    }

    /// <summary>The password stands in a file: environments and appsettings.json are read by more people than it should be.</summary>
    private EtcdCredentials? EtcdCredentials()
    {
        var (user, file) = (Text(Options.EtcdUsername), ExistingFile(Options.EtcdPasswordFile));
        if (user.Length == 0 != file is null)
            _problems.Add("ETCD_USERNAME and ETCD_PASSWORD_FILE belong together: one of them is missing");
        if (user.Length == 0 || file is null || !File.Exists(file)) return null;
        try
        {
            return new EtcdCredentials(user, File.ReadAllText(file).TrimEnd('\n', '\r'));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _problems.Add($"ETCD_PASSWORD_FILE: {e.Message}");
            return null;
        }
    }

    /// <summary>Null: not given.</summary>
    private string? ExistingFile(TextOption option)
    {
        var path = Text(option);
        if (path.Length == 0) return null;
        if (!File.Exists(path)) _problems.Add($"{option.Name}: there is no file {path}");
        return path;
    }

    private string Prefix()
    {
        var prefix = Text(Options.EtcdPrefix).TrimEnd('/');
        if (!prefix.StartsWith('/') || prefix.Length < 2 || prefix.Contains("//", StringComparison.Ordinal))
            _problems.Add($"ETCD_PREFIX: \"{prefix}\" must begin with / and name at least one level, like /flannelflow");
        return prefix;
    }

    private string FlannelBinary()
    {
        var binary = Text(Options.FlannelBinary, Path.Combine(AppContext.BaseDirectory, "flanneld"));
        if (!File.Exists(binary))
            _problems.Add($"Flannel:Binary: there is no file {binary}");
        return binary;
    }
}
