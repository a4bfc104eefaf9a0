using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Host.Access;

namespace FlannelFlow.Host;

/// <summary>All options of the daemon: what <see cref="ConfigurationReader"/> takes, and what docs/configuration.md says of them.</summary>
/// <remarks>The document is made of this (<c>flannelflow configuration</c>), and a test compares the two.</remarks>
internal static class Options
{
    public static readonly TextOption AvailableSubnets = new("AVAILABLE_SUBNETS", "10.128.0.0/12",
        "Networks (CIDRs, separated by commas) from which Docker networks get their pools. They must not overlap each other, nor anything else that the hosts reach.");

    public static readonly NumberOption NetworkSubnetSize = new("NETWORK_SUBNET_SIZE", 20, 1, 28,
        "Prefix length of a pool: one per Docker network.");

    public static readonly NumberOption DefaultHostSubnetSize = new("DEFAULT_HOST_SUBNET_SIZE", 25, 3, 30,
        "Prefix length of a host's subnet in each pool: one per host and network. At least `NETWORK_SUBNET_SIZE` + 2.");

    public static readonly NumberOption ServiceSubnetSize = new("SERVICE_SUBNET_SIZE", 23, 1, 30,
        "Prefix length of the first part of each pool, an eighth by default, which serves the Swarm leader: gateway, service VIPs, and a provisional address per task. Not above `DEFAULT_HOST_SUBNET_SIZE`.")
    {
        DefaultText = "`NETWORK_SUBNET_SIZE` + 3",
    };

    public static readonly NumberOption VniStart = new("VNI_START", 6514, 1, AddressSpaceOptions.VniMax,
        "Lowest VXLAN network identifier to hand out, {range}: flannel names its device after it, and Linux allows 15 characters.");

    public static readonly SecondsOption AddressQuarantine = new("ADDRESS_QUARANTINE", 10, 1, 3600,
        "Seconds, {range}: for how long, at least, a released address is not handed out again, unless nothing else is free. It is also kept until every living host has acknowledged that nobody has it.");

    public static readonly TextOption EtcdEndpoints = new("ETCD_ENDPOINTS", "",
        "`http://HOST:PORT` or `https://HOST:PORT`, separated by commas. Empty: the daemon runs an etcd of its own, for a swarm of one host.");

    public static readonly TextOption EtcdCaFile = new("ETCD_CA_FILE", "",
        "PEM: the authority that etcd's certificate is checked against. Empty: those that the system trusts.");

    public static readonly TextOption EtcdCertFile = new("ETCD_CERT_FILE", "",
        "PEM: the certificate, and its key, that the daemon and the flannelds show to etcd.");

    public static readonly TextOption EtcdKeyFile = new("ETCD_KEY_FILE", "", "");

    public static readonly TextOption EtcdUsername = new("ETCD_USERNAME", "",
        "etcd's user, where `etcdctl auth enable` was said, and a file with the password in its first line. The flannelds get it in their environment, which only root can read; after a change, restart the daemon: it restarts them.");

    public static readonly TextOption EtcdPasswordFile = new("ETCD_PASSWORD_FILE", "", "");

    public static readonly TextOption EtcdPrefix = new("ETCD_PREFIX", "/flannelflow",
        "Everything of FlannelFlow is below this key.");

    public static readonly SecondsOption EtcdRequestTimeout = new("ETCD_REQUEST_TIMEOUT", 5, 0.1, 20,
        "Seconds, {range}: bound of one request, failover included.");

    public static readonly NumberOption EmbeddedEtcdPort = new("EMBEDDED_ETCD_PORT", 12379, 1, 65534,
        "Port on 127.0.0.1 of the daemon's own etcd; its peer port is the next one.");

    public static readonly TextOption FlannelInterface = new("FLANNEL_INTERFACE", "",
        "Name or address of the interface that carries VXLAN. Empty: that of the default route, or, without one, that which reaches etcd.");

    public static readonly TextOption DefaultFlannelOptions = new("DEFAULT_FLANNEL_OPTIONS", "",
        "More arguments for each flanneld, separated by blanks.");

    public static readonly TextOption FlannelBinary = new("Flannel:Binary", "",
        "The flanneld to run: ours, or flannel-io's.")
    {
        DefaultText = "`flanneld` beside the daemon",
    };

    public static readonly NumberOption EncryptionPort = new("ENCRYPTION_PORT", 8473, 1024, 65535,
        "UDP port, {range}, of the VXLAN of networks with `--opt encrypted`. Nothing else may use it: neither unencrypted networks (8472) nor Docker (4789, 7946). A network keeps the port that it was created with. See [security](security.md#encrypted-networks).");

