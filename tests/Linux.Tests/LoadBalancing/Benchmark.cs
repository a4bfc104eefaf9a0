using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using FlannelFlow.Bench;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Ipvs;
using FlannelFlow.Linux.LoadBalancing;

namespace FlannelFlow.Linux.Tests.LoadBalancing;

/// <summary>What bench/load-balancer measures, in the lab's guest: our IPVS beside ipvsadm and iptables, and through a VIP beside directly.</summary>
internal static class Benchmark
{
    private const int Services = 1000, Backends = 10, Connections = 500;

    public static async Task<int> RunAsync()
    {
        await using var host = new BalancedHost();
        await host.InitializeAsync();
        using var balancer = (await LoadBalancers.OpenAsync(
            new LoadBalancerOptions { Plane = LoadBalancerPlane.Ipvs }, host.Netlink, host.Commands, host.Host, CancellationToken.None)).Balancer;
        await ConnectAsync(host, balancer);
        await balancer.ApplyAsync([], CancellationToken.None);
        await ProgramAsync(host, balancer);
        return 0;
    }

    private static VirtualService Service(int n, int weight = 1) => new()
    {
        Vip = new IPAddress([10, 1, (byte)(16 + (n / 250)), (byte)(1 + (n % 250))]),
        Marks = FwMarkPair.Of(n),
        Backends = [.. Enumerable.Range(1, Backends).Select(b => Backend.Active(new IPAddress([10, 1, (byte)(32 + (n / 250)), (byte)b]), weight))],
    };

    private static async Task ProgramAsync(BalancedHost host, ILoadBalancer balancer)
    {
        BalancedNetwork network = new(BalancedHost.Frame, [.. Enumerable.Range(0, Services).Select(n => Service(n))]);
        Say($"{Services} services x {Backends} backends, for TCP and UDP each: {2 * Services} IPVS services, {2 * Services * Backends} destinations");
        var text = new StringBuilder();
        foreach (var service in network.Services)
        {
            foreach (var mark in (uint[])[service.Marks.Tcp, service.Marks.Udp])
            {
                text.Append(CultureInfo.InvariantCulture, $"-A -f {mark} -s {service.Scheduler}\n");
                foreach (var backend in service.Backends) text.Append(CultureInfo.InvariantCulture, $"-a -f {mark} -r {backend.Address}:0 -m -w 1\n");
            }
        }

        using var ipvs = await IpvsNetlink.TryOpenAsync(host.Host, CancellationToken.None) ?? throw new InvalidOperationException("this kernel has no IPVS");
        List<IpvsChange> all = [.. network.Services.SelectMany(service => ((uint[])[service.Marks.Tcp, service.Marks.Udp]).SelectMany(mark => (IEnumerable<IpvsChange>)
            [new IpvsChange.AddService(new IpvsService(mark, service.Scheduler)), .. service.Backends.Select(b => new IpvsChange.AddDestination(mark, new IpvsDestination(b.Address, 1)))]))];
        List<double> ours = [], theirs = [];
        var slow = new CommandRunner(TimeProvider.System) { NetworkNamespace = host.Host, Timeout = TimeSpan.FromMinutes(5) };
        for (var round = 0; round < 3; round++)
        {
            ours.Add(await TimeAsync(async () => Check(await ipvs.ApplyAsync(all, CancellationToken.None))));
            await slow.RunCheckedAsync("ipvsadm", ["-C"], null, CancellationToken.None);
            theirs.Add(await TimeAsync(() => slow.RunCheckedAsync("ipvsadm", ["-R"], text.ToString(), CancellationToken.None)));
            await slow.RunCheckedAsync("ipvsadm", ["-C"], null, CancellationToken.None);
        }

        Compare("IPVS from nothing", ours, "ipvsadm -R", theirs, "<=1");
        Compare("all from nothing (with device, addresses, marks, source NAT)",
            [await TimeAsync(() => balancer.ApplyAsync([network], CancellationToken.None))], "ipvsadm -R", theirs);
        Say($"  reading all and finding that nothing is to be done: {await TimeAsync(() => balancer.ApplyAsync([network], CancellationToken.None)):f0} ms");

        List<double> weights = [], added = [], ipvsadm = [], iptables = [], nothing = [];
        for (var i = 0; i < 20; i++)
        {
            var (service, weight) = (network.Services[i * 37], 2 + (i % 7));
            var backend = service.Backends[0] with { TcpWeight = weight, UdpWeight = weight };
            for (var j = 0; j < 10; j++) weights.Add(await TimeAsync(() => balancer.EnsureBackendAsync(service.Key, backend, CancellationToken.None)));
            ipvsadm.Add(await TimeAsync(() => slow.RunCheckedAsync(
                "ipvsadm", ["-e", "-f", service.Marks.Tcp.ToString(CultureInfo.InvariantCulture), "-r", $"{backend.Address}:0", "-m", "-w", "5"], null, CancellationToken.None)));
            var rule = (string[])["-w", "-t", "mangle", i % 2 == 0 ? "-A" : "-D", "PREROUTING", "-d", "192.0.2.99", "-j", "MARK", "--set-mark", "1"];
            iptables.Add(await TimeAsync(() => slow.RunCheckedAsync("iptables", rule, null, CancellationToken.None)));
            nothing.Add(await TimeAsync(() => slow.RunCheckedAsync("true", [], null, CancellationToken.None)));
            if (i % 4 == 0) added.Add(await TimeAsync(() => balancer.EnsureServiceAsync(BalancedHost.Frame, Service(Services + i), CancellationToken.None)));
        }

        Compare("one backend's weight (TCP and UDP)", weights, "one ipvsadm process", ipvsadm, "<=0.1");
        Compare("one backend's weight (TCP and UDP)", weights, "one iptables process", iptables, "<=0.1");
        Say($"  (a process that does nothing, started the same way: {Median(nothing):f1} ms)");
        Say($"  one more service with its VIP and rules: {Median(added):f1} ms");
    }

