using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace FlannelFlow.EndToEnd.Tests.Contract;

/// <summary>What an answer must be for dockerd to take it: docker-contract §1.3, after moby's remote/driver.go and ipams/remote/remote.go.</summary>
public static partial class AnswerRules
{
    /// <summary>The fields of each answer, in Go's spelling. What is not here answers {}.</summary>
    private static readonly Dictionary<string, string[]> Fields = new(StringComparer.Ordinal)
    {
        ["/Plugin.Activate"] = ["Implements"],
        ["/NetworkDriver.GetCapabilities"] = ["Scope", "ConnectivityScope", "GwAllocChecker"],
        ["/NetworkDriver.AllocateNetwork"] = ["Options"],
        ["/NetworkDriver.CreateEndpoint"] = ["Interface"],
        ["/NetworkDriver.EndpointOperInfo"] = ["Value"],
        ["/NetworkDriver.Join"] = ["InterfaceName", "Gateway", "GatewayIPv6", "StaticRoutes", "DisableGatewayService"],
        ["/IpamDriver.GetCapabilities"] = ["RequiresMACAddress", "RequiresRequestReplay"],
        ["/IpamDriver.GetDefaultAddressSpaces"] = ["LocalDefaultAddressSpace", "GlobalDefaultAddressSpace"],
        ["/IpamDriver.RequestPool"] = ["PoolID", "Pool", "Data"],
        ["/IpamDriver.RequestAddress"] = ["Address", "Data"],
    };

    public static void Check(string call, JsonObject? request, WireAnswer answer)
    {
        Assert.True(answer.Status == 200, $"{call} {request?.ToJsonString()}: {answer.Status} {answer.Body}");
        var body = answer.Json;
        Assert.All(body, field => Assert.Contains(field.Key, Fields.GetValueOrDefault(call, [])));
        switch (call)
        {
            case "/NetworkDriver.GetCapabilities":
                Assert.Equal("global", Text(body, "Scope"));
                Assert.Equal("global", Text(body, "ConnectivityScope"));
                break;
            case "/IpamDriver.GetDefaultAddressSpaces":
                // The two must differ, or leader and node cannot be told apart.
                Assert.NotEqual(Text(body, "LocalDefaultAddressSpace"), Text(body, "GlobalDefaultAddressSpace"));
                break;
            case "/NetworkDriver.AllocateNetwork":
                // The answer replaces the network's options: each that came must be in it.
                foreach (var (name, value) in request!["Options"]?.AsObject() ?? [])
                    Assert.Equal(value!.GetValue<string>(), body["Options"]![name]?.GetValue<string>());
                Assert.All(body["Options"]!.AsObject(), option => Assert.Equal(System.Text.Json.JsonValueKind.String, option.Value!.GetValueKind()));
                break;
            case "/NetworkDriver.CreateEndpoint":
                CheckInterface(request!["Interface"]!.AsObject(), body["Interface"]?.AsObject() ?? []);
                break;
            case "/NetworkDriver.Join":
                CheckJoin(body);
                break;
            case "/IpamDriver.RequestPool":
                Assert.NotEqual("", Text(body, "PoolID"));
                var pool = IPNetwork.Parse(Text(body, "Pool"));
                if (Text(request!, "Pool") is { Length: > 0 } asked) Assert.Equal(asked, pool.ToString());
                CheckData(body);
                break;
            case "/IpamDriver.RequestAddress":
                // With the length of a prefix: "10.1.2.3/25"; an address alone is an error to dockerd (types.ParseCIDR).
                Assert.Matches(AddressWithLength(), Text(body, "Address"));
                CheckData(body);
                break;
        }
    }

    public static void CheckRefusal(WireAnswer answer, int status)
    {
        Assert.True(answer.Status == status, $"{answer.Status} instead of {status}: {answer.Body}");
        // The one is read by network drivers' callers, the other by those of IPAM drivers.
        Assert.NotEqual("", Text(answer.Json, "Err"));
        Assert.Equal(Text(answer.Json, "Err"), Text(answer.Json, "Error"));
    }

    /// <summary>Only what the request left open may be answered: the same value again is "endpoint interface IP present" to libnetwork.</summary>
    private static void CheckInterface(JsonObject asked, JsonObject answered)
    {
        Assert.All(answered, field => Assert.Contains(field.Key, new[] { "Address", "AddressIPv6", "MacAddress" }));
        foreach (var field in new[] { "Address", "AddressIPv6", "MacAddress" })
        {
            if (Text(asked, field).Length > 0) Assert.Equal("", Text(answered, field));
        }

        if (Text(asked, "MacAddress").Length == 0) Assert.Matches(UnicastMac(), Text(answered, "MacAddress"));
    }

    private static void CheckJoin(JsonObject body)
    {
        // IFNAMSIZ is 16 with its end mark (linux/if.h).
        Assert.InRange(Text(body["InterfaceName"]!.AsObject(), "SrcName").Length, 1, 15);
        Assert.Equal("eth", Text(body["InterfaceName"]!.AsObject(), "DstPrefix"));
        Assert.Equal("", Text(body, "Gateway"));
        foreach (var route in body["StaticRoutes"]!.AsArray())
        {
            var pool = IPNetwork.Parse(Text(route!.AsObject(), "Destination"));
            Assert.Equal(0, route!["RouteType"]!.GetValue<int>());
            Assert.True(pool.Contains(IPAddress.Parse(Text(route.AsObject(), "NextHop"))), route.ToJsonString());
        }
    }

    private static void CheckData(JsonObject body) =>
        Assert.All(body["Data"]?.AsObject() ?? [], entry => Assert.Equal(System.Text.Json.JsonValueKind.String, entry.Value!.GetValueKind()));

    private static string Text(JsonObject body, string name) => body[name]?.GetValue<string>() ?? "";

    [GeneratedRegex(@"^\d+\.\d+\.\d+\.\d+/\d+$")]
    private static partial Regex AddressWithLength();

    [GeneratedRegex("^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$")]
    private static partial Regex UnicastMac();
}
