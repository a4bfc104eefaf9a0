using System.Text.Json.Nodes;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests.Contract;

/// <summary>The daemon's plugin socket by itself, with the bytes that dockerd sends; dockerd has no part in it.</summary>
[Collection(OneHostCollection.Name)]
[Trait("Needs", "docker")]
[Trait("Share", "second")]
public sealed class ContractTests(OneHost lab) : IAsyncLifetime
{
    private const string NetworkId = "t9aq37xmg6ptu3xawdz4183x2";

    /// <summary>Every call that has arguments.</summary>
    private static readonly string[] CallsWithBody =
    [
        "/NetworkDriver.AllocateNetwork", "/NetworkDriver.FreeNetwork", "/NetworkDriver.CreateNetwork", "/NetworkDriver.DeleteNetwork",
        "/NetworkDriver.CreateEndpoint", "/NetworkDriver.DeleteEndpoint", "/NetworkDriver.EndpointOperInfo", "/NetworkDriver.Join",
        "/NetworkDriver.Leave", "/IpamDriver.RequestPool", "/IpamDriver.ReleasePool", "/IpamDriver.RequestAddress", "/IpamDriver.ReleaseAddress",
    ];

    /// <summary>As libnetwork makes them, and like those never used again.</summary>
    private readonly string _endpointId = Guid.NewGuid().ToString("N") + Guid.NewGuid().ToString("N");

    private PluginWire _wire = null!;

    public async ValueTask InitializeAsync()
    {
        await lab.ClearAsync();
        // Docker knows nothing of these networks; the reconciler must not take them away in the middle of a test.
        await lab[1].RestartDaemonAsync("NETWORK_LINGER=600", "SYNC_INTERVAL=600");
        _wire = new PluginWire(lab[1].PluginSocket);
    }

    public async ValueTask DisposeAsync()
    {
        await lab[1].RestartDaemonAsync();
        await lab.ClearAsync();
    }

    [Fact]
    public async Task RecordedCalls_OfASwarmManager_GetLegalAnswers_AndLeaveNothing()
    {
        var before = await lab.SnapshotAsync();
        var joined = new HashSet<string>();
        var living = new Dictionary<string, (JsonObject Network, string Address)>(StringComparer.Ordinal);
        var recording = Recording.Load("swarm-manager-20.10.jsonl");
        var count = 0;
        string local = "", pool = "";
        await recording.ReplayAsync(async (call, request) =>
        {
            if (call == "/NetworkDriver.CreateNetwork")
                request!["Options"]!["com.docker.network.generic"] = recording.OptionsOf(request["NetworkID"]!.GetValue<string>());
            // The recording ends before the last task's teardown was done; it is done here, before its network is freed.
            if (call == "/NetworkDriver.FreeNetwork" && living.Count > 0) await TearDownAsync();
            var answer = await _wire.CallAsync(call, request?.ToJsonString() ?? "", Run.Ct);
            AnswerRules.Check(call, request, answer);
            count++;
            switch (call)
            {
                case "/NetworkDriver.CreateEndpoint":
                    living[request!["EndpointID"]!.GetValue<string>()] = (request, request["Interface"]!["Address"]!.GetValue<string>().Split('/')[0]);
                    break;
                case "/NetworkDriver.DeleteEndpoint":
                    living.Remove(request!["EndpointID"]!.GetValue<string>());
                    break;
                case "/NetworkDriver.CreateNetwork":
                    (local, pool) = (request!["IPv4Data"]![0]!["AddressSpace"]!.GetValue<string>(), request["IPv4Data"]![0]!["Pool"]!.GetValue<string>());
                    break;
                case "/NetworkDriver.Join":
                    // Docker moves this interface into the sandbox: it must be there.
                    var name = answer.Json["InterfaceName"]!["SrcName"]!.GetValue<string>();
                    await lab[1].ShAsync($"ip link show dev {name}");
                    Assert.True(joined.Add(name));
                    break;
            }

            return answer.Json;
        });
        Assert.True(count > 140, $"only {count} calls");
        await lab.UntilSameAsync(before, 20, "the recorded calls");

        async Task TearDownAsync()
        {
            foreach (var (endpoint, (network, address)) in living)
            {
                var reference = new JsonObject { ["NetworkID"] = network["NetworkID"]!.GetValue<string>(), ["EndpointID"] = endpoint };
                await OkAsync("/NetworkDriver.Leave", reference);
                await OkAsync("/NetworkDriver.DeleteEndpoint", reference);
                await OkAsync("/IpamDriver.ReleaseAddress", new JsonObject { ["PoolID"] = $"{local}/{pool}", ["Address"] = address });
                await OkAsync("/NetworkDriver.DeleteNetwork", new JsonObject { ["NetworkID"] = network["NetworkID"]!.GetValue<string>() });
            }

            living.Clear();
        }
    }

