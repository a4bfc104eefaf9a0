using System.Net;
using CsCheck;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Flanneld.Reconciling;
using FlannelFlow.Linux.Netlink;
using static FlannelFlow.Flanneld.Tests.Support.Leases;

namespace FlannelFlow.Flanneld.Tests.Pure;

public sealed class ReconcilePlanTests
{
    private const int Device = 7;
    private static readonly IPv4Network Whole = Subnet("10.1.0.0/20");

    // Few values, so that what is wanted and what is found meet often. Host i has MAC m at 192.0.2.m: one address per MAC, as DesiredState promises.
    private static readonly Gen<List<RemoteHost>> Wanted =
        Gen.Select(Gen.Int[0, 5], Gen.Int[1, 4]).List[0, 6].Select(hosts => hosts.DistinctBy(h => h.Item1).Select(h => Host(h.Item1, h.Item2, h.Item2)).ToList());

    private static readonly Gen<KernelTables> Found =
        from neighbours in Gen.Select(Gen.Int[0, 5], Gen.Int[1, 4], Gen.Bool.Select(b => b ? NeighbourState.Permanent : NeighbourState.Failed)).List[0, 6]
        from forwarding in Gen.Select(Gen.Int[1, 4], Gen.Int[1, 4]).List[0, 6]
        from routes in Gen.Select(Gen.Int[0, 5], Gen.Int[0, 5], Gen.Bool, Gen.Int[0, 2].Select(n => n == 2 ? 50 : 0)).List[0, 6]
        select new KernelTables(Device,
            [.. neighbours.DistinctBy(n => n.Item1).Select(n => new Neighbour(Device, Gateway(n.Item1), Mac(n.Item2)) { State = n.Item3 })],
            [.. forwarding.Distinct().Select(f => new ForwardingEntry(Device, Mac(f.Item1), Remote(f.Item2)))],
            [
                .. routes.DistinctBy(r => (r.Item1, r.Item4)).Select(r => new Route(ReconcilePlan.Prefix(Network_(r.Item1)))
                {
                    Gateway = Gateway(r.Item2), InterfaceIndex = Device, OnLink = r.Item3, Metric = r.Item4,
                }),
            ]);

    private static IPv4Network Network_(int host) => IPv4Network.Containing(new IPv4Address(Whole.First.Value + 0x200 + ((uint)host << 7)), 25);

    private static IPAddress Gateway(int host) => Network_(host).First.ToIPAddress();

    private static IPAddress Remote(int number) => IPAddress.Parse($"192.0.2.{number}");

    private static MacAddress Mac(int number) => MacAddress.Parse($"02:00:00:00:00:0{number}");

    private static RemoteHost Host(int host, int mac, int remote) => new(Network_(host), IPv4Address.From(Remote(remote)), Mac(mac));

    [Fact]
    public void Plan_Applied_YieldsWhatIsWanted_AndASecondOneIsEmpty() => Gen.Select(Wanted, Found).Sample((wanted, found) =>
    {
        var kernel = new ModelKernel(found);
        var plan = ReconcilePlan.From(wanted, found, Whole);
        foreach (var change in plan.Additions.SelectMany(a => a.Changes).Concat(plan.Deletions)) kernel.Apply(change);
        Assert.Equal(ModelKernel.TextOf(wanted, Device), kernel.Text());
        Assert.True(ReconcilePlan.From(wanted, kernel.Tables(), Whole).IsEmpty);
    }, iter: 20_000);

    [Fact]
    public void Plan_AddsInOrder_AndNeverTakesAwayWhatIsWanted() => Gen.Select(Wanted, Found).Sample((wanted, found) =>
    {
        var plan = ReconcilePlan.From(wanted, found, Whole);
        Assert.All(plan.Additions, a => Assert.Equal(a.Changes.Select(Order).Order(), a.Changes.Select(Order)));
        Assert.Equal(plan.Deletions.Select(Order).OrderDescending(), plan.Deletions.Select(Order));
        // Whoever was reached rightly before is reached after every single step.
        var kernel = new ModelKernel(found);
        var reached = wanted.Where(w => kernel.Reaches(w, Device)).ToList();
        foreach (var change in plan.Additions.SelectMany(a => a.Changes).Concat(plan.Deletions))
        {
            kernel.Apply(change);
            Assert.All(reached, r => Assert.True(kernel.Reaches(r, Device), $"{r} lost by {Applier.Text(change)}"));
        }
    }, iter: 20_000);

    [Fact]
    public void Plan_LeavesAloneWhatIsNotFlannels()
    {
        var found = new KernelTables(Device,
            [new Neighbour(Device, IPAddress.Parse("224.0.0.22"), null) { State = NeighbourState.NoArp }],
            [new ForwardingEntry(Device, Mac(1), null), new ForwardingEntry(Device, Mac(1), Remote(1)) { IsSelf = false }],
            [
                new Route(IPv4Prefix.Parse("192.168.0.0/16")) { InterfaceIndex = Device },
                new Route(IPv4Prefix.Parse("10.1.2.0/25")) { InterfaceIndex = Device, Protocol = RouteProtocol.Kernel },
            ]);
        Assert.True(ReconcilePlan.From([], found, Whole).IsEmpty);
    }

