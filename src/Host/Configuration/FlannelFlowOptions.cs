using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Host.Draining;
using FlannelFlow.Host.Tracing;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Operations.Access;

namespace FlannelFlow.Host;

/// <summary>What the user configured, already read and checked as a whole. The reference is docs/configuration.md.</summary>
public sealed record FlannelFlowOptions
{
    /// <summary>What must survive a reboot: journal, flannel environments, embedded etcd, the plugin's socket directory.</summary>
    public required string StateDirectory { get; init; }

    /// <summary>Sockets that live as long as the boot.</summary>
    public required string RuntimeDirectory { get; init; }

    public required string HostName { get; init; }
    public required string DockerEndpoint { get; init; }
    public required string WorkflowsDirectory { get; init; }
    public required PluginOptions Plugin { get; init; }
    public required EtcdConnectionOptions Etcd { get; init; }
    public required FlannelOptions Flannel { get; init; }
    public required EncryptionOptions Encryption { get; init; }
    public required AddressSpaceOptions Addresses { get; init; }
    public required ReconcileOptions Reconcile { get; init; }
    public required DnsOptions Dns { get; init; }

    /// <summary>How backends are drained, where their service's labels do not say otherwise.</summary>
    public required DrainTerms Drain { get; init; }
    public required DrainWatchOptions DrainWatch { get; init; }
    public required LoadBalancerOptions LoadBalancer { get; init; }

    /// <summary>How long a task without a health check is waited for to listen before it is a backend.</summary>
    public required TimeSpan ListenWait { get; init; }
    public required AccessOptions Access { get; init; }

    /// <summary>Null: workflows are not traced.</summary>
    public TracingOptions? Tracing { get; init; }
    public required string LogLevel { get; init; }

    /// <summary>
    /// Whether flannelds and the embedded etcd end with the daemon. Normally they do not: traffic goes on and the next daemon adopts them.
    /// </summary>
    public required bool StopsChildren { get; init; }

    /// <summary>For tests of crashes: the point at which the engine kills the process, see docs/testing.md.</summary>
    public string? CrashAt { get; init; }

    /// <summary>Where the runtime wrapper tells of a stop.</summary>
    public string StopSocket => Path.Combine(RuntimeDirectory, "stop.sock");

    public string ApiSocket => Path.Combine(RuntimeDirectory, "api.sock");
}

/// <param name="Socket">Where the bridge finds the daemon. Its directory is mounted into the plugin.</param>
/// <param name="CallTimeout">An answer is given within this, whatever happens; the work behind it goes on.</param>
public sealed record PluginOptions(string Socket, TimeSpan CallTimeout);

/// <param name="Endpoints">Empty: the daemon runs an etcd of its own.</param>
/// <param name="EmbeddedPort">Client port of that etcd on 127.0.0.1; its peer port is the next one.</param>
public sealed record EtcdConnectionOptions(
    IReadOnlyList<string> Endpoints,
    string Prefix,
    int EmbeddedPort,
    TimeSpan RequestTimeout,
    TimeSpan Quarantine,
    EtcdTlsOptions? Tls,
    EtcdCredentials? Credentials)
{
    /// <summary>Endpoints that are asked in clear, over a wire: <c>http://HOST:PORT</c>.</summary>
    public IEnumerable<string> InClear => Endpoints.Select(endpoint => new Uri(endpoint))
        .Where(endpoint => endpoint.Scheme != Uri.UriSchemeHttps && !endpoint.IsLoopback)
        .Select(endpoint => endpoint.GetLeftPart(UriPartial.Authority));
}

/// <param name="Binary">flanneld: ours, or flannel-io's.</param>
/// <param name="Interface">Name or address of the underlay interface; empty: flanneld's own choice.</param>
/// <param name="ExtraArguments">DEFAULT_FLANNEL_OPTIONS, split at blanks.</param>
public sealed record FlannelOptions(string Binary, string Interface, IReadOnlyList<string> ExtraArguments);

/// <param name="Port">UDP port of the VXLAN of new encrypted networks.</param>
/// <param name="Rotation">For how long this host uses its keys.</param>
public sealed record EncryptionOptions(int Port, TimeSpan Rotation);

/// <param name="Interval">How often Docker, etcd and the kernel are compared.</param>
/// <param name="Linger">How long a network that Docker deleted from this host is kept, since its next container may start at once.</param>
/// <param name="GarbageAge">How long what belongs to nobody in the cluster is kept.</param>
public sealed record ReconcileOptions(TimeSpan Interval, TimeSpan Linger, TimeSpan GarbageAge);