    public static readonly SecondsOption EncryptionRotation = new("ENCRYPTION_ROTATION", 28_800, 30, 2_592_000,
        "Seconds, {range}: for how long this host uses the same keys for them.");

    public static readonly ChoiceOption LoadBalancer = new("LOAD_BALANCER", "auto", ["auto", "ipvs", "nftables"],
        "`ipvs`, `nftables`, or `auto`: IPVS, and nftables where the kernel has no IPVS. See [Load balancing](load-balancing.md).");

    public static readonly SecondsOption LoadBalancerTcpIdleTimeout = new("LOAD_BALANCER_TCP_IDLE_TIMEOUT", 7800, 1, 432_000,
        "Seconds, {range}: for how long a TCP connection through a VIP may be silent (IPVS).");

    public static readonly SecondsOption LoadBalancerTcpFinTimeout = new("LOAD_BALANCER_TCP_FIN_TIMEOUT", 120, 1, 3600,
        "Seconds, {range}: the same, once one side has closed it (IPVS).");

    public static readonly SecondsOption LoadBalancerUdpTimeout = new("LOAD_BALANCER_UDP_TIMEOUT", 300, 1, 86_400,
        "Seconds, {range}: for how long a silent UDP flow goes to the same backend (IPVS).");

    public static readonly SecondsOption LoadBalancerListenWait = new("LOAD_BALANCER_LISTEN_WAIT", 10, 0, 600,
        "Seconds, {range}: for how long at most a task without a health check that listens nowhere gets no connections after its start. 0: it gets them at once. See [load balancing](load-balancing.md).");

    public static readonly TextOption StateDirectory = new("STATE_DIRECTORY", "/var/lib/flannelflow",
        "Journal, flannel environments, embedded etcd. Must survive reboots.");

    public static readonly TextOption RuntimeDirectory = new("RUNTIME_DIRECTORY", "/run/flannelflow",
        "Sockets that live as long as the boot: `api.sock`, `stop.sock` for the runtime wrapper, and the flannelds' notification sockets.");

    public static readonly TextOption PluginSocket = new("PLUGIN_SOCKET", "",
        "Where the plugin finds the daemon. Its directory is mounted into the plugin.")
    {
        DefaultText = "`STATE_DIRECTORY/plugin/daemon.sock`",
    };

    public static readonly SecondsOption PluginCallTimeout = new("PLUGIN_CALL_TIMEOUT", 25, 1, 29,
        "Seconds, {range}: dockerd gets an answer within this time (it waits 30 s); the work behind it goes on.");

    public static readonly TextOption DockerHost = new("DOCKER_HOST", "unix:///var/run/docker.sock",
        "The Docker Engine of this host.");

    public static readonly TextOption HostName = new("HOST_NAME", "",
        "The name of this host in etcd; unique in the cluster. It may change ([operations](operations.md)).")
    {
        DefaultText = "the host's name",
    };

    public static readonly SecondsOption NetworkLinger = new("NETWORK_LINGER", 30, 0, 86_400,
        "Seconds, {range}: for how long a network that Docker deleted from this host is kept for its next container. It is removed at once when Docker removes it from the cluster. 0: removed at once.");

    public static readonly SecondsOption SyncInterval = new("SYNC_INTERVAL", 60, 1, 86_400,
        "Seconds, {range}: how often Docker, etcd, the kernel and the files of this host are compared, beside the looks that events give rise to.");

    public static readonly SecondsOption GarbageAge = new("GARBAGE_AGE", 600, 10, 2_592_000,
        "Seconds, {range}: for how long what belongs to nobody in etcd is kept: what a host left that is gone, addresses of a subnet that nobody leases, pools and VNIs without a network. See [operations](operations.md).");

    public static readonly TextOption WorkflowsDirectory = new("WORKFLOWS_DIRECTORY", "",
        "The workflow definitions.")
    {
        DefaultText = "`workflows` beside the daemon",
    };

    public static readonly ChoiceOption LogLevel = new("LOG_LEVEL", "Information", ["Verbose", "Debug", "Information", "Warning", "Error"],
        "`Verbose`, `Debug`, `Information`, `Warning` or `Error`.");

    public static readonly ChoiceOption ChildrenOnStop = new("CHILDREN_ON_STOP", "keep", ["keep", "stop"],
        "`keep`: flannelds and the embedded etcd go on when the daemon stops, and the next daemon adopts them. `stop`: they end with it.");

