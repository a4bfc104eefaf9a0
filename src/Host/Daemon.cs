using System.Text.Json.Nodes;
using FlannelFlow.Activities;
using FlannelFlow.Activities.Dns;
using FlannelFlow.Activities.Draining;
using FlannelFlow.Activities.Encryption;
using FlannelFlow.Activities.Endpoints;
using FlannelFlow.Activities.Flannel;
using FlannelFlow.Activities.LoadBalancing;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Activities.Restore;
using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Encryption;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Garbage;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Operations;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Host.Access;
using FlannelFlow.Host.Api;
using FlannelFlow.Host.Dns;
using FlannelFlow.Host.Docker;
using FlannelFlow.Host.Draining;
using FlannelFlow.Host.Encryption;
using FlannelFlow.Host.LoadBalancing;
using FlannelFlow.Host.Mirror;
using FlannelFlow.Host.Plugin;
using FlannelFlow.Host.Reconcile;
using FlannelFlow.Host.Tracing;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Linux.Processes;
using FlannelFlow.Workflows;
using Serilog;
using Serilog.Events;

namespace FlannelFlow.Host;

/// <summary>Composes and runs the daemon.</summary>
/// <remarks>
/// Order of start:
/// <list type="number">
/// <item>the whole configuration is read and checked;</item>
/// <item>the kernel's load balancer is chosen and set up; the services in it stay;</item>
/// <item>the journal is locked, opened and classified, so that a second daemon ends here;</item>
/// <item>the embedded etcd, if there is one, is adopted or started;</item>
/// <item>recovered workflows go on;</item>
/// <item>the sockets open: dockerd's calls are answered even while etcd cannot be reached (with that as the reason);</item>
/// <item>the workflow restore begins, and all is compared with Docker and etcd from then on.</item>
/// </list>
/// </remarks>
public static class Daemon
{
    /// <summary>Exit code for a configuration or a state that a restart cannot mend (sysexits.h EX_CONFIG).</summary>
    private const int ExitConfiguration = 78;

    /// <summary>A restart of the daemon, its recovery included, takes less: the others do not miss it.</summary>
    private static readonly TimeSpan PresenceTimeToLive = TimeSpan.FromSeconds(15);

    /// <summary>So that a drain is acknowledged well within the 2 s that Docker waits before SIGTERM.</summary>
    private static readonly TimeSpan AcknowledgeInterval = TimeSpan.FromMilliseconds(50);

    public static async Task<int> RunAsync(CancellationToken ct)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration.AddEnvironmentVariables();
        FlannelFlowOptions options;
        try
        {
            options = new ConfigurationReader(builder.Configuration).Read();
        }
        catch (ConfigurationException invalid)
        {
            await Console.Error.WriteLineAsync($"flannelflow: {invalid.Message}");
            return ExitConfiguration;
        }

        await using var log = new LoggerConfiguration()
            .MinimumLevel.Is(Enum.Parse<LogEventLevel>(options.LogLevel))
            .MinimumLevel.Override("Microsoft.AspNetCore", LogEventLevel.Warning)
            .MinimumLevel.Override("Microsoft.Hosting", LogEventLevel.Warning)
            // The keys of the sessions lie in a folder that only root can open; it would warn of that at each new one.
            .MinimumLevel.Override("Microsoft.AspNetCore.DataProtection", LogEventLevel.Error)
            .Enrich.FromLogContext()
            .WriteTo.Console(
                outputTemplate: "{Timestamp:yyyy-MM-ddTHH:mm:ss.fffZ} {Level:u3} {SourceContext}: {Message:lj}{NewLine}{Exception}",
                formatProvider: System.Globalization.CultureInfo.InvariantCulture)
            .CreateLogger();
        builder.Services.AddSerilog(log);

