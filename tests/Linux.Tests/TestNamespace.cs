using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Namespaces;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Tests;

/// <summary>A network namespace of this test's own, deleted with all that is in it; iproute2 inside it is the witness.</summary>
public sealed class TestNamespace : IAsyncDisposable
{
    private static readonly CommandRunner Outside = new(TimeProvider.System);
    private readonly CommandRunner _inside;

    private TestNamespace(string name, NetworkNamespace handle)
    {
        Name = name;
        Handle = handle;
        _inside = new CommandRunner(TimeProvider.System) { NetworkNamespace = handle };
        Netlink = RouteNetlink.OpenIn(handle);
    }

    public string Name { get; }
    public NetworkNamespace Handle { get; }
    public RouteNetlink Netlink { get; }
    public CommandRunner Commands => _inside;

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static async Task<TestNamespace> CreateAsync()
    {
        var name = "fft-" + Guid.NewGuid().ToString("N")[..10];
        await Outside.RunCheckedAsync("ip", ["netns", "add", name], null, Ct);
        try
        {
            var created = new TestNamespace(name, NetworkNamespace.Open("/run/netns/" + name));
            await created.IpAsync("link set lo up");
            return created;
        }
        catch
        {
            await Outside.RunAsync("ip", ["netns", "del", name], null, CancellationToken.None);
            throw;
        }
    }

    /// <summary>A veth pair u0/u1 with 192.0.2.1/24 on u0, both up: something for vxlan to lie upon.</summary>
    public async Task<int> AddUnderlayAsync()
    {
        await IpAsync("link add u0 mtu 1500 type veth peer name u1 mtu 1500");
        await IpAsync("addr add 192.0.2.1/24 dev u0");
        await IpAsync("link set u1 up");
        await IpAsync("link set u0 up");
        // The kernel settles the operational state on a timer of its own (net/core/link_watch.c).
        while (await Netlink.GetLinkAsync("u1", Ct) is not { OperationalState: OperationalState.Up })
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Ct);
        var near = await Netlink.GetLinkAsync("u0", Ct);
        return near.OperationalState == OperationalState.Up ? near.Index : throw new InvalidOperationException("u1 is up, u0 is not");
    }

    public Task<string> IpAsync(string arguments) => _inside.RunCheckedAsync("ip", arguments.Split(' '), null, Ct);

    public async Task<JsonArray> IpJsonAsync(string arguments) => Parse(await IpAsync("-d -j " + arguments));

    public async Task<JsonArray> BridgeJsonAsync(string arguments) =>
        Parse(await _inside.RunCheckedAsync("bridge", ["-j", .. arguments.Split(' ')], null, Ct));

    private static JsonArray Parse(string json) =>
        json.Trim().Length == 0 ? [] : JsonNode.Parse(json)?.AsArray() ?? throw new JsonException("no array: " + json);

    public async ValueTask DisposeAsync()
    {
        Netlink.Dispose();
        Handle.Dispose();
        await Outside.RunAsync("ip", ["netns", "del", Name], null, CancellationToken.None);
    }
}

internal static class JsonText
{
    /// <summary>The value at a path of property names, as text; "" where there is none.</summary>
    public static string At(this JsonNode? node, params string[] path)
    {
        foreach (var name in path)
            node = node?[name];
        return node switch
        {
            null => "",
            JsonValue value when value.TryGetValue<string>(out var text) => text,
            JsonValue value when value.TryGetValue<bool>(out var flag) => flag ? "true" : "false",
            JsonValue value when value.TryGetValue<long>(out var number) => number.ToString(CultureInfo.InvariantCulture),
            _ => node.ToJsonString(),
        };
    }
}
