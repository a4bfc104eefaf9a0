using System.Globalization;
using FlannelFlow.Linux.Processes;

namespace FlannelFlow.Host;

/// <summary>Tells systemd (sd_notify(3)) when the daemon answers, that it still does, and that it ends. Without systemd: nothing.</summary>
public sealed class ServiceManager(TimeProvider time, IHostApplicationLifetime lifetime) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var started = lifetime.ApplicationStarted.Register(() => ReadinessNotification.Send("READY=1"));
        using var stopping = lifetime.ApplicationStopping.Register(() => ReadinessNotification.Send("STOPPING=1"));
        // Microseconds, sd_watchdog_enabled(3). On the pool: a daemon whose pool is stuck answers nobody, and is to be restarted.
        var interval = long.TryParse(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out var watchdog) && watchdog > 0
            ? TimeSpan.FromMicroseconds(watchdog / 3.0)
            : Timeout.InfiniteTimeSpan;
        using var timer = new PeriodicTimer(interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken)) ReadinessNotification.Send("WATCHDOG=1");
    }
}
