using System.Net.Http.Headers;
using FlannelFlow.Activities.Draining;
using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Access;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Operations;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Cluster.Tests.Support;
using FlannelFlow.Host;
using FlannelFlow.Host.Access;
using FlannelFlow.Host.Api;
using FlannelFlow.Host.Draining;
using FlannelFlow.Host.Reconcile;
using FlannelFlow.Operations.Access;
using FlannelFlow.Tests;
using FlannelFlow.Workflows;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Dashboard.Tests.Support;

/// <summary>
/// A daemon of the cluster as far as people see it: journal, mirror, requests of other hosts, API and dashboard are the real ones, on a real etcd and a real
/// port of loopback. It has no kernel and no Docker: its workflows are the test's, and what Docker would tell is written into etcd.
/// </summary>
public sealed class TestHost : IAsyncDisposable
{
    private readonly string _folder;
    private readonly CancellationTokenSource _stop = new();
    private readonly EtcdStore _etcd;
    private readonly WebApplication _app;
    private readonly List<Task> _loops = [];

    private TestHost(string name, EtcdStore etcd, ClusterKeys keys, WorkflowRuntime runtime, WebApplication app, string folder)
    {
        Name = name;
        _etcd = etcd;
        Keys = keys;
        Runtime = runtime;
        _app = app;
        _folder = folder;
    }

    /// <summary>The folder of the daemon's build, of the same configuration as the tests'.</summary>
    private static string Daemon
    {
        get
        {
            var here = new DirectoryInfo(AppContext.BaseDirectory);
            var (framework, configuration) = (here.Name, here.Parent!.Name);
            while (!File.Exists(Path.Combine(here.FullName, "FlannelFlow.sln"))) here = here.Parent ?? throw new DirectoryNotFoundException("no FlannelFlow.sln above the tests");
            return Path.Combine(here.FullName, "src/Host/bin", configuration, framework);
        }
    }

    public string Name { get; }

    public ClusterKeys Keys { get; }

    public WorkflowRuntime Runtime { get; }

    public IServiceProvider Services => _app.Services;

    public required Uri Address { get; init; }