    public static readonly TextOption DashboardAddress = new("DASHBOARD_ADDRESS", AccessReader.DefaultAddress,
        "Address and port of the dashboard and of the API over the network, or `off`. An address that is not loopback needs a certificate, and everybody signs in. If it is taken, the daemon logs that and goes on without a dashboard.");

    public static readonly ChoiceOption DashboardAnonymous = new("DASHBOARD_ANONYMOUS", "auto", ["auto", "none", "viewer", "operator"],
        "What whoever has not signed in may do: `none`, `viewer` (see everything) or `operator` (also alter it). `auto`: `viewer` on loopback, `none` elsewhere, where nothing else is allowed. Every user of this host can reach loopback.");

    public static readonly TextOption DashboardCertificate = new("DASHBOARD_CERTIFICATE", "",
        "PEM file of the certificate, its chain included. Read at the start.");

    public static readonly TextOption DashboardCertificateKey = new("DASHBOARD_CERTIFICATE_KEY", "",
        "PEM file of its key.");

    public static readonly TextOption OtelExporterOtlpEndpoint = new("OTEL_EXPORTER_OTLP_ENDPOINT", "",
        "`http://HOST:4318` or `https://…` of a collector; `/v1/traces` is added. `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is taken as it stands.");

    public static readonly TextOption OtelExporterOtlpHeaders = new("OTEL_EXPORTER_OTLP_HEADERS", "",
        "`NAME=VALUE,NAME=VALUE`: headers of each request, percent-encoded.");

    public static readonly TextOption OtelExporterOtlpTimeout = new("OTEL_EXPORTER_OTLP_TIMEOUT", "10000",
        "Milliseconds, for one request.");

    public static readonly TextOption OtelExporterOtlpProtocol = new("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf",
        "No other is there.");

    public static readonly TextOption OtelServiceName = new("OTEL_SERVICE_NAME", "flannelflow",
        "`service.name` of the traces.");

    public static readonly TextOption OtelResourceAttributes = new("OTEL_RESOURCE_ATTRIBUTES", "",
        "`NAME=VALUE,NAME=VALUE` beside `service.name`, `service.version`, `service.instance.id` and `host.name`.");

    public static readonly TextOption OtelTracesExporter = new("OTEL_TRACES_EXPORTER", "",
        "`none`: off, whatever else is set. `otlp`: on, to `http://localhost:4318` if no endpoint is set.");

    public static readonly TextOption OtelSdkDisabled = new("OTEL_SDK_DISABLED", "false",
        "`true`: off.");

    public static readonly ChoiceOption DnsDockerCompatibilityMode = new("DNS_DOCKER_COMPATIBILITY_MODE", "true", ["true", "false"],
        "Which addresses a name has that is found in several of a container's networks. `true`: those of the first such network, in Docker's order. `false`: those of all. See [names](dns.md).");

    public static readonly NumberOption DnsTtl = new("DNS_TTL", DnsOptions.DefaultTtl, 0, 3600,
        "Seconds, {range}: for how long a client may remember an answer about our names, \"there is none\" included.");

    public static readonly SecondsOption DrainHold = new("DRAIN_HOLD", DrainTerms.Default.Hold.TotalSeconds, 0, 10,
        "{range}: for how long a stop is held at most until all hosts have taken the container out. The wrapper has a bound of its own.");

    public static readonly SecondsOption DrainStopGrace = new("DRAIN_STOP_GRACE", DrainTerms.Default.StopGrace.TotalSeconds, 0, 86_400,
        "The stop grace period where neither container nor service has one.");

    public static readonly SecondsOption DrainSlack = new("DRAIN_SLACK", DrainTerms.Default.Slack.TotalSeconds, 0, 3600,
        "For how long connections may live beyond grace and hold.");

    public static readonly SecondsOption DrainMinimumGrace = new("DRAIN_MINIMUM_GRACE", DrainTerms.Default.MinimumGrace.TotalSeconds, 0, 3600,
        "{range}: a backend without connections stays for so long at weight 0.")
    {
        Label = DrainTerms.MinimumGraceLabel,
    };

    public static readonly SecondsOption DrainUdpGrace = new("DRAIN_UDP_GRACE", DrainTerms.Default.UdpGrace.TotalSeconds, 0, 3600,
        "{range}: for so long UDP flows stay with a draining backend.")
    {
        Label = DrainTerms.UdpGraceLabel,
    };

