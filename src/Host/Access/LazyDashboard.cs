using System.Runtime.CompilerServices;
using FlannelFlow.Dashboard;

namespace FlannelFlow.Host.Access;

/// <summary>The dashboard, made with the first request for a page: until then none of its assemblies is loaded.</summary>
internal sealed class LazyDashboard(IServiceProvider daemon, FlannelFlowOptions options, IConfiguration configuration) : IDashboard, IAsyncDisposable
{
    private readonly Lock _gate = new();
    private object? _app;

    public Task ServeAsync(HttpContext http)
    {
        lock (_gate) _app ??= Make();
        return ServeAsync(_app, http);
    }

    public ValueTask DisposeAsync() => _app is IAsyncDisposable app ? app.DisposeAsync() : ValueTask.CompletedTask;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private DashboardApp Make() => new(daemon, new DashboardSettings(
        options.Addresses,
        Path.Combine(options.StateDirectory, "dashboard-keys"),
        configuration[WebHostDefaults.StaticWebAssetsKey] ?? Path.Combine(AppContext.BaseDirectory, "flannelflow.staticwebassets.runtime.json")));

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Task ServeAsync(object app, HttpContext http) => ((DashboardApp)app).ServeAsync(http);
}