    private static async Task ConnectAsync(BalancedHost host, ILoadBalancer balancer)
    {
        var service = new VirtualService { Vip = IPAddress.Parse("10.1.0.9"), Marks = FwMarkPair.Of(1), Backends = [Backend.Active(BalancedHost.Address("three"))] };
        await balancer.EnsureServiceAsync(BalancedHost.Frame, service, CancellationToken.None);
        List<double> direct = [], through = [], directStream = [], throughStream = [];
        for (var round = 0; round < 5; round++)
        {
            // Ports apart: a port that IPVS remembers from the VIP, used again to the same backend directly, gets its answer as if from the VIP
            // (docs/decisions/0012).
            direct.Add(await RateAsync(host, BalancedHost.Address("three"), 10_000 + (round * Connections)));
            through.Add(await RateAsync(host, service.Vip, 20_000 + (round * Connections)));
        }

        Say($"connections per second, one after the other: through the VIP {Median(through):f0}, directly {Median(direct):f0}, ratio {Median(through) / Median(direct):f2}");
        Results.Add("connections per second through a VIP", Median(through), "/s", "directly", Median(direct));
        for (var round = 0; round < 3; round++)
        {
            directStream.Add(await StreamAsync(host, BalancedHost.Address("three")));
            throughStream.Add(await StreamAsync(host, service.Vip));
        }

        Say($"TCP stream, Gbit/s: through the VIP {Median(throughStream):f2}, directly {Median(directStream):f2}, ratio {Median(throughStream) / Median(directStream):f2}");
        Results.Add("TCP stream through a VIP", Median(throughStream), "Gb/s", "directly", Median(directStream));
    }

    private static async Task<double> RateAsync(BalancedHost host, IPAddress to, int firstPort)
    {
        var sockets = Enumerable.Range(0, Connections).Select(_ => host.Open("client", SocketType.Stream)).ToList();
        for (var i = 0; i < sockets.Count; i++) sockets[i].Bind(new IPEndPoint(IPAddress.Any, firstPort + i));
        var milliseconds = await TimeAsync(async () =>
        {
            foreach (var socket in sockets)
            {
                await socket.ConnectAsync(new IPEndPoint(to, BalancedHost.Port));
                socket.Dispose();
            }
        });
        return 1000 * Connections / milliseconds;
    }

    private static async Task<double> StreamAsync(BalancedHost host, IPAddress to)
    {
        await host.CommandsIn("three").RunCheckedAsync("iperf3", ["-s", "-1", "-D"], null, CancellationToken.None);
        while (true)
        {
            var result = await host.CommandsIn("client").RunAsync("iperf3", ["-c", to.ToString(), "-t", "4", "-J"], null, CancellationToken.None);
            if (result.ExitCode == 0) return JsonNode.Parse(result.Output)!["end"]!["sum_received"]!["bits_per_second"]!.GetValue<double>() / 1e9;
            if (!result.Output.Contains("refused", StringComparison.Ordinal)) throw new InvalidOperationException(result.Output);   // it listens a moment later
        }
    }

    private static void Check(IReadOnlyList<Exception?> results)
    {
        if (results.FirstOrDefault(result => result is not null) is { } failed) throw failed;
    }

    private static async Task<double> TimeAsync(Func<Task> act)
    {
        var began = Stopwatch.GetTimestamp();
        await act();
        return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static void Compare(string what, List<double> ours, string peer, List<double> theirs, string bound = "")
    {
        Say($"  {what}: {Median(ours):f1} ms; {peer}: {Median(theirs):f1} ms; ratio {Median(ours) / Median(theirs):f3}");
        Results.Add(what, Median(ours), "ms", peer, Median(theirs), bound);
    }

    private static void Say(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