    public static readonly SecondsOption DrainPoll = new("DRAIN_POLL", DrainTerms.Default.Poll.TotalSeconds, 0.05, 10,
        "{range}: how often a draining backend's connections are counted.")
    {
        Label = DrainTerms.PollLabel,
    };

    public static readonly SecondsOption TaskPoll = new("TASK_POLL", 1, 0.05, 60,
        "{range}: on a manager, how often the desired states of tasks are asked for.");

    public static readonly SecondsOption TaskPollBusy = new("TASK_POLL_BUSY", 0.2, 0.05, 10,
        "{range}: the same while services or nodes are changing,");

    public static readonly SecondsOption TaskPollBusyTime = new("TASK_POLL_BUSY_TIME", 30, 0, 3600,
        "and for so long after the last change.");

    public static readonly NumberOption PluginHold = new("FLANNELFLOW_HOLD_SECONDS", 10, 0, 25,
        "For how long a call of dockerd is held while the daemon is away. {range}.");

    public static readonly NumberOption PluginAnswer = new("FLANNELFLOW_ANSWER_SECONDS", 60, 1, 600,
        "For how long a call may take in all. {range}.");

    /// <summary>A label of services for which there is no option.</summary>
    public static readonly DaemonOption DrainLimit = new("", "0 to 86400: from weight 0 to the cut, instead of grace + hold + slack.") { Label = DrainTerms.LimitLabel };

    /// <summary>In the order of the document.</summary>
    public static readonly IReadOnlyList<OptionSection> Sections =
    [
        new("Addresses", [AvailableSubnets, NetworkSubnetSize, DefaultHostSubnetSize, ServiceSubnetSize, VniStart, AddressQuarantine])
        {
            After = """
                With the defaults: 256 networks, each with 28 hosts of 125 containers and 509 addresses for services and tasks. Sizes are those of new
                networks; an existing network keeps its own.
                """,
        },
        new("etcd", [EtcdEndpoints, EtcdCaFile, EtcdCertFile, EtcdKeyFile, EtcdUsername, EtcdPasswordFile, EtcdPrefix, EtcdRequestTimeout, EmbeddedEtcdPort]),
        new("flannel", [FlannelInterface, DefaultFlannelOptions, FlannelBinary]),
        new("Encryption between hosts", [EncryptionPort, EncryptionRotation]),
        new("Load balancing", [LoadBalancer, LoadBalancerTcpIdleTimeout, LoadBalancerTcpFinTimeout, LoadBalancerUdpTimeout, LoadBalancerListenWait])
        {
            After = """
                With the nftables plane, silence is the affair of the host's connection tracking: `net.netfilter.nf_conntrack_tcp_timeout_established` (5 days
                by default) and its like.
                """,
        },
        new("The daemon", [StateDirectory, RuntimeDirectory, PluginSocket, PluginCallTimeout, DockerHost, HostName, NetworkLinger, SyncInterval, GarbageAge, WorkflowsDirectory, LogLevel, ChildrenOnStop]),
        new("The dashboard and the API", [DashboardAddress, DashboardAnonymous, DashboardCertificate, DashboardCertificateKey]),
        new("Traces", [OtelExporterOtlpEndpoint, OtelExporterOtlpHeaders, OtelExporterOtlpTimeout, OtelExporterOtlpProtocol, OtelServiceName, OtelResourceAttributes, OtelTracesExporter, OtelSdkDisabled])
        {
            Before = """
                Off, and free of cost, until an endpoint is given. The names are OpenTelemetry's; those with `_TRACES_` after `OTLP` win over those without. What is sent is in [workflows](workflows.md#as-traces).
                """,
        },
        new("Names", [DnsDockerCompatibilityMode, DnsTtl]),
        new("Draining", [DrainHold, DrainStopGrace, DrainSlack, DrainLimit, DrainMinimumGrace, DrainUdpGrace, DrainPoll, TaskPoll, TaskPollBusy, TaskPollBusyTime])
        {
            Before = """
                What they mean is in [draining](draining.md). Times are in seconds, decimals allowed.
                """,
            After = """
                A label with a value that cannot be is refused in the service's record and in the log, and the option stands.
                """,
        },
        new("The plugin", [PluginHold, PluginAnswer])
        {
            Before = """
                Set with `docker plugin set flannelflow:latest NAME=VALUE` while it is disabled.
                """,
        },
        new("For tests", [])
        {
            Before = """
                `FLANNELFLOW_CRASH_AT=DEFINITION/ACTIVITY/MOMENT` makes the daemon kill itself once at that point of a workflow, for example
                `network-create/start-flannel/after-effect`.
                """,
        },
    ];
}