    [Fact]
    public async Task Applier_OneHostsFailure_StopsNoOther_AndItGetsNoRoute()
    {
        var plan = ReconcilePlan.From([Host(0, 1, 1), Host(1, 2, 2)], new KernelTables(Device, [], [], []), Whole);
        var done = new List<string>();
        var applied = await Applier.ApplyAsync(plan, (changes, _) =>
        {
            var bad = changes.Select(c => c is RouteNetlinkChange.EnsureForwardingEntry { Entry.Mac: var mac } && mac == Mac(1)).ToList();
            done.AddRange(changes.Where((_, i) => !bad[i]).Select(Applier.Text));
            return Task.FromResult<IReadOnlyList<NetlinkException?>>(bad.ConvertAll(b => b ? new NetlinkException("adding", 22, null) : null));
        }, CancellationToken.None);
        Assert.Equal([Host(1, 2, 2)], applied.Reached);
        Assert.Equal([(Host(0, 1, 1), "adding: EINVAL")], applied.Failed);
        Assert.Equal(
            [
                "+arp 10.1.2.0 02:00:00:00:00:01", "+arp 10.1.2.128 02:00:00:00:00:02",
                "+fdb 02:00:00:00:00:02 192.0.2.2", "+route 10.1.2.128/25 via 10.1.2.128",
            ], done);
    }

    private static int Order(RouteNetlinkChange change) => change switch
    {
        RouteNetlinkChange.EnsureNeighbour or RouteNetlinkChange.DeleteNeighbour => 0,
        RouteNetlinkChange.EnsureForwardingEntry or RouteNetlinkChange.DeleteForwardingEntry => 1,
        _ => 2,
    };

    /// <summary>The kernel's tables with the kernel's rules, as far as they matter here.</summary>
    private sealed class ModelKernel(KernelTables found)
    {
        private readonly Dictionary<IPAddress, Neighbour> _neighbours = found.Neighbours.ToDictionary(n => n.Address);
        private readonly List<ForwardingEntry> _forwarding = [.. found.Forwarding];
        private readonly List<Route> _routes = [.. found.Routes];

        public void Apply(RouteNetlinkChange change)
        {
            switch (change)
            {
                case RouteNetlinkChange.EnsureNeighbour { Neighbour: var n }:
                    _neighbours[n.Address] = n;
                    break;
                case RouteNetlinkChange.EnsureForwardingEntry { Entry: var f }:
                    // vxlan_fdb_replace: the first destination of the MAC is changed.
                    var first = _forwarding.FindIndex(e => e.Mac == f.Mac);
                    if (first >= 0) _forwarding[first] = f;
                    else _forwarding.Add(f);
                    break;
                case RouteNetlinkChange.EnsureRoute { Route: var r }:
                    _routes.RemoveAll(o => o.Destination == r.Destination && o.Metric == r.Metric);
                    _routes.Add(r);
                    break;
                case RouteNetlinkChange.DeleteNeighbour { Neighbour: var n }:
                    _neighbours.Remove(n.Address);
                    break;
                case RouteNetlinkChange.DeleteForwardingEntry { Entry: var f }:
                    _forwarding.RemoveAll(e => e.Mac == f.Mac && Equals(e.Remote, f.Remote));
                    break;
                case RouteNetlinkChange.DeleteRoute { Route: var r }:
                    // fib_nh_match: the onlink flag does not count.
                    _routes.RemoveAll(o => o.Destination == r.Destination && o.Metric == r.Metric && Equals(o.Gateway, r.Gateway));
                    break;
            }
        }

        public bool Reaches(RemoteHost host, int device) =>
            _neighbours.TryGetValue(host.Subnet.First.ToIPAddress(), out var n) && n.Mac == host.Mac
            && _forwarding.Exists(f => f.Mac == host.Mac && Equals(f.Remote, host.PublicIP.ToIPAddress()))
            && _routes.Contains(ReconcilePlan.RouteTo(host, device));

        public KernelTables Tables() => new(found.DeviceIndex, [.. _neighbours.Values], _forwarding, _routes);

        public string Text() => Lines(
            _neighbours.Values.Where(n => n.State == NeighbourState.Permanent).Select(n => $"arp {n.Address} {n.Mac}"),
            _forwarding.Select(f => $"fdb {f.Mac} {f.Remote}"),
            _routes.Select(r => $"route {r.Destination} {r.Gateway} {r.OnLink} {r.Metric}"));

        public static string TextOf(IReadOnlyList<RemoteHost> wanted, int device) => Lines(
            wanted.Select(w => $"arp {w.Subnet.First} {w.Mac}"),
            wanted.Select(w => $"fdb {w.Mac} {w.PublicIP}").Distinct(),
            wanted.Select(w => ReconcilePlan.RouteTo(w, device)).Select(r => $"route {r.Destination} {r.Gateway} {r.OnLink} {r.Metric}"));

        private static string Lines(params IEnumerable<string>[] parts) => string.Join('\n', parts.SelectMany(p => p).Order(StringComparer.Ordinal));
    }
}
