using System.Globalization;

namespace FlannelFlow.EndToEnd.Tests.Harness;

/// <summary>Who is told when that tasks came or went: by us, and by Docker's own resolver beside us.</summary>
public sealed class NameChurn(Lab lab, IReadOnlyList<Container> clients) : IAsyncDisposable
{
    private static readonly TimeSpan DockersPatience = TimeSpan.FromSeconds(Run.IsLong ? 20 : 2);
    private readonly List<NameWatcher> _ours = [], _dockers = [];

    public IReadOnlyList<NameWatcher> Ours => _ours;

    public async ValueTask DisposeAsync() => await Task.WhenAll(_ours.Concat(_dockers).Select(watcher => watcher.EndAsync()));

    public async Task WatchAsync(string name)
    {
        _ours.AddRange(await Task.WhenAll(clients.Select(client => NameWatcher.OfOursAsync(client, name))));
        _dockers.AddRange(await Task.WhenAll(clients.Select(client => NameWatcher.OfDockersAsync(client, name))));
    }

    public Task<TimeSpan> UntilSignsOfLifeAsync() => Wait.UntilAsync("all daemons give signs of life", 60, async () =>
    {
        var hosts = await lab.EtcdAsync("/flannelflow/hosts/");
        return hosts.Keys.Count(key => key.EndsWith("/alive", StringComparison.Ordinal)) == lab.Hosts.Count ? null : string.Join('\n', hosts.Keys);
    });

    /// <summary>Until so many tasks run, none of them of before, and everybody is told exactly these.</summary>
    public async Task UntilToldAsync(string what, string service, int count, string not = "")
    {
        var acted = DateTimeOffset.UtcNow;
        var running = "";
        await Wait.UntilAsync($"{what}: all are told the {count} tasks of {service} that run", 150, async () =>
        {
            // Read anew each time: Swarm may replace one that runs.
            running = await RunningAsync(service, lab.Hosts);
            var tasks = running.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return tasks.Length == count && !tasks.Intersect(not.Split(' ')).Any() ? Wrong(_ours, running, except: []) : $"running: {running}";
        });
        await SayAsync(what, await LastChangeAsync(service, acted), running, except: []);
    }

    /// <summary>Until all clients but those of some hosts are told exactly these addresses.</summary>
    /// <param name="since">What is printed counts from here.</param>
    public async Task UntilToldAsync(string what, DateTimeOffset since, string addresses, params LabHost[] except)
    {
        await Wait.UntilAsync($"{what}: all are told {addresses}", 60, () => Task.FromResult(Wrong(_ours, addresses, except)));
        await SayAsync(what, since, addresses, except);
    }

    /// <summary>Docker's resolver is given its time, and not waited for beyond that.</summary>
    private async Task SayAsync(string what, DateTimeOffset since, string addresses, IReadOnlyCollection<LabHost> except)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (Wrong(_dockers, addresses, except) is not null && TimeProvider.System.GetElapsedTime(began) < DockersPatience)
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Run.Ct);
        var dockers = Wrong(_dockers, addresses, except) is null ? Text(_dockers) : $"not within {DockersPatience.TotalSeconds:0} s more";
        Run.Say($"{what}: ours {Text(_ours)}, Docker's {dockers}");

        string Text(IEnumerable<NameWatcher> watchers) => string.Join(", ", Asked(watchers, except).Select(watcher =>
            string.Create(CultureInfo.InvariantCulture, $"{(watcher.Since - since).TotalSeconds:0.00} s")));
    }

    /// <summary>Who is told something else; null if nobody is.</summary>
    private static string? Wrong(IEnumerable<NameWatcher> watchers, string addresses, IReadOnlyCollection<LabHost> except)
    {
        var wrong = Asked(watchers, except).Select(watcher => (watcher.Client.Name, watcher.Now)).Where(told => told.Now != addresses).ToList();
        return wrong.Count == 0 ? null : $"{addresses} is not what is told: {string.Join("; ", wrong.Select(told => $"{told.Name}: {told.Now}"))}";
    }

    private static IEnumerable<NameWatcher> Asked(IEnumerable<NameWatcher> watchers, IReadOnlyCollection<LabHost> except) =>
        watchers.Where(watcher => !except.Contains(watcher.Client.Host));

    /// <summary>The addresses of a service's running tasks, sorted.</summary>
    public static async Task<string> RunningAsync(string service, IEnumerable<LabHost> hosts)
    {
        // One that ends meanwhile is not found, and none that runs.
        var told = await Task.WhenAll(hosts.Select(host => host.ShAsync(
            $"docker ps -q --filter label=com.docker.swarm.service.name={service} | xargs -r docker inspect -f '{{{{.NetworkSettings.Networks.net1.IPAddress}}}}' || true")));
        return string.Join(' ', told.SelectMany(text => text.Split('\n', StringSplitOptions.RemoveEmptyEntries)).Order(StringComparer.Ordinal));
    }

    /// <summary>When the last task of the service started or ended, on any host; the moment given if none did since.</summary>
    private async Task<DateTimeOffset> LastChangeAsync(string service, DateTimeOffset moment)
    {
        var events = await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"docker events --since {moment.ToUnixTimeSeconds() - 5} --until {DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 1} --filter event=start --filter event=die " +
            $"--filter label=com.docker.swarm.service.name={service} --format '{{{{.TimeNano}}}}'"))));
        return events
            .SelectMany(text => text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            .Select(nanoseconds => DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(nanoseconds, CultureInfo.InvariantCulture) / 1_000_000))
            .Append(moment)
            .Max();
    }
}