    [Fact]
    public async Task LeaderChange_ReplaysAllocations_AndGetsTheSameAgain()
    {
        var (poolId, pool, gateway, options) = await AllocateAsync();
        var vip = await AddressAsync(poolId, "");
        var task = await AddressAsync(poolId, "");
        Assert.NotEqual(vip, task);
        var before = await lab.EtcdDumpAsync();

        for (var election = 0; election < 2; election++)
        {
            var again = await OkAsync("/IpamDriver.RequestPool", new JsonObject
            {
                ["AddressSpace"] = "FlannelGlobal",
                ["Pool"] = pool,
                ["SubPool"] = "",
                ["V6"] = false,
                ["Options"] = new JsonObject { ["com.docker.network.ipam.serial"] = "true" },
            });
            Assert.Equal((poolId, pool), (again["PoolID"]!.GetValue<string>(), again["Pool"]!.GetValue<string>()));
            Assert.Equal(gateway, await AddressAsync(poolId, gateway.Split('/')[0], gatewayRequest: true));
            // Swarm sends the options of the first answer along with the user's.
            var replayed = await OkAsync("/NetworkDriver.AllocateNetwork", AllocateRequest(pool, gateway, options));
            Assert.Equal(options.ToJsonString(), replayed["Options"]!.ToJsonString());
            Assert.Equal(vip, await AddressAsync(poolId, vip.Split('/')[0]));
            Assert.Equal(task, await AddressAsync(poolId, task.Split('/')[0]));
        }

        Assert.Equal(before, await lab.EtcdDumpAsync());
        var fresh = await AddressAsync(poolId, "");
        Assert.DoesNotContain(fresh, new[] { vip, task, gateway });
        await FreeAsync(poolId, gateway, vip, task, fresh);
    }

    [Fact]
    public async Task Endpoint_CreatedTwiceDeletedTwice_OutOfOrder_AnswersAsDockerNeeds()
    {
        var (poolId, pool, gateway, options) = await AllocateAsync();
        var beforeNetwork = await lab[1].DumpAsync();
        var node = $"FlannelLocal/{pool}";
        await CreateNetworkAsync(pool, gateway, options);
        await CreateNetworkAsync(pool, gateway, options);
        var address = await AddressAsync(node, "");
        var reference = new JsonObject { ["NetworkID"] = NetworkId, ["EndpointID"] = _endpointId };
        var create = new JsonObject
        {
            ["NetworkID"] = NetworkId,
            ["EndpointID"] = _endpointId,
            ["Options"] = new JsonObject(),
            ["Interface"] = new JsonObject { ["Address"] = address, ["AddressIPv6"] = "", ["MacAddress"] = "" },
        };

        AnswerRules.CheckRefusal(await CallAsync("/NetworkDriver.Join", Join()), 500);
        var first = await OkAsync("/NetworkDriver.CreateEndpoint", create);
        Assert.Equal(first.ToJsonString(), (await OkAsync("/NetworkDriver.CreateEndpoint", create)).ToJsonString());
        var join = await OkAsync("/NetworkDriver.Join", Join());
        Assert.Equal(join.ToJsonString(), (await OkAsync("/NetworkDriver.Join", Join())).ToJsonString());
        await OkAsync("/NetworkDriver.EndpointOperInfo", reference);
        Assert.Equal("1", await lab[1].ShAsync("ip -br link | grep -c '^ffv'; true"));

        foreach (var _ in new[] { 1, 2 })
        {
            await OkAsync("/NetworkDriver.Leave", reference);
            await OkAsync("/NetworkDriver.DeleteEndpoint", reference);
            await OkAsync("/IpamDriver.ReleaseAddress", new JsonObject { ["PoolID"] = node, ["Address"] = address.Split('/')[0] });
        }

        Assert.Equal("0", await lab[1].ShAsync("ip -br link | grep -c '^ffv'; true"));
        // Docker gave up a Join that took too long and deleted the endpoint: the late Join must not bring it back.
        AnswerRules.CheckRefusal(await CallAsync("/NetworkDriver.Join", Join()), 500);

        await OkAsync("/NetworkDriver.DeleteNetwork", new JsonObject { ["NetworkID"] = NetworkId });
        await OkAsync("/NetworkDriver.DeleteNetwork", new JsonObject { ["NetworkID"] = NetworkId });
        await FreeAsync(poolId, gateway);
        await Wait.UntilAsync("the host is as before", 20, async () => TextDiff.Of(beforeNetwork, await lab[1].DumpAsync()));

        JsonObject Join() => new()
        {
            ["NetworkID"] = NetworkId,
            ["EndpointID"] = _endpointId,
            ["SandboxKey"] = "/var/run/docker/netns/8fb2300b4c03",
            ["Options"] = new JsonObject(),
        };
    }