        try
        {
            return await RunAsync(builder, options, log, ct);
        }
        catch (Exception failed) when (failed is JournalUnusableException or DefinitionException or InvalidDataException or IOException or PlaneMissingException)
        {
            log.Fatal("the daemon cannot start: {Reason}", failed.Message);
            return ExitConfiguration;
        }
    }

    private static async Task<int> RunAsync(WebApplicationBuilder builder, FlannelFlowOptions options, Serilog.ILogger log, CancellationToken ct)
    {
        Prepare(options);
        var time = new SteadyTime(TimeProvider.System);
        time.Stepped += said => log.Warning("{Step}", said);
        builder.Services.AddSingleton<TimeProvider>(time).AddSingleton(options).AddSingleton(options.Plugin).AddSingleton(options.Reconcile).AddSingleton(options.Encryption)
            .AddSingleton(options.Access);
        AddCluster(builder.Services, options);
        AddHost(builder.Services, options);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.ListenUnixSocket(options.Plugin.Socket);
            kestrel.ListenUnixSocket(options.ApiSocket);
        });
        using var network = NetworkSocket.Bind(options.Access, log);
        network?.Listen(builder, options.Access);

        await using var app = builder.Build();
        var logger = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("FlannelFlow.Host.Daemon");
        await OpenLoadBalancerAsync(app.Services, options, logger, ct);
        var runtime = await OpenRuntimeAsync(app.Services, options, ct);
        logger.LogInformation("journal opened: {Recovery}", runtime.Recovery);

        var supervisor = app.Services.GetRequiredService<ProcessSupervisor>();
        if (options.Etcd.Endpoints.Count == 0)
        {
            await EmbeddedEtcd.EnsureAsync(supervisor, options, ct);
            logger.LogInformation("no ETCD_ENDPOINTS: running an etcd of our own on {Endpoint}", EmbeddedEtcd.EndpointsOf(options)[0]);
        }

        await EnsureFlanneldsAsync(app.Services, runtime, logger, ct);
        runtime.Resume();

        Map(app);
        app.Lifetime.ApplicationStarted.Register(() =>
        {
            foreach (var socket in new[] { options.Plugin.Socket, options.ApiSocket })
                File.SetUnixFileMode(socket, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite);
            logger.LogInformation(
                "FlannelFlow answers Docker on {PluginSocket}; host {Host}, networks {Count}",
                options.Plugin.Socket,
                options.HostName,
                app.Services.GetRequiredService<HostNetworks>().All.Count);
            if (network is not null)
                logger.LogInformation("dashboard and API: {Scheme}://{Address}", options.Access.IsTls ? "https" : "http", network.Endpoint);
        });
        // Left by a daemon that was killed; the journal's lock says that none runs.
        File.Delete(options.Plugin.Socket);
        File.Delete(options.ApiSocket);
        await app.StartAsync(ct);
        await app.WaitForShutdownAsync(ct);
        await runtime.DisposeAsync();
        if (options.StopsChildren)
        {
            foreach (var child in supervisor.Children)
                await child.StopAsync(CancellationToken.None);
        }

        return 0;
    }

    /// <summary>
    /// Whatever else does not answer yet, a network whose flanneld died with the last boot or the last daemon is served again. A network
    /// that a recovered workflow is making or removing is that workflow's: a flanneld that it has stopped stays stopped.
    /// </summary>
    private static async Task EnsureFlanneldsAsync(IServiceProvider services, WorkflowRuntime runtime, Microsoft.Extensions.Logging.ILogger logger, CancellationToken ct)
    {
        InstanceStatus[] open = [InstanceStatus.Waiting, InstanceStatus.Running, InstanceStatus.Compensating, InstanceStatus.Suspended];
        var changing = open
            .SelectMany(status => runtime.Instances(new InstanceFilter(DefinitionId: null, status, Limit: int.MaxValue)))
            .Where(instance => instance.DefinitionId is "network-create" or "network-remove")
            .Select(instance => JsonNode.Parse(instance.Input)!["NetworkId"]!.GetValue<string>())
            .ToHashSet();
        var flannel = services.GetRequiredService<FlannelProcesses>();
        foreach (var network in services.GetRequiredService<HostNetworks>().All)
        {
            if (network.IdleSince is not null || changing.Contains(network.NetworkId)) continue;
            try
            {
                await flannel.EnsureAsync(network, ct);
            }
            catch (NetlinkException e) when (network.IsEncrypted)
            {
                // Another kernel than that which it came up with: it does not come up in clear. The others do.
                logger.LogError("network {Network} is encrypted and stays down: {Reason}", network.NetworkId, e.Message);
            }
        }
    }

    private static void Prepare(FlannelFlowOptions options)
    {
        Directory.CreateDirectory(options.StateDirectory);
        Directory.CreateDirectory(options.RuntimeDirectory);
        Directory.CreateDirectory(Path.GetDirectoryName(options.Plugin.Socket)!);
    }

    private static void Map(WebApplication app)
    {
        var doors = app.Services.GetRequiredService<Doors>();
        app.Use((http, next) => doors.EnterAsync(http, _ => next(http)));
        app.MapPlugin();
        app.MapOperations();
        app.MapLoadBalancers();
    }

    private static EtcdOptions EtcdOptionsOf(FlannelFlowOptions options) => new()
    {
        Endpoints = EmbeddedEtcd.EndpointsOf(options),
        CallTimeout = options.Etcd.RequestTimeout,
        Tls = options.Etcd.Tls,
        Credentials = options.Etcd.Credentials,
    };

    private static void AddCluster(IServiceCollection services, FlannelFlowOptions options)
    {
        services.AddSingleton(EtcdOptionsOf(options));
        services.AddSingleton<IEtcd, EtcdStore>();
        services.AddSingleton(new ClusterKeys(options.Etcd.Prefix));
        services.AddSingleton(options.Addresses.ToAddressSpace());
        services.AddSingleton(new AddressAllocatorOptions { Quarantine = options.Etcd.Quarantine });
        services.AddSingleton(provider => new DockerMirror(
            provider.GetRequiredService<IEtcd>(),
            provider.GetRequiredService<ClusterKeys>(),
            options.HostName,
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<DockerMirror>>()));
        services.AddSingleton<MirrorWriter>().AddSingleton<HostWatch>().AddSingleton<IUnderlay, UnderlayPing>();
        services.AddSingleton<DrainWriter>().AddSingleton<OperationsStore>().AddSingleton(options.Drain).AddSingleton(options.DrainWatch);
        services.AddSingleton(new HostPresenceOptions(
            options.HostName, ThisHost.Version, ThisHost.UnderlayAddress(options), PresenceTimeToLive, AcknowledgeInterval));
        services.AddSingleton(provider => ActivatorUtilities.CreateInstance<HostPresence>(provider, (Func<int>)provider.GetRequiredService<DriftBook>().CountStanding));
        services.AddSingleton(provider => new MarkAllocator(provider.GetRequiredService<IEtcd>(), provider.GetRequiredService<ClusterKeys>(), FwMarkPair.LastIndex));
        services.AddSingleton<MarkUpkeep>().AddSingleton<KnownMarks>();
        services.AddSingleton(provider => new AddressUpkeep(
            provider.GetRequiredService<AddressAllocator>(),
            provider.GetRequiredService<AddressAllocatorOptions>(),
            options.HostName,
            provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<PoolAllocator>().AddSingleton<VniAllocator>().AddSingleton<AddressAllocator>().AddSingleton<FlannelNetworkConfigs>();
    }

    private static void AddHost(IServiceCollection services, FlannelFlowOptions options)
    {
        services.AddSingleton(new HostNetworks(options.StateDirectory));
        services.AddSingleton(new FlannelSettings(
            options.Flannel.Binary,
            EtcdOptionsOf(options),
            options.Etcd.Prefix,
            options.Flannel.Interface,
            options.Flannel.ExtraArguments,
            options.RuntimeDirectory));
        services.AddSingleton<KernelEncryption>().AddSingleton<EncryptionRecords>();
        services.AddSingleton<ProcessSupervisor>().AddSingleton<FlannelProcesses>().AddSingleton<HostLeases>();
        services.AddSingleton(_ => RouteNetlink.Open());
        services.AddSingleton<CommandRunner>().AddSingleton<Iptables>().AddSingleton<ForwardingRules>();
        services.AddSingleton(provider =>
            new NftTable(provider.GetRequiredService<CommandRunner>(), ForwardingRules.Family, ForwardingRules.Table));
        services.AddSingleton<OpenedBalancer>();
        services.AddSingleton(provider => provider.GetRequiredService<OpenedBalancer>().Balancer
            ?? throw new InvalidOperationException("the load balancer is not open yet"));
        services.AddSingleton(provider => new HostBalancing(
            () => provider.GetRequiredService<DockerMirror>().Current,
            provider.GetRequiredService<HostNetworks>(),
            provider.GetRequiredService<ILoadBalancer>().Schedulers));
        services.AddSingleton<ActivitySet>();
        services.AddSingleton<OpenedRuntime>();
        services.AddSingleton(provider => provider.GetRequiredService<OpenedRuntime>().Runtime
            ?? throw new InvalidOperationException("the journal is not open yet"));
        services.AddSingleton<IPluginWorkflows, PluginWorkflows>().AddSingleton<PluginCallEdge>().AddSingleton<NetworkDriver>().AddSingleton<IpamDriver>();
        services.AddSingleton<SwarmRole>().AddSingleton<RemovedNetworks>().AddSingleton<DockerTruth>();
        services.AddHostedService<ServiceManager>();
        AddReconcile(services, options);
        AddDraining(services);
        services.AddSingleton(provider => new OpeningTasks(options.ListenWait, provider.GetRequiredService<TimeProvider>())).AddSingleton<RunningContainers>();
        services.AddHostedService<MirrorLoop>();
        services.AddHostedService<LoadBalancerLoop>();
        services.AddHostedService<UpkeepLoop>();
        services.AddHostedService<EncryptionLoop>();
        AddNames(services, options);
        if (options.Tracing is { } tracing)
        {
            services.AddHostedService(provider => new TraceExport(
                tracing, provider.GetRequiredService<WorkflowRuntime>(), Path.Combine(options.StateDirectory, "traces.seq"), provider.GetRequiredService<TimeProvider>(),
                provider.GetRequiredService<ILogger<TraceExport>>()));
        }
    }

    private static void AddReconcile(IServiceCollection services, FlannelFlowOptions options)
    {
        services.AddSingleton(new HostName(options.HostName)).AddSingleton<Func<WorkflowRuntime>>(provider => () => provider.GetRequiredService<WorkflowRuntime>());
        services.AddSingleton<DriftBook>().AddSingleton<SyncDemand>().AddSingleton<BalancingLooks>().AddSingleton<PictureReader>().AddSingleton<SandboxSweep>();
        services.AddSingleton<HostUpkeep>().AddSingleton<IHostUpkeep>(provider => provider.GetRequiredService<HostUpkeep>());
        services.AddHostedService<SyncLoop>();
        services.AddHostedService<UndoingLoop>();
        services.AddSingleton(new GarbageOptions(options.Reconcile.GarbageAge)).AddSingleton<GarbageCollector>();
        services.AddHostedService<GarbageLoop>();
        services.AddHostedService<FormerNames>();
    }

    private static void AddNames(IServiceCollection services, FlannelFlowOptions options)
    {
        services.AddSingleton<NameBoard>();
        services.AddSingleton(provider => new DnsServers(
            provider.GetRequiredService<NameBoard>(),
            options.Dns,
            new HostResolverFile(HostResolverFile.DefaultPath),
            provider.GetRequiredService<TimeProvider>(),
            () => new Random(),
            provider.GetRequiredService<ILogger<DnsServers>>()));
        services.AddSingleton<DockerSandboxes>();
        services.AddSingleton<IDockerSandboxes>(provider => provider.GetRequiredService<DockerSandboxes>());
        services.AddHostedService<NamesLoop>();
    }

    private static void AddDraining(IServiceCollection services)
    {
        services.AddSingleton<ConnectionSampler>().AddSingleton<OpenDrains>().AddSingleton<DrainMetrics>();
        services.AddSingleton<DrainTrigger>().AddSingleton<KillWatch>().AddSingleton<DesiredStateWatch>();
        services.AddHostedService(provider => provider.GetRequiredService<KillWatch>());
        services.AddHostedService(provider => provider.GetRequiredService<DesiredStateWatch>());
        services.AddHostedService<StopSocket>();
        services.AddHostedService<SummaryPublisher>();
        services.AddHostedService<RequestLoop>();
        services.AddOperations();
    }

    private static async Task OpenLoadBalancerAsync(IServiceProvider services, FlannelFlowOptions options, Microsoft.Extensions.Logging.ILogger logger, CancellationToken ct)
    {
        var opened = await LoadBalancers.OpenAsync(
            options.LoadBalancer, services.GetRequiredService<RouteNetlink>(), services.GetRequiredService<CommandRunner>(), networkNamespace: null, ct);
        services.GetRequiredService<OpenedBalancer>().Balancer = opened.Balancer;
        logger.LogInformation("load balancer: {Plane} ({Reason})", opened.Balancer.Plane, opened.Reason);
    }

    private static async Task<WorkflowRuntime> OpenRuntimeAsync(IServiceProvider services, FlannelFlowOptions options, CancellationToken ct)
    {
        var catalog = services.GetRequiredService<ActivitySet>().Catalog();
        var runtime = await WorkflowRuntime.OpenAsync(
            new WorkflowRuntimeOptions
            {
                JournalPath = Path.Combine(options.StateDirectory, "journal.db"),
                Classify = ActivitySet.Classify,
                CrashPoint = options.CrashAt,
            },
            catalog,
            DefinitionLoader.LoadFolder(options.WorkflowsDirectory, catalog),
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILoggerFactory>(),
            ct);
        services.GetRequiredService<OpenedRuntime>().Runtime = runtime;
        return runtime;
    }

    private sealed class OpenedBalancer
    {
        public ILoadBalancer? Balancer { get; set; }
    }

    /// <summary>The runtime is opened asynchronously, after the container of services is built; this is where they find it.</summary>
    private sealed class OpenedRuntime
    {
        public WorkflowRuntime? Runtime { get; set; }
    }
}
