using System.Globalization;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests.Faults;

/// <summary>Containers and a service that come, change and go at random, on all hosts; what Docker refuses meanwhile, because of a fault, is only counted.</summary>
internal sealed class Churn(Lab lab, Random random)
{
    private const string Service = "churn";
    private int _containers;

    public int Done { get; private set; }

    public int Refused { get; private set; }

    /// <summary>Goes on until something else has ended; all of it is gone then.</summary>
    public async Task<T> DuringAsync<T>(Func<Task<T>> something)
    {
        T result;
        using (var over = CancellationTokenSource.CreateLinkedTokenSource(Run.Ct))
        {
            var running = RunAsync(over.Token);
            try
            {
                result = await something();
            }
            finally
            {
                await over.CancelAsync();
                await running;
            }
        }

        await EndAsync();
        return result;
    }

    private async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            var said = await OneAsync();
            Done++;
            if (!said.Ok) Refused++;
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(200, 1500)), TimeProvider.System, Run.Ct);
        }
    }

    private async Task EndAsync()
    {
        await Wait.UntilAsync("the service of the churn is removed", 60, async () =>
        {
            var said = await lab[1].TryShAsync($"docker service ls -q --filter name={Service} | xargs -r docker service rm");
            return said.Ok ? null : said.All;
        });
        await Task.WhenAll(lab.Hosts.Select(host => Wait.UntilAsync($"no container of the churn is left on host {host.Number}", 90, async () =>
        {
            var said = await host.TryShAsync(
                $"docker ps -aq --filter name=^{Service}- | xargs -r docker rm -f && docker ps -aq --filter label=com.docker.swarm.service.name={Service}");
            return said.Ok && said.Out.Length == 0 ? null : said.All;
        })));
    }

    private Task<Said> OneAsync()
    {
        var host = lab[random.Next(lab.Hosts.Count) + 1];
        return random.Next(7) switch
        {
            0 => lab[1].TryDockerAsync(
                "service", "create", "-d", "--name", Service, "--network", "net1", "--replicas", Number(random.Next(1, 5)), "--stop-grace-period", "1s",
                "lab:latest", "sleep", "100000"),
            1 => lab[1].TryDockerAsync("service", "scale", "-d", $"{Service}={Number(random.Next(6))}"),
            2 => lab[1].TryDockerAsync("service", "update", "-d", "--force", "--update-parallelism", "0", Service),
            3 => lab[1].TryDockerAsync("service", "rm", Service),
            4 => host.TryShAsync($"docker ps -q --filter name=^{Service}- | head -n 2 | xargs -r docker rm -f"),
            _ => host.TryDockerAsync("run", "-d", "--name", $"{Service}-{Number(++_containers)}", "--network", "net1", "lab:latest", "sleep", "100000"),
        };
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