    [Fact]
    public async Task EndpointThatDockerGaveUp_GoesWithItsAddress()
    {
        var (poolId, pool, gateway, options) = await AllocateAsync();
        var node = $"FlannelLocal/{pool}";
        await CreateNetworkAsync(pool, gateway, options);
        var address = await AddressAsync(node, "");
        await OkAsync("/NetworkDriver.CreateEndpoint", new JsonObject
        {
            ["NetworkID"] = NetworkId,
            ["EndpointID"] = _endpointId,
            ["Options"] = new JsonObject(),
            ["Interface"] = new JsonObject { ["Address"] = address, ["AddressIPv6"] = "", ["MacAddress"] = "02:11:22:33:44:55" },
        });
        // CreateEndpoint failed for Docker (a timeout): only the address is released, DeleteEndpoint never comes.
        await OkAsync("/IpamDriver.ReleaseAddress", new JsonObject { ["PoolID"] = node, ["Address"] = address.Split('/')[0] });
        await Wait.UntilAsync("its veth is gone", 10, async () =>
            await lab[1].ShAsync("ip -br link | grep -c '^ffv'; true") == "0" ? null : "a veth is left");
        await Wait.UntilAsync("its address is free", 20, async () =>
            (await lab.EtcdAsync("/flannelflow/addresses/")).Any(entry =>
                entry.Key.EndsWith("/" + address.Split('/')[0], StringComparison.Ordinal) && !entry.Value.Contains("quarantined", StringComparison.Ordinal)) ? "held" : null);
        await OkAsync("/NetworkDriver.DeleteNetwork", new JsonObject { ["NetworkID"] = NetworkId });
        await FreeAsync(poolId, gateway);
    }

    [Fact]
    public async Task EmptyAndMalformedBodies_Get400_AndChangeNothing()
    {
        var (poolId, pool, gateway, options) = await AllocateAsync();
        await CreateNetworkAsync(pool, gateway, options);
        var before = await lab.SnapshotAsync();
        foreach (var call in CallsWithBody)
        {
            // Empty is what dockerd sends when it repeats a call whose first try broke off (moby#35459).
            foreach (var body in new[] { "", "   ", "{", "[]", "null", "42", "\"text\"", "{\"NetworkID\":[1]", "{\"NetworkID\":{}, \"PoolID\":{}, \"AddressSpace\":{}}", "{}" })
            {
                var answer = await _wire.CallAsync(call, body, Run.Ct);
                Assert.True(answer.Status == 400, $"{call} with body '{body}': {answer.Status} {answer.Body}");
                AnswerRules.CheckRefusal(answer, 400);
            }
        }

        foreach (var strange in new[]
        {
            ("/IpamDriver.RequestPool", """{"AddressSpace":"nobody's","Pool":"","SubPool":"","Options":null,"V6":false}"""),
            ("/IpamDriver.RequestAddress", """{"PoolID":"FlannelGlobal/not-a-pool","Address":"","Options":null}"""),
            ("/IpamDriver.ReleaseAddress", $$"""{"PoolID":"{{poolId}}","Address":"10.128.0.999"}"""),
            ("/NetworkDriver.CreateEndpoint", $$$"""{"NetworkID":"{{{NetworkId}}}","EndpointID":"../../etc/x","Interface":{"Address":"10.128.2.2/25"}}"""),
            ("/NetworkDriver.AllocateNetwork", $$"""{"NetworkID":"{{NetworkId}}","Options":{},"IPv4Data":[{"Pool":"10.128.0.0/99"}]}"""),
        })
        {
            AnswerRules.CheckRefusal(await _wire.CallAsync(strange.Item1, strange.Item2, Run.Ct), 400);
        }

        Assert.Null(before.Difference(await lab.SnapshotAsync()));
        await OkAsync("/NetworkDriver.DeleteNetwork", new JsonObject { ["NetworkID"] = NetworkId });
        await FreeAsync(poolId, gateway);
    }

