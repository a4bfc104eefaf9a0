using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using FlannelFlow.Activities.Encryption;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Host.Plugin;
using FlannelFlow.Tests;
using FlannelFlow.Workflows;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Host.Tests;

/// <summary>Whatever stands in a call of Docker's, it is done, refused in words, or told to be no call (400); and nothing of it that is no id becomes a key.</summary>
public sealed class PluginFuzzTests : IAsyncDisposable
{
    /// <summary>A line each: path, tab, body.</summary>
    private static readonly string[][] Calls =
    [
        .. File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Corpus/plugin-calls.txt")).Where(line => line.Length > 0).Select(line => line.Split('\t', 2)),
    ];

    private readonly DirectoryInfo _state = Directory.CreateTempSubdirectory("ff-plugin-");
    private readonly WebApplication _app;
    private readonly Dictionary<string, RequestDelegate> _endpoints;
    private readonly Faults _faults = new();
    private readonly RecordedWorkflows _workflows = new();

    public PluginFuzzTests()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddProvider(_faults);
        var options = new ConfigurationReader(new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["STATE_DIRECTORY"] = _state.FullName,
            ["Flannel:Binary"] = Environment.ProcessPath,
        }).Build()).Read();
        var networks = new HostNetworks(_state.FullName);
        var network = new HostNetwork("t9aq37xmg6ptu3xawdz4183x2", IPv4Network.Parse("10.128.0.0/20"), 6514, 0, null);
        networks.Write(network, new Dictionary<string, string>());
        File.WriteAllText(networks.SubnetFileOf(network.Pool), "FLANNEL_SUBNET=10.128.2.1/25\nFLANNEL_MTU=1450\n");
        builder.Services
            .AddSingleton(TimeProvider.System).AddSingleton(options).AddSingleton(options.Plugin).AddSingleton(options.Reconcile).AddSingleton(networks)
            .AddSingleton(options.Encryption).AddSingleton<KernelEncryption>()
            .AddSingleton<IEtcd, SilentEtcd>().AddSingleton(new ClusterKeys("/flannelflow")).AddSingleton(options.Addresses.ToAddressSpace())
            .AddSingleton(new AddressAllocatorOptions { Quarantine = TimeSpan.FromSeconds(10) })
            .AddSingleton<PoolAllocator>().AddSingleton<AddressAllocator>()
            .AddSingleton<IPluginWorkflows>(_workflows)
            .AddSingleton<PluginCallEdge>().AddSingleton<NetworkDriver>().AddSingleton<IpamDriver>();
        _app = builder.Build();
        _app.MapPlugin();
        _endpoints = ((IEndpointRouteBuilder)_app).DataSources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>()
            .ToDictionary(endpoint => endpoint.RoutePattern.RawText!, endpoint => endpoint.RequestDelegate!);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _state.Delete(recursive: true);
    }

    [Fact]
    public async Task Corpus_HasEveryCallThatReadsItsBody_AndIsTakenOrRefused()
    {
        string[] fixedAnswers = ["/Plugin.Activate", "/NetworkDriver.GetCapabilities", "/NetworkDriver.DiscoverNew", "/NetworkDriver.DiscoverDelete", "/IpamDriver.GetCapabilities", "/IpamDriver.GetDefaultAddressSpaces"];
        Assert.Equal(_endpoints.Keys.Except(fixedAnswers).Order(StringComparer.Ordinal), Calls.Select(call => call[0]).Distinct().Order(StringComparer.Ordinal));
        foreach (var call in Calls) await SendAsync((call[0], call[1]));
    }

    [Fact]
    public Task Calls_NearlyRight_AreTakenOrRefused() => Fuzz.RunAsync(
        3_000,
        random =>
        {
            var (call, other) = (Calls[random.Next(Calls.Length)], Calls[random.Next(Calls.Length)]);
            var body = random.Next(20) == 0 ? other[1] : call[1];
            return (call[0], Mutate.Json(random, body));
        },
        call => $"{call.Item1}\t{call.Item2}",
        SendAsync);

    private async Task SendAsync((string Path, string Body) call)
    {
        var http = new DefaultHttpContext { RequestServices = _app.Services };
        http.Request.Method = "POST";
        http.Request.Path = call.Path;
        http.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes(call.Body));
        using var answer = new MemoryStream();
        http.Response.Body = answer;
        await _endpoints[call.Path](http);

        Assert.False(_faults.Seen.TryDequeue(out var fault), fault);
        var json = JsonNode.Parse(answer.ToArray())!.AsObject();
        Assert.Contains(http.Response.StatusCode, (int[])[200, 400, 500]);
        if (http.Response.StatusCode != 200)
        {
            Assert.NotEmpty(json["Err"]!.GetValue<string>());
            Assert.Equal(json["Err"]!.GetValue<string>(), json["Error"]!.GetValue<string>());
        }

        while (_workflows.Started.TryDequeue(out var started))
        {
            Assert.All(started.Key, c => Assert.True(c is > ' ' and <= '~', $"key {started.Key}"));
            foreach (var id in new[] { "NetworkId", "EndpointId", "Pool" })
                Assert.All(started.Input[id]?.GetValue<string>() ?? "", c => Assert.True(char.IsAsciiLetterOrDigit(c) || c is '.' or '/' or '-' or '_', $"{id} {started.Input[id]}"));
        }
    }

    /// <summary>What the edge logs as an error: faults that no handler expected. That etcd is away is none.</summary>
    private sealed class Faults : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Seen { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel >= LogLevel.Error && exception is not EtcdException) Seen.Enqueue($"{formatter(state, exception)}: {exception}");
        }

        public void Dispose()
        {
        }
    }
}
