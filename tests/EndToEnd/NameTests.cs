using System.Globalization;
using System.Text.RegularExpressions;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>What containers on real Docker are told by 127.0.0.11, and by whom: our answers live 1 s, those of Docker's resolver 600 s.</summary>
[Collection(ThreeHostsCollection.Name)]
[Trait("Needs", "docker")]
public sealed partial class NameTests(ThreeHosts lab) : IAsyncLifetime
{
    private const string Ours = "1", Dockers = "600";

    public async ValueTask InitializeAsync() => await lab.ClearAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Names_OfServicesTasksAndContainers_OnEveryHost()
    {
        await lab.CreateNetworkAsync("net1");
        var clients = await Task.WhenAll(lab.Hosts.Select(host => host.StartAsync($"c{host.Number}", "net1")));
        await lab[1].DockerAsync("service", "create", "--detach", "--name", "web", "--replicas", "3", "--network", "name=net1,alias=www", "lab:latest", "sleep", "100000");
        await lab[1].DockerAsync("service", "create", "--detach", "--name", "rr", "--replicas", "2", "--endpoint-mode", "dnsrr", "--network", "net1", "lab:latest", "sleep", "100000");
        var net = await lab[1].DockerAsync("network", "inspect", "-f", "{{.Id}}", "net1");
        var vip = (await lab[1].DockerAsync("service", "inspect", "-f", "{{range .Endpoint.VirtualIPs}}{{if eq .NetworkID \"" + net.Trim() + "\"}}{{.Addr}}{{end}}{{end}}", "web"))
            .Split('/')[0].Trim();

        foreach (var client in clients)
        {
            await UntilAsync(client, "web", vip);
            await UntilAsync(client, "WWW.Net1", vip);
            await UntilTasksAsync(client, "tasks.web", "web", 3);
            await UntilTasksAsync(client, "rr", "rr", 2);
            foreach (var other in clients) await UntilAsync(client, other.Name, await other.AddressAsync());
            Assert.Equal($"{clients[0].Name}.net1.", (await DigAsync(client, $"-x {await clients[0].AddressAsync()}")).Answers);
            Assert.Equal(("", Ours), await DigAsync(client, "web AAAA") with { Ttl = Ours });
            // The C library's way, too.
            Assert.Contains(vip, await client.ExecAsync("nslookup", "web"), StringComparison.Ordinal);
        }

        await lab[1].DockerAsync("service", "scale", "--detach", "web=1", "rr=3");
        foreach (var client in clients)
        {
            await UntilTasksAsync(client, "tasks.web", "web", 1);
            await UntilTasksAsync(client, "rr", "rr", 3);
        }

        await lab[1].DockerAsync("service", "rm", "web", "rr");
        foreach (var client in clients)
        {
            await Wait.UntilAsync($"{client.Name} knows web no more", 60, async () =>
                (await DigAsync(client, "web")) is { Ttl: Ours } still ? still.ToString() : null);
        }
    }

    [Fact]
    public async Task Daemon_IsKilled_EveryLookupIsAnswered_AndTheNextDaemonTakesOver()
    {
        await lab.CreateNetworkAsync("net1");
        var server = await lab[1].StartAsync("server", "net1");
        var client = await lab[1].StartAsync("client", "net1");
        var address = await server.AddressAsync();
        await UntilAsync(client, "server", address);

        // One process after another, as programs resolve: each has the C library's own second attempt, and 5 s.
        var watch = client.Host.TryShAsync(
            $"nsenter -t {await client.PidAsync()} -n sh -c 'i=0; while [ $i -lt 300 ]; do i=$((i+1)); " +
            "t0=$(date +%s%N); a=$(dig +short +tries=2 +time=5 @127.0.0.11 server A 2>/dev/null | grep -v \";\"); t1=$(date +%s%N); " +
            "echo \"$(( (t1-t0)/1000000 )) $a\"; sleep 0.01; done'");
        await client.Host.StopDaemonAsync("KILL");
        Assert.Equal((address, Dockers), await DigAsync(client, "server"));
        await client.Host.StartDaemonAsync();
        await UntilAsync(client, "server", address);
        var lookups = (await watch).Checked().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(300, lookups.Length);
        Assert.All(lookups, lookup => Assert.EndsWith(" " + address, lookup, StringComparison.Ordinal));
        Run.Say($"slowest of 300 lookups around kill -9: {lookups.Max(lookup => int.Parse(lookup.Split(' ')[0], CultureInfo.InvariantCulture))} ms");
    }