    [Fact]
    public async Task CallsWithoutArguments_AreAnswered_UnknownOnesAreNotFound()
    {
        foreach (var call in new[] { "/Plugin.Activate", "/NetworkDriver.GetCapabilities", "/IpamDriver.GetCapabilities", "/IpamDriver.GetDefaultAddressSpaces" })
            AnswerRules.Check(call, null, await _wire.CallAsync(call, "", Run.Ct));
        foreach (var unknown in new[] { "/NetworkDriver.Unknown", "/", "/api/v1/journal/events", "/NetworkDriver.GwAllocCheck", "/VolumeDriver.List" })
            Assert.Equal(404, (await _wire.CallAsync(unknown, "{}", Run.Ct)).Status);
    }

    private async Task<(string PoolId, string Pool, string Gateway, JsonObject Options)> AllocateAsync()
    {
        var pool = await OkAsync("/IpamDriver.RequestPool", new JsonObject
        {
            ["AddressSpace"] = "FlannelGlobal",
            ["Pool"] = "",
            ["SubPool"] = "",
            ["Options"] = null,
            ["V6"] = false,
        });
        var (id, cidr) = (pool["PoolID"]!.GetValue<string>(), pool["Pool"]!.GetValue<string>());
        var gateway = await AddressAsync(id, "", gatewayRequest: true);
        var allocated = await OkAsync("/NetworkDriver.AllocateNetwork", AllocateRequest(cidr, gateway, new JsonObject { ["user"] = "option" }));
        return (id, cidr, gateway, allocated["Options"]!.DeepClone().AsObject());
    }

    private static JsonObject AllocateRequest(string pool, string gateway, JsonObject options) => new()
    {
        ["NetworkID"] = NetworkId,
        ["Options"] = options.DeepClone(),
        ["IPv4Data"] = new JsonArray(new JsonObject { ["AddressSpace"] = "", ["Gateway"] = gateway, ["Pool"] = pool }),
        ["IPv6Data"] = null,
    };

    private async Task CreateNetworkAsync(string pool, string gateway, JsonObject options)
    {
        await OkAsync("/IpamDriver.RequestPool", new JsonObject
        {
            ["AddressSpace"] = "FlannelLocal",
            ["Pool"] = pool,
            ["SubPool"] = "",
            ["Options"] = null,
            ["V6"] = false,
        });
        await AddressAsync($"FlannelLocal/{pool}", gateway.Split('/')[0], gatewayRequest: true);
        await OkAsync("/NetworkDriver.CreateNetwork", new JsonObject
        {
            ["NetworkID"] = NetworkId,
            ["Options"] = new JsonObject { ["com.docker.network.enable_ipv6"] = false, ["com.docker.network.generic"] = options.DeepClone() },
            ["IPv4Data"] = new JsonArray(new JsonObject { ["AddressSpace"] = "FlannelLocal", ["Gateway"] = gateway, ["Pool"] = pool }),
            ["IPv6Data"] = new JsonArray(),
        });
    }

    private async Task<string> AddressAsync(string poolId, string address, bool gatewayRequest = false)
    {
        var options = new JsonObject { ["com.docker.network.ipam.serial"] = "true" };
        if (gatewayRequest) options["RequestAddressType"] = "com.docker.network.gateway";
        var answer = await OkAsync("/IpamDriver.RequestAddress", new JsonObject { ["PoolID"] = poolId, ["Address"] = address, ["Options"] = options });
        return answer["Address"]!.GetValue<string>();
    }

    /// <summary>docker network rm: the network, then its addresses, then its pool; and etcd is empty after it.</summary>
    private async Task FreeAsync(string poolId, params string[] addresses)
    {
        await OkAsync("/NetworkDriver.FreeNetwork", new JsonObject { ["NetworkID"] = NetworkId });
        foreach (var address in addresses)
            await OkAsync("/IpamDriver.ReleaseAddress", new JsonObject { ["PoolID"] = poolId, ["Address"] = address.Split('/')[0] });
        await OkAsync("/IpamDriver.ReleasePool", new JsonObject { ["PoolID"] = poolId });
        await Wait.UntilAsync("etcd is empty", 20, async () =>
        {
            var left = await lab.EtcdDumpAsync();
            return left.Length == 0 ? null : left;
        });
    }

    private async Task<JsonObject> OkAsync(string call, JsonObject request)
    {
        var answer = await CallAsync(call, request);
        AnswerRules.Check(call, request, answer);
        return answer.Json;
    }

    private Task<WireAnswer> CallAsync(string call, JsonObject request) => _wire.CallAsync(call, request.ToJsonString(), Run.Ct);
}
