using System.Text.Json.Nodes;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>Many containers at once, on all hosts: no address is given twice, none is leaked.</summary>
[Collection(ThreeHostsCollection.Name)]
[Trait("Needs", "docker")]
public sealed class AddressTests(ThreeHosts lab) : IAsyncLifetime
{
    private static readonly int PerHost = Run.IsLong ? 60 : 12;
    private static readonly int AtOnce = Run.IsLong ? 60 : 3;

    public async ValueTask InitializeAsync() => await lab.ClearAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task ConcurrentStartsAndStops_OnThreeHosts_NoAddressTwice_NoneLeaked()
    {
        var before = await lab.SnapshotAsync();
        var firstRevision = await lab.EtcdRevisionAsync();
        await lab.CreateNetworkAsync("net1");
        // One container per host keeps the network, so that its subnets stay and addresses may come back.
        var keepers = await Task.WhenAll(lab.Hosts.Select(host => host.StartAsync($"keeper{host.Number}", "net1")));
        var atRest = Held(await lab.EtcdAsync("/flannelflow/addresses/"));
        Assert.Equal(3, atRest.Count(key => !key.Contains("/service/", StringComparison.Ordinal)));

        var seen = 0;
        for (var round = 1; round <= 2; round++)
        {
            using var over = CancellationTokenSource.CreateLinkedTokenSource(Run.Ct);
            var watcher = WatchLiveAddressesAsync(over.Token);
            try
            {
                var said = await Task.WhenAll(lab.Hosts.Select(host => host.TryShAsync(
                    $"seq {PerHost} | xargs -P {AtOnce} -I@ sh -c 'docker run -d --name r{round}-@ --network net1 lab:latest sleep 100000 >/dev/null || exit 255'")));
                Assert.All(said, host => Assert.True(host.Ok, host.ToString()));

                var living = await LiveAddressesAsync();
                Assert.Equal(3 * (PerHost + 1), living.Count);
                Assert.Equal("", Doubled(living));
                // What the containers have is what Docker was told.
                var host = lab[round];
                var inContainers = await host.ShAsync(
                    "for c in $(docker ps --format '{{.Names}}'); do docker exec $c ip -4 -o addr show dev eth0 | awk '{print $4}'; done | sort");
                Assert.Equal(
                    string.Join('\n', living.Where(endpoint => endpoint.Host == host.Number).Select(endpoint => endpoint.Address).Order(StringComparer.Ordinal)),
                    inContainers);

                said = await Task.WhenAll(lab.Hosts.Select(host => host.TryShAsync($"seq {PerHost} | xargs -P {AtOnce} -I@ docker rm -f r{round}-@")));
                Assert.All(said, host => Assert.True(host.Ok, host.ToString()));
            }
            finally
            {
                await over.CancelAsync();
                seen += await watcher;
            }

            await Wait.UntilAsync("every address of the round is given back", 40, async () =>
                TextDiff.Of(string.Join('\n', atRest), string.Join('\n', Held(await lab.EtcdAsync("/flannelflow/addresses/")))));
        }

        Assert.True(seen >= 2 * PerHost, $"only {seen} addresses were looked at while containers came and went");
        foreach (var keeper in keepers)
            Assert.True(await keeper.ReachesAsync(await keepers[0].AddressAsync()), $"{keeper.Name} is cut off");
        CheckHistory(await lab.EtcdHistoryAsync("/flannelflow/", firstRevision));

        await Task.WhenAll(keepers.Select(keeper => keeper.RemoveAsync()));
        await lab.RemoveNetworkAsync("net1");
        await lab.UntilSameAsync(before, 40, "all containers and the network are gone");
    }

    /// <summary>Looks at all hosts again and again; how many addresses it saw in all.</summary>
    private async Task<int> WatchLiveAddressesAsync(CancellationToken ct)
    {
        var count = 0;
        while (!ct.IsCancellationRequested)
        {
            var living = await LiveAddressesAsync();
            Assert.Equal("", Doubled(living));
            count += living.Count;
        }

        return count;
    }

    private async Task<List<LiveEndpoint>> LiveAddressesAsync()
    {
        var hosts = await Task.WhenAll(lab.Hosts.Select(async host =>
        {
            var network = JsonNode.Parse(await host.DockerAsync("network", "inspect", "net1"))![0]!;
            return network["Containers"]!.AsObject()
                .Select(container => new LiveEndpoint(host.Number, container.Value!["Name"]!.GetValue<string>(), container.Value!["IPv4Address"]!.GetValue<string>()))
                .Where(endpoint => endpoint.Address.Length > 0)
                .ToList();
        }));
        return [.. hosts.SelectMany(endpoints => endpoints)];
    }

    private static string Doubled(IEnumerable<LiveEndpoint> endpoints) => string.Join('\n', endpoints
        .GroupBy(endpoint => endpoint.Address.Split('/')[0])
        .Where(group => group.Count() > 1)
        .Select(group => $"{group.Key}: {string.Join(", ", group.Select(endpoint => $"{endpoint.Container} on host {endpoint.Host}"))}"));

    /// <summary>Keys of the addresses that somebody holds.</summary>
    private static List<string> Held(SortedDictionary<string, string> addresses) =>
        [.. addresses.Where(address => AddressState(address.Value) != "quarantined").Select(address => address.Key)];

    private static string AddressState(string value) => JsonNode.Parse(value)!["state"]!.GetValue<string>();

    /// <summary>
    /// In etcd's whole history: an address has at most one holder, a new one only after the one before gave it up; and no two hosts' subnets
    /// ever overlapped.
    /// </summary>
    private static void CheckHistory(IReadOnlyList<EtcdChange> history)
    {
        var holders = new Dictionary<string, (string Request, string Key)>(StringComparer.Ordinal);
        var subnets = new Dictionary<string, string>(StringComparer.Ordinal);
        var grants = 0;
        foreach (var change in history)
        {
            if (change.Key.StartsWith("/flannelflow/networks/", StringComparison.Ordinal) && change.Key.Contains("/subnets/", StringComparison.Ordinal))
            {
                if (change.Value is null) subnets.Remove(change.Key);
                else subnets[change.Key] = JsonNode.Parse(change.Value)!["PublicIP"]!.GetValue<string>();
                Assert.Equal(subnets.Count, subnets.Values.Distinct().Count());
            }

            if (!change.Key.StartsWith("/flannelflow/addresses/", StringComparison.Ordinal)) continue;
            var address = change.Key[(change.Key.LastIndexOf('/') + 1)..];
            if (change.Value is null || AddressState(change.Value) == "quarantined")
            {
                if (holders.TryGetValue(address, out var gone) && gone.Key == change.Key) holders.Remove(address);
                continue;
            }

            var request = JsonNode.Parse(change.Value)!["requestId"]!.GetValue<string>();
            if (holders.TryGetValue(address, out var holder))
            {
                Assert.True(
                    holder.Request == request && holder.Key == change.Key,
                    $"revision {change.Revision}: {change.Key} goes to request {request} while {holder.Request} holds it ({holder.Key})");
            }
            else
            {
                grants++;
                holders[address] = (request, change.Key);
            }
        }

        // A provisional address on the leader and a real one on the host, for every container, and the gateway.
        Assert.True(grants >= 2 * 2 * 3 * PerHost, $"etcd's history shows only {grants} addresses given");
        Run.Say($"{grants} addresses were given and taken back");
    }

    private sealed record LiveEndpoint(int Host, string Container, string Address);
}
