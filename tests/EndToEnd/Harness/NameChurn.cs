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
        await Wait.UntilAsync($"{count} tasks of {service} run", 90, async () =>
        {
            running = await RunningAsync(service, lab.Hosts);
            var tasks = running.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return tasks.Length == count && !tasks.Intersect(not.Split(' ')).Any() ? null : running;
        });
        await UntilToldAsync(what, await LastChangeAsync(service, acted), running);
    }

    /// <summary>Until all clients but those of some hosts are told exactly these addresses.</summary>
    /// <param name="since">What is printed counts from here.</param>
    public async Task UntilToldAsync(string what, DateTimeOffset since, string addresses, params LabHost[] except)
    {
        await UntilToldAsync(_ours, TimeSpan.FromSeconds(60));
        var dockers = await TryDockersAsync();
        Run.Say($"{what}: ours {Text(_ours)}, Docker's {(dockers ? Text(_dockers) : $"not within {DockersPatience.TotalSeconds:0} s more")}");

        async Task<bool> TryDockersAsync()
        {
            for (var began = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(began) < DockersPatience;)
            {
                if (Asked(_dockers).All(watcher => watcher.Now == addresses)) return true;
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Run.Ct);
            }

            return false;
        }

        Task UntilToldAsync(IEnumerable<NameWatcher> watchers, TimeSpan deadline) => Wait.UntilAsync($"{what}: all are told {addresses}", deadline, () =>
        {
            var wrong = Asked(watchers).Where(watcher => watcher.Now != addresses).Select(watcher => $"{watcher.Client.Name}: {watcher.Now}").ToList();
            return Task.FromResult(wrong.Count == 0 ? null : string.Join('\n', wrong));
        });

        IEnumerable<NameWatcher> Asked(IEnumerable<NameWatcher> watchers) => watchers.Where(watcher => !except.Contains(watcher.Client.Host));

        string Text(IEnumerable<NameWatcher> watchers) => string.Join(", ", Asked(watchers).Select(watcher =>
            string.Create(CultureInfo.InvariantCulture, $"{(watcher.Since - since).TotalSeconds:0.00} s")));
    }

    /// <summary>The addresses of a service's running tasks, sorted.</summary>
    public static async Task<string> RunningAsync(string service, IEnumerable<LabHost> hosts)
    {
        var told = await Task.WhenAll(hosts.Select(host => host.ShAsync(
            $"docker ps -q --filter label=com.docker.swarm.service.name={service} | xargs -r docker inspect -f '{{{{.NetworkSettings.Networks.net1.IPAddress}}}}'")));
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
