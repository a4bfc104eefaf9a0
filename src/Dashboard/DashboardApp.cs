using System.Diagnostics;
using FlannelFlow.Activities.Draining;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Dashboard.Sessions;
using FlannelFlow.Dashboard.Shared;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Operations;
using FlannelFlow.Operations.Access;
using FlannelFlow.Operations.Cluster;
using FlannelFlow.Operations.Draining;
using FlannelFlow.Operations.Reconcile;
using FlannelFlow.Workflows;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.StaticFiles;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.FileProviders;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using MudBlazor.Services;

namespace FlannelFlow.Dashboard;

/// <param name="Addresses">The daemon's own, which the planner begins with.</param>
/// <param name="KeysFolder">Where the keys of the sessions' cookies are kept, so that a restart signs nobody out.</param>
/// <param name="AssetsManifest">Of a build, where the pages' files lie in several folders; of a published daemon there is none, and they lie in wwwroot.</param>
public sealed record DashboardSettings(AddressSpaceOptions Addresses, string KeysFolder, string AssetsManifest);

/// <summary>The pages: a pipeline of its own behind the daemon's server, with services of its own.</summary>
/// <remarks>
/// Made with the first request for a page: a host whose dashboard nobody looks at spends neither time nor memory on it. What it shares with the daemon it is
/// handed; what it adds (Blazor, MudBlazor, sessions) the daemon does not know.
/// </remarks>
public sealed class DashboardApp : IAsyncDisposable
{
    private readonly ServiceProvider _services;
    private readonly RequestDelegate _pipeline;

    public DashboardApp(IServiceProvider daemon, DashboardSettings settings)
    {
        ArgumentNullException.ThrowIfNull(daemon);
        ArgumentNullException.ThrowIfNull(settings);
        var environment = new PagesEnvironment(daemon.GetRequiredService<IWebHostEnvironment>());
        Microsoft.AspNetCore.Hosting.StaticWebAssets.StaticWebAssetsLoader.UseStaticWebAssets(
            environment,
            new ConfigurationBuilder().AddInMemoryCollection([new(WebHostDefaults.StaticWebAssetsKey, File.Exists(settings.AssetsManifest) ? settings.AssetsManifest : null)]).Build());
        _services = Compose(daemon, settings, environment).BuildServiceProvider();
        _pipeline = Build(_services, environment);
    }

    public async Task ServeAsync(HttpContext http)
    {
        ArgumentNullException.ThrowIfNull(http);
        var daemon = http.RequestServices;
        var endpoint = http.GetEndpoint();
        await using var scope = _services.CreateAsyncScope();
        http.RequestServices = scope.ServiceProvider;
        http.SetEndpoint(null);
        try
        {
            await _pipeline(http);
        }
        finally
        {
            http.RequestServices = daemon;
            http.SetEndpoint(endpoint);
        }
    }

    public ValueTask DisposeAsync() => _services.DisposeAsync();

    private static ServiceCollection Compose(IServiceProvider daemon, DashboardSettings settings, PagesEnvironment environment)
    {
        var services = new ServiceCollection();
        Share<ILoggerFactory>();
        Share<TimeProvider>();
        Share<IHostApplicationLifetime>();
        Share<IConfiguration>();
        Share<WorkflowRuntime>();
        Share<DockerMirror>();
        Share<HostPresenceOptions>();
        Share<OperatorDesk>();
        Share<DrainList>();
        Share<Incidents>();
        Share<AddressMaps>();
        Share<DnsOptions>();
        Share<Gate>();
        Share<AccessOptions>();
        services.AddSingleton(new BackendConnectionCounts(daemon.GetService<ConnectionSampler>()));
        services.AddSingleton(settings);
        services.AddSingleton<IWebHostEnvironment>(environment).AddSingleton<IHostEnvironment>(environment);
        var diagnostics = new DiagnosticListener("FlannelFlow.Dashboard");
        services.AddSingleton(diagnostics).AddSingleton<DiagnosticSource>(diagnostics);

        services.AddLogging().AddOptions().AddRouting();
        services.AddRazorComponents().AddInteractiveServerComponents(circuits =>
        {
            // A page that lost its connection for longer begins anew.
            circuits.DisconnectedCircuitRetentionPeriod = TimeSpan.FromMinutes(1);
            circuits.DisconnectedCircuitMaxRetained = 20;
        });
        services.AddMudServices();
        services.AddDataProtection().SetApplicationName("FlannelFlow").PersistKeysToFileSystem(Directory.CreateDirectory(
            settings.KeysFolder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute));
        services.AddSessions(daemon.GetRequiredService<AccessOptions>());
        services.AddSingleton<Live>();
        return services;

        void Share<T>()
            where T : class => services.AddSingleton(daemon.GetRequiredService<T>());
    }

    private static RequestDelegate Build(ServiceProvider services, PagesEnvironment environment)
    {
        var app = new ApplicationBuilder(services);
        app.Use(PageHeaders.WriteAsync);
        app.UseStaticFiles(new StaticFileOptions
        {
            FileProvider = environment.WebRootFileProvider,
            OnPrepareResponse = served => served.Context.Response.Headers.CacheControl = "no-cache",
            ContentTypeProvider = new FileExtensionContentTypeProvider(),
        });
        app.UseRouting();
        app.UseSessions();
        app.UseAntiforgery();
        app.UseEndpoints(endpoints =>
        {
            endpoints.MapRazorComponents<App>().AddInteractiveServerRenderMode(mode => mode.ContentSecurityFrameAncestorsPolicy = null);
            endpoints.MapSessions();
        });
        return app.Build();
    }

    /// <summary>The daemon's, with a folder of the pages' files.</summary>
    private sealed class PagesEnvironment(IWebHostEnvironment daemon) : IWebHostEnvironment
    {
        public string EnvironmentName { get; set; } = daemon.EnvironmentName;

        public string ApplicationName { get; set; } = "flannelflow";

        public string ContentRootPath { get; set; } = AppContext.BaseDirectory;

        public IFileProvider ContentRootFileProvider { get; set; } = new NullFileProvider();

        public string WebRootPath { get; set; } = Path.Combine(AppContext.BaseDirectory, "wwwroot");

        public IFileProvider WebRootFileProvider { get; set; } = Directory.Exists(Path.Combine(AppContext.BaseDirectory, "wwwroot"))
            ? new PhysicalFileProvider(Path.Combine(AppContext.BaseDirectory, "wwwroot"))
            : new NullFileProvider();
    }
}
