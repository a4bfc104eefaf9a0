using System.Globalization;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Dns.Names;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Host.Access;
using FlannelFlow.Host.Draining;
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
/// Reads the options, by the names that stand in docs/configuration.md, from environment variables and appsettings.json (the environment
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
        var state = Directory("STATE_DIRECTORY", "/var/lib/flannelflow");
        var runtime = Directory("RUNTIME_DIRECTORY", "/run/flannelflow");
        var host = HostName();
        var options = new FlannelFlowOptions
        {
            StateDirectory = state,
            RuntimeDirectory = runtime,
            HostName = host,
            DockerEndpoint = Uri("DOCKER_HOST", "unix:///var/run/docker.sock", "unix", "tcp", "http", "https"),
            WorkflowsDirectory = Text("WORKFLOWS_DIRECTORY", Path.Combine(AppContext.BaseDirectory, "workflows")),
            LogLevel = OneOf("LOG_LEVEL", "Information", "Verbose", "Debug", "Information", "Warning", "Error"),
            CrashAt = configuration["FLANNELFLOW_CRASH_AT"],
            Plugin = new PluginOptions(
                Text("PLUGIN_SOCKET", Path.Combine(state, "plugin", "daemon.sock")),
                Seconds("PLUGIN_CALL_TIMEOUT", 25, 1, 29)),
            Etcd = new EtcdConnectionOptions(
                Endpoints(),
                Prefix(),
                Number("EMBEDDED_ETCD_PORT", 12379, 1, 65534),
                Seconds("ETCD_REQUEST_TIMEOUT", 5, 0.1, 20),
                Seconds("ADDRESS_QUARANTINE", 10, 1, 3600),
                EtcdTls(),
                EtcdCredentials()),
            Flannel = new FlannelOptions(
                FlannelBinary(),
                Text("FLANNEL_INTERFACE", ""),
                Text("DEFAULT_FLANNEL_OPTIONS", "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)),
            StopsChildren = OneOf("CHILDREN_ON_STOP", "keep", "keep", "stop") == "stop",
            Addresses = new AddressSpaceOptions
            {
                AvailableSubnets = Text("AVAILABLE_SUBNETS", "10.128.0.0/12"),
                NetworkSubnetSize = Number("NETWORK_SUBNET_SIZE", 20, 1, 28),
                DefaultHostSubnetSize = Number("DEFAULT_HOST_SUBNET_SIZE", 25, 3, 30),
                ServiceSubnetSize = Text("SERVICE_SUBNET_SIZE", "").Length > 0 ? Number("SERVICE_SUBNET_SIZE", 23, 1, 30) : null,
                VniStart = Number("VNI_START", 6514, 1, AddressSpaceOptions.VniMax),
            },
            Reconcile = new ReconcileOptions(
                Seconds("SYNC_INTERVAL", 60, 1, 86_400),
                Seconds("NETWORK_LINGER", 30, 0, 86_400),
                Seconds("GARBAGE_AGE", 600, 10, 2_592_000)),
            Dns = new DnsOptions(
                OneOf("DNS_DOCKER_COMPATIBILITY_MODE", "true", "true", "false") == "true" ? MatchMode.FirstNetwork : MatchMode.AllNetworks,
                Number("DNS_TTL", DnsOptions.DefaultTtl, 0, 3600)),
            Drain = new DrainTerms(
                Poll: Seconds("DRAIN_POLL", DrainTerms.Default.Poll.TotalSeconds, 0.05, 10),
                MinimumGrace: Seconds("DRAIN_MINIMUM_GRACE", DrainTerms.Default.MinimumGrace.TotalSeconds, 0, 3600),
                UdpGrace: Seconds("DRAIN_UDP_GRACE", DrainTerms.Default.UdpGrace.TotalSeconds, 0, 3600),
                StopGrace: Seconds("DRAIN_STOP_GRACE", DrainTerms.Default.StopGrace.TotalSeconds, 0, 86_400),
                Hold: Seconds("DRAIN_HOLD", DrainTerms.Default.Hold.TotalSeconds, 0, 10),
                Slack: Seconds("DRAIN_SLACK", DrainTerms.Default.Slack.TotalSeconds, 0, 3600)),
            DrainWatch = new DrainWatchOptions(
                BusyInterval: Seconds("TASK_POLL_BUSY", 0.2, 0.05, 10),
                IdleInterval: Seconds("TASK_POLL", 1, 0.05, 60),
                BusyTime: Seconds("TASK_POLL_BUSY_TIME", 30, 0, 3600)),
            Access = AccessReader.Read(
                Text("DASHBOARD_ADDRESS", AccessReader.DefaultAddress),
                OneOf("DASHBOARD_ANONYMOUS", "auto", "auto", "none", "viewer", "operator"),
                Text("DASHBOARD_CERTIFICATE", ""),
                Text("DASHBOARD_CERTIFICATE_KEY", ""),
                _problems),
            Tracing = TracingOptions.Read(name => Text(name, ""), host, ThisHost.Version, _problems),
            LoadBalancer = new LoadBalancerOptions
            {
                Plane = OneOf("LOAD_BALANCER", "auto", "auto", "ipvs", "nftables") switch
                {
                    "ipvs" => LoadBalancerPlane.Ipvs,
                    "nftables" => LoadBalancerPlane.Nftables,
                    _ => null,
                },
                TcpIdleTimeout = Seconds("LOAD_BALANCER_TCP_IDLE_TIMEOUT", 7800, 1, 432_000),
                TcpFinTimeout = Seconds("LOAD_BALANCER_TCP_FIN_TIMEOUT", 120, 1, 3600),
                UdpTimeout = Seconds("LOAD_BALANCER_UDP_TIMEOUT", 300, 1, 86_400),
            },
        };
        _problems.AddRange(options.Addresses.Validate());
        return (options, _problems);
    }

    private string Text(string name, string fallback)
    {
        var given = configuration[name];
        return string.IsNullOrWhiteSpace(given) ? fallback : given.Trim();
    }

    private string Directory(string name, string fallback)
    {
        var path = Text(name, fallback);
        // systemd gives STATE_DIRECTORY as a colon-separated list.
        path = path.Split(':')[0];
        if (!Path.IsPathFullyQualified(path))
            _problems.Add($"{name}: \"{path}\" is not an absolute path");
        return path;
    }

    private string HostName()
    {
        var name = Text("HOST_NAME", Environment.MachineName);
        if (name.Contains('/', StringComparison.Ordinal) || name.Length > 253)
            _problems.Add($"HOST_NAME: \"{name}\" is not a host name");
        return name;
    }

    private int Number(string name, int fallback, int from, int to)
    {
        var text = Text(name, fallback.ToString(CultureInfo.InvariantCulture));
        if (int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) && value >= from && value <= to)
            return value;
        _problems.Add($"{name}: \"{text}\" is not a whole number from {from} to {to}");
        return fallback;
    }

    private TimeSpan Seconds(string name, double fallback, double from, double to)
    {
        var text = Text(name, fallback.ToString(CultureInfo.InvariantCulture));
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= from && value <= to)
            return TimeSpan.FromSeconds(value);
        _problems.Add(string.Create(CultureInfo.InvariantCulture, $"{name}: \"{text}\" is not a number of seconds from {from} to {to}"));
        return TimeSpan.FromSeconds(fallback);
    }

    private string Uri(string name, string fallback, params string[] schemes)
    {
        var text = Text(name, fallback);
        if (!System.Uri.TryCreate(text, UriKind.Absolute, out var uri) || !schemes.Contains(uri.Scheme))
            _problems.Add($"{name}: \"{text}\" is not an address of the form {string.Join(", ", schemes.Select(s => s + "://"))}");
        return text;
    }

    private string OneOf(string name, string fallback, params string[] values)
    {
        var text = Text(name, fallback);
        var known = values.FirstOrDefault(value => value.Equals(text, StringComparison.OrdinalIgnoreCase));
        if (known is null)
            _problems.Add($"{name}: \"{text}\" is none of {string.Join(", ", values)}");
        return known ?? fallback;
    }

    private string[] Endpoints()
    {
        var endpoints = Text("ETCD_ENDPOINTS", "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        foreach (var endpoint in endpoints)
        {
            if (!System.Uri.TryCreate(endpoint, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
                _problems.Add($"ETCD_ENDPOINTS: \"{endpoint}\" is not of the form http://HOST:PORT or https://HOST:PORT");
        }

        return endpoints;
    }

    private EtcdTlsOptions? EtcdTls()
    {
        var (authority, certificate, key) = (ExistingFile("ETCD_CA_FILE"), ExistingFile("ETCD_CERT_FILE"), ExistingFile("ETCD_KEY_FILE"));
        if (certificate is null != key is null)
            _problems.Add("ETCD_CERT_FILE and ETCD_KEY_FILE belong together: one of them is missing");
        if (authority is null && certificate is null) return null;
        var endpoints = Text("ETCD_ENDPOINTS", "").Split(',', StringSplitOptions.TrimEntries);
        if (endpoints is [""])
            _problems.Add("ETCD_ENDPOINTS: none, although TLS files are configured; the daemon's own etcd has no TLS");
        foreach (var endpoint in endpoints.Where(endpoint => endpoint.StartsWith("http://", StringComparison.OrdinalIgnoreCase)))
            _problems.Add($"ETCD_ENDPOINTS: \"{endpoint}\" is plain http, although TLS files are configured");
        return new EtcdTlsOptions(authority, certificate, key);
    }

    /// <summary>The password stands in a file: environments and appsettings.json are read by more people than it should be.</summary>
    private EtcdCredentials? EtcdCredentials()
    {
        var (user, file) = (Text("ETCD_USERNAME", ""), ExistingFile("ETCD_PASSWORD_FILE"));
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
    private string? ExistingFile(string name)
    {
        var path = Text(name, "");
        if (path.Length == 0) return null;
        if (!File.Exists(path)) _problems.Add($"{name}: there is no file {path}");
        return path;
    }

    private string Prefix()
    {
        var prefix = Text("ETCD_PREFIX", "/flannelflow").TrimEnd('/');
        if (!prefix.StartsWith('/') || prefix.Length < 2 || prefix.Contains("//", StringComparison.Ordinal))
            _problems.Add($"ETCD_PREFIX: \"{prefix}\" must begin with / and name at least one level, like /flannelflow");
        return prefix;
    }

    private string FlannelBinary()
    {
        var binary = Text("Flannel:Binary", Path.Combine(AppContext.BaseDirectory, "flanneld"));
        if (!File.Exists(binary))
            _problems.Add($"Flannel:Binary: there is no file {binary}");
        return binary;
    }
}