    public static async Task<TestHost> StartAsync(
        EtcdProcess etcd, ClusterKeys keys, string name, IReadOnlyDictionary<string, string?>? settings = null, CancellationToken ct = default)
    {
        var folder = Directory.CreateTempSubdirectory("fft-dash-").FullName;
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["STATE_DIRECTORY"] = folder,
            ["RUNTIME_DIRECTORY"] = folder,
            ["HOST_NAME"] = name,
            ["Flannel:Binary"] = Environment.ProcessPath,
            ["DASHBOARD_ADDRESS"] = $"127.0.0.1:{LoopbackPort.Free()}",
        }.Concat(settings ?? new Dictionary<string, string?>()).GroupBy(one => one.Key).ToDictionary(group => group.Key, group => group.Last().Value)).Build();
        var options = new ConfigurationReader(configuration).Read();

        var store = etcd.Open(new EtcdOptions { Endpoints = [etcd.Endpoint] });
        var catalog = TestWorkflows.Catalog();
        var runtime = await WorkflowRuntime.OpenAsync(
            new WorkflowRuntimeOptions { JournalPath = Path.Combine(folder, "journal.db"), FailStop = (_, _) => { } },
            catalog, TestWorkflows.Definitions(catalog), TimeProvider.System, NullLoggerFactory.Instance, ct);
        runtime.Resume();

        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.ClearProviders();
        // Where a build of the daemon has the pages' files.
        builder.Configuration[WebHostDefaults.StaticWebAssetsKey] = Path.Combine(Daemon, "flannelflow.staticwebassets.runtime.json");
        builder.Services
            .AddSingleton(TimeProvider.System).AddSingleton(options).AddSingleton(options.Access).AddSingleton(runtime)
            .AddSingleton<IEtcd>(store).AddSingleton(keys).AddSingleton(options.Addresses.ToAddressSpace()).AddSingleton(new AddressAllocatorOptions())
            .AddSingleton(new HostPresenceOptions(name, "0.1.0", "", TimeSpan.FromSeconds(15), TimeSpan.FromMilliseconds(50)))
            .AddSingleton(new DockerMirror(store, keys, name, TimeProvider.System, NullLogger<DockerMirror>.Instance))
            .AddSingleton<PoolAllocator>().AddSingleton<VniAllocator>().AddSingleton<AddressAllocator>()
            .AddSingleton<OperationsStore>().AddSingleton<DrainWriter>().AddSingleton<OpenDrains>()
            .AddSingleton<DriftBook>()
            .AddSingleton<RequestLoop>().AddSingleton<SummaryPublisher>()
            .AddOperations();
        var network = NetworkSocket.Bind(options.Access, Serilog.Core.Logger.None)!;
        network.Listen(builder, options.Access);
        var app = builder.Build();
        var doors = app.Services.GetRequiredService<Doors>();
        app.Use((http, next) => doors.EnterAsync(http, _ => next(http)));
        app.MapOperations();
        var host = new TestHost(name, store, keys, runtime, app, folder) { Address = new Uri($"{(options.Access.IsTls ? "https" : "http")}://{network.Endpoint}") };
        await host.StartAsync(ct);
        return host;
    }

    public async Task<NewToken> TokenAsync(string name, Role role, CancellationToken ct) => await Services.GetRequiredService<TokenStore>().CreateAsync(name, role, life: null, ct);

    /// <summary>What a role may do over the network, as it is mapped.</summary>
    public IReadOnlyList<string> Operations() =>
    [
        .. Services.GetRequiredService<Microsoft.AspNetCore.Routing.EndpointDataSource>().Endpoints.OfType<Microsoft.AspNetCore.Routing.RouteEndpoint>()
            .Where(endpoint => endpoint.Metadata.GetMetadata<RequiredRole>() is not null && endpoint.Metadata.GetMetadata<OwnSocketOnly>() is null)
            .Select(endpoint => $"{endpoint.Metadata.GetMetadata<Microsoft.AspNetCore.Routing.HttpMethodMetadata>()!.HttpMethods[0]} {endpoint.RoutePattern.RawText}"),
    ];

    /// <summary>What this test got wrong is not held against the next.</summary>
    public void ForgetFailures() => Services.GetRequiredService<Gate>().Failures.Forget();

    public HttpClient Client(string? token = null)
    {
        var handler = new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false };
        // The certificate was made by the test.
        if (Address.Scheme == Uri.UriSchemeHttps) handler.ServerCertificateCustomValidationCallback = (_, _, _, _) => true;
        var client = new HttpClient(handler) { BaseAddress = Address };
        if (token is not null) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        foreach (var loop in _loops)
        {
            try
            {
                await loop;
            }
            catch (OperationCanceledException)
            {
                // As asked.
            }
        }

        await Services.GetRequiredService<RequestLoop>().StopAsync(CancellationToken.None);
        await Services.GetRequiredService<SummaryPublisher>().StopAsync(CancellationToken.None);
        await _app.StopAsync(CancellationToken.None);
        await Runtime.DisposeAsync();
        await _app.DisposeAsync();
        await _etcd.DisposeAsync();
        _stop.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartAsync(CancellationToken ct)
    {
        var record = new HostRecord(Name, "0.1.0", $"10.77.0.1{Name[^1]}", 1_000_000);
        await _etcd.PutAsync(Keys.Host(Name), MirrorJson.Write(record), EtcdLeaseId.None, ct);
        await _etcd.PutAsync(Keys.HostSign(Name), Name, EtcdLeaseId.None, ct);
        var mirror = Services.GetRequiredService<DockerMirror>();
        _loops.Add(mirror.RunAsync(_stop.Token));
        await mirror.WhenAsync(_ => true, ct);
        await Services.GetRequiredService<RequestLoop>().StartAsync(ct);
        await Services.GetRequiredService<SummaryPublisher>().StartAsync(ct);
        await _app.StartAsync(ct);
    }
}