    [Fact]
    public async Task Daemon_RestartsUnderLoad_FewerThanOneInAThousandQueriesAreLost()
    {
        await lab.CreateNetworkAsync("net1");
        await lab[1].StartAsync("server", "net1");
        var client = await lab[1].StartAsync("client", "net1");
        await UntilAsync(client, "server", await lab[1].DockerAsync("inspect", "-f", "{{.NetworkSettings.Networks.net1.IPAddress}}", "server"));
        await client.Host.ShAsync("echo 'server A' >/tmp/queries");
        var load = client.Host.TryShAsync($"nsenter -t {await client.PidAsync()} -n dnsperf -s 127.0.0.11 -d /tmp/queries -l 20 -Q 1000 -c 4");
        await client.Host.RestartDaemonAsync();
        await UntilAsync(client, "server", await lab[1].DockerAsync("inspect", "-f", "{{.NetworkSettings.Networks.net1.IPAddress}}", "server"));
        var report = (await load).Checked();
        long sent = Figure(report, "Queries sent"), lost = Figure(report, "Queries lost");
        Run.Say($"restart of the daemon under load: {lost} of {sent} queries lost");
        Assert.True(lost * 1000 < sent, report);
        Assert.Matches(@"Response codes: +NOERROR \d+ \(100\.00%\)", report);
    }

    private static long Figure(string report, string name) =>
        long.Parse(Regex.Match(report, Regex.Escape(name) + @": +(\d+)").Groups[1].Value, CultureInfo.InvariantCulture);

    /// <summary>Until our server gives exactly these addresses.</summary>
    private static Task<TimeSpan> UntilAsync(Container client, string name, string addresses) => Wait.UntilAsync(
        $"{client.Name} is told {addresses} for {name}", 60, async () =>
        {
            var told = await DigAsync(client, name);
            return told == (addresses, Ours) ? null : told.ToString();
        });

    /// <summary>Until the name stands for exactly the addresses of the service's running tasks, and there are so many.</summary>
    private async Task UntilTasksAsync(Container client, string name, string service, int count)
    {
        var took = await Wait.UntilAsync($"{client.Name} is told {name}", 90, async () =>
        {
            var tasks = await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync(
                $"docker ps -q --filter label=com.docker.swarm.service.name={service} | xargs -r docker inspect -f '{{{{.NetworkSettings.Networks.net1.IPAddress}}}}'")));
            var running = string.Join(' ', tasks.SelectMany(text => text.Split('\n', StringSplitOptions.RemoveEmptyEntries)).Order(StringComparer.Ordinal));
            var told = await DigAsync(client, name);
            return running.Split(' ').Length == count && told == (running, Ours) ? null : $"{told}; running: {running}";
        });
        Run.Say(string.Create(CultureInfo.InvariantCulture, $"{client.Name} was told the {count} tasks of {service} after {took.TotalSeconds:0.0} s"));
    }

    /// <returns>The answers' data, sorted, and the TTL of the first ("" without an answer).</returns>
    private static async Task<(string Answers, string Ttl)> DigAsync(Container client, string question)
    {
        var said = await client.Host.TryShAsync(
            $"nsenter -t {await client.PidAsync()} -n dig @127.0.0.11 +noall +answer +tries=2 +time=5 {question}");
        var records = said.Out.Split('\n').Where(line => !line.StartsWith(';')).Select(line => Blank().Split(line.Trim())).Where(words => words.Length == 5).ToList();
        return (string.Join(' ', records.Select(words => words[4]).Order(StringComparer.Ordinal)), records.Count > 0 ? records[0][1] : "");
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blank();
}
