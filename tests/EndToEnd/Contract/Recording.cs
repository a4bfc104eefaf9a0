using System.Text.Json.Nodes;

namespace FlannelFlow.EndToEnd.Tests.Contract;

/// <summary>
/// Calls that dockerd made to a recording stub, made again: what the stub had answered (address spaces, pools, addresses) stands in later
/// requests and is replaced by what was answered now.
/// </summary>
/// <remarks>
/// The leader's and the node's address of one endpoint were the same with the stub and differ now, so they are kept apart by the address
/// space of the call.
/// </remarks>
public sealed class Recording(IReadOnlyList<JsonObject> calls)
{
    private const string StubGlobal = "stub-global";
    private const string StubLocal = "stub-local";
    private readonly Dictionary<string, string> _pools = new(StringComparer.Ordinal);
    private readonly Dictionary<(bool Leader, string Address), string> _addresses = [];
    private string _global = "";
    private string _local = "";

    public static Recording Load(string name) => new(
        [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Contract/Traces", name)).Select(line => JsonNode.Parse(line)!.AsObject())]);

    /// <param name="answer">Makes the call, checks the answer.</param>
    public async Task ReplayAsync(Func<string, JsonObject?, Task<JsonObject>> answer)
    {
        foreach (var recorded in calls)
        {
            var call = recorded["call"]!.GetValue<string>();
            var then = recorded["res"]!.AsObject();
            var request = recorded["req"]?.DeepClone().AsObject();
            if (request is not null) Rewrite(request);
            Learn(call, request, recorded["req"]?.AsObject(), then, await answer(call, request));
        }
    }

    private void Rewrite(JsonObject request)
    {
        var leader = IsLeader(request);
        Replace(request, "AddressSpace", space => space == StubGlobal ? _global : _local);
        Replace(request, "PoolID", id => (id.StartsWith(StubGlobal, StringComparison.Ordinal) ? _global : _local) + "/" + PoolNow(id[(id.IndexOf('/') + 1)..]));
        Replace(request, "Pool", PoolNow);
        Replace(request, "Address", address => AddressNow(leader, address));
        if (request["Interface"] is JsonObject endpoint) Replace(endpoint, "Address", address => AddressNow(false, address));
        foreach (var data in request["IPv4Data"]?.AsArray() ?? [])
        {
            var forLeader = data!["AddressSpace"]!.GetValue<string>().Length == 0;
            Replace(data.AsObject(), "AddressSpace", space => space.Length == 0 ? "" : _local);
            Replace(data.AsObject(), "Pool", PoolNow);
            Replace(data.AsObject(), "Gateway", address => AddressNow(forLeader, address));
        }
    }

    private void Learn(string call, JsonObject? request, JsonObject? recordedRequest, JsonObject then, JsonObject now)
    {
        switch (call)
        {
            case "/IpamDriver.GetDefaultAddressSpaces":
                _global = now["GlobalDefaultAddressSpace"]!.GetValue<string>();
                _local = now["LocalDefaultAddressSpace"]!.GetValue<string>();
                break;
            case "/IpamDriver.RequestPool":
                _pools[then["Pool"]!.GetValue<string>()] = now["Pool"]!.GetValue<string>();
                break;
            case "/IpamDriver.RequestAddress":
                _addresses[(IsLeader(recordedRequest!), Bare(then["Address"]!.GetValue<string>()))] = now["Address"]!.GetValue<string>();
                break;
            case "/NetworkDriver.AllocateNetwork":
                // What Swarm keeps and gives to the nodes are the options of the answer.
                _options[request!["NetworkID"]!.GetValue<string>()] = now["Options"]!.AsObject();
                break;
        }
    }

    private readonly Dictionary<string, JsonObject> _options = [];

    /// <summary>The driver options that Swarm would hand to a node now.</summary>
    public JsonObject OptionsOf(string networkId) => _options[networkId].DeepClone().AsObject();

    private static bool IsLeader(JsonObject request) =>
        (request["AddressSpace"] ?? request["PoolID"])?.GetValue<string>() is { } space &&
        (space.StartsWith(StubGlobal, StringComparison.Ordinal) || space.StartsWith("FlannelGlobal", StringComparison.Ordinal));

    private string PoolNow(string pool) => pool.Length == 0 ? "" : _pools.GetValueOrDefault(pool, pool);

    private string AddressNow(bool leader, string address)
    {
        if (address.Length == 0) return "";
        var now = _addresses.GetValueOrDefault((leader, Bare(address))) ?? _addresses.GetValueOrDefault((!leader, Bare(address)), address);
        return address.Contains('/', StringComparison.Ordinal) ? now : Bare(now);
    }

    private static string Bare(string address) => address.Split('/')[0];

    private static void Replace(JsonObject holder, string name, Func<string, string> change)
    {
        if (holder[name] is JsonValue value) holder[name] = change(value.GetValue<string>());
    }
}
