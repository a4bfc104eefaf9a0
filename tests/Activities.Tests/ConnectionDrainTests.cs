using System.Collections.Immutable;
using System.Net;
using System.Text.Json.Nodes;
using FlannelFlow.Activities.Draining;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Workflows;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Activities.Tests;

/// <summary>workflows/connection-drain.json on the real engine, before a kernel in memory and a mirror that the test moves.</summary>
public sealed class ConnectionDrainTests : IAsyncLifetime
{
    private const string Address = "10.128.18.130";
    private static readonly IPAddress IP = IPAddress.Parse(Address);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Never = TimeSpan.FromHours(1);
    private static readonly ImmutableSortedDictionary<string, string> NoLabels = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);
    private readonly string _folder = Directory.CreateTempSubdirectory("ff-drain-").FullName;
    private readonly CancellationTokenSource _stop = new();
    private readonly FakeLoadBalancer _kernel = new();
    private readonly MirrorFeed _feed = new();
    private readonly OpenDrains _open = new();
    private readonly DrainMetrics _metrics = new();
    private readonly DockerMirror _mirror;
    private readonly Task _following;
    private WorkflowRuntime? _runtime;

    public ConnectionDrainTests()
    {
        _mirror = new DockerMirror(_feed, _feed.Keys, "here", TimeProvider.System, NullLogger<DockerMirror>.Instance);
        _following = _mirror.RunAsync(_stop.Token);
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>c1 drains, c2 is ready; c1 has two connections.</summary>
    public async ValueTask InitializeAsync()
    {
        _feed.Put(new NetworkRecord("net1", "net1", IPv4Network.Parse("10.128.16.0/20"), IsInternal: false, IsAttachable: true, NoLabels));
        _feed.Put(new ServiceRecord("web", "web", EndpointMode.Vip, [new ServiceNetwork("net1", [], IPv4Address.Parse("10.128.16.2"))], NoLabels, []));
        _feed.Put(Draining(Container("c1", Address)));
        _feed.Put(Container("c2", "10.128.19.2"));
        await UntilMirrorAsync(state => state.Containers.Count == 2 && state.Services.Count == 1);
        await _kernel.EnsureServiceAsync(
            new NetworkFrame("ffvip.1", IPv4Prefix.Parse("10.128.18.128/25", null)),
            new VirtualService
            {
                Vip = IPAddress.Parse("10.128.16.2"),
                Marks = FwMarkPair.Of(7),
                Backends = [Backend.Active(IP), Backend.Active(IPAddress.Parse("10.128.19.2"))],
            },
            Ct);
        _kernel.Connections[IP] = 2;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _stop.CancelAsync();
        await _following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
        _kernel.Dispose();
        _metrics.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Drain_AnswersAtWeightZero_AndRemovesWhenNoConnectionIsLeft()
    {
        await OpenAsync(Never);
        var id = await BeginAsync();
        Assert.Equal($"{Address} tcp 0 udp -", Changes());
        await UntilAsync("it waits", () => _open.Find(id) is { Open: 2 });

        _kernel.Connections[IP] = 0;

        Assert.Equal("Clean 2 0", await EndAsync(id));
        Assert.Equal($"{Address} tcp 0 udp -; {Address} removed", Changes());
    }

    [Fact]
    public async Task Drain_WithAConnectionThatStays_CutsItAtTheLimit()
    {
        await OpenAsync(TimeSpan.FromSeconds(1));

        Assert.Equal("Forced 2 2", await EndAsync(await BeginAsync()));
        Assert.Equal($"{Address} tcp 0 udp -; {Address} removed", Changes());
    }

    [Fact]
    public async Task Drain_OfAProcessThatEnds_RemovesAtOnce()
    {
        await OpenAsync(Never);
        var id = await BeginAsync();

        _feed.Delete(Container("c1", Address));

        Assert.StartsWith("ProcessEnded ", await EndAsync(id), StringComparison.Ordinal);
        Assert.Equal($"{Address} tcp 0 udp -; {Address} removed", Changes());
    }

    [Fact]
    public async Task Drain_CalledOff_IsAWeightAgain_AndNeverARemoval()
    {
        await OpenAsync(Never);
        var id = await BeginAsync();

        _feed.Put(Container("c1", Address));

        Assert.StartsWith("CalledOff ", await EndAsync(id), StringComparison.Ordinal);
        Assert.Equal($"{Address} tcp 0 udp -; {Address} tcp 1 udp 1", Changes());
    }

    [Fact]
    public async Task LastBackend_IsHeldOpen_UntilAnotherIsReady()
    {
        _kernel.Connections[IP] = 0;
        _feed.Delete(Container("c2", "10.128.19.2"));
        await UntilMirrorAsync(state => state.Containers.Count == 1);
        await OpenAsync(TimeSpan.FromSeconds(1));
        var id = await BeginAsync();
        await UntilAsync("it is seen as held open", () => _open.Find(id) is { IsHeldOpen: true });
        Assert.Equal($"{Address} tcp 1 udp 1", Changes().Split("; ").Distinct().Single());

        _feed.Put(Container("c3", "10.128.19.3"));

        Assert.Equal("Clean 0 0", await EndAsync(id));
        Assert.EndsWith($"{Address} tcp 1 udp 1; {Address} tcp 0 udp -; {Address} removed", Changes(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Drain_ForcedByAPerson_EndsNow()
    {
        await OpenAsync(Never);
        var id = await BeginAsync();
        await UntilAsync("it waits", () => _open.Find(id) is { Open: 2 });

        Assert.True(_open.Force(id));

        Assert.Equal("Operator 2 2", await EndAsync(id));
    }

    [Fact]
    public async Task Daemon_ThatStopsDuringTheWait_GoesOnWithIt_AndRemovesOnce()
    {
        await OpenAsync(Never);
        var id = await BeginAsync();
        await UntilAsync("it waits", () => _open.Find(id) is { Open: 2 });
        await StopAsync();

        _kernel.Connections[IP] = 0;
        await OpenAsync(Never);

        Assert.StartsWith("Clean ", await EndAsync(id), StringComparison.Ordinal);
        Assert.Single(_kernel.Changes, change => change == $"{Address} removed");
    }

    [Fact]
    public async Task Kernel_ThatRefuses_IsAnIncident_AndARetryEndsTheDrain()
    {
        await OpenAsync(Never);
        var id = await BeginAsync();
        await UntilAsync("it waits", () => _open.Find(id) is { Open: 2 });

        _kernel.Broken = new IOException("injected: ENOBUFS");
        await UntilAsync("an incident is open", () => _runtime!.Instance(id)!.Status == InstanceStatus.Suspended);
        Assert.Contains("injected: ENOBUFS", _runtime!.Incidents(new IncidentFilter(OpenOnly: true, id)).Single().Message, StringComparison.Ordinal);
        _kernel.Broken = null;
        _kernel.Connections[IP] = 0;
        await _runtime.AlterAsync(id, new Alteration.Retry(), "test", "the kernel works again", Ct);

        Assert.StartsWith("Clean ", await EndAsync(id), StringComparison.Ordinal);
        Assert.Empty(_runtime.Incidents(new IncidentFilter(OpenOnly: true, id)));
    }

    private static ContainerRecord Container(string id, string address) => new(
        id, "n1", id, id, ContainerHealth.None, ContainerState.Ready,
        [new ContainerNetwork("net1", "ep-" + id, IPv4Address.Parse(address), [], [])], NoLabels, new ContainerTask("task-" + id, "web", "web", "node", 1));

    private static ContainerRecord Draining(ContainerRecord container) =>
        ContainerDrain.Draining(container, new DrainRecord("d1", DrainReason.Stop, DateTimeOffset.UnixEpoch));

    private async Task OpenAsync(TimeSpan limit)
    {
        var terms = DrainTerms.Default with { Poll = TimeSpan.FromMilliseconds(20), MinimumGrace = TimeSpan.Zero, FixedLimit = limit, StopGrace = limit };
        var catalog = new ActivitySet(
            null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, _kernel, _mirror, new ConnectionSampler(_kernel, TimeProvider.System),
            _open, terms, _metrics, null!, null!, null!, NullLoggerFactory.Instance, TimeProvider.System).Catalog();
        _runtime = await WorkflowRuntime.OpenAsync(
            new WorkflowRuntimeOptions { JournalPath = Path.Combine(_folder, "journal.db"), Classify = ActivitySet.Classify },
            catalog,
            DefinitionLoader.LoadFolder(DefinitionsTests.Folder, catalog),
            TimeProvider.System,
            NullLoggerFactory.Instance,
            Ct);
        _runtime.Resume();
    }

    private async Task StopAsync()
    {
        if (_runtime is not null) await _runtime.DisposeAsync();
        _runtime = null;
    }

    /// <summary>Answered: from here on the backend gets no new connection.</summary>
    private async Task<InstanceId> BeginAsync()
    {
        var answer = await _runtime!.RunAsync(
            new StartWorkflow(
                "connection-drain",
                "drain",
                new JsonObject
                {
                    ["ServiceId"] = "web",
                    ["NetworkId"] = "net1",
                    ["ContainerId"] = "c1",
                    ["DrainId"] = "d1",
                    ["Reason"] = "Stop",
                    ["Address"] = Address,
                    ["Vip"] = "10.128.16.2",
                    ["Marks"] = 7,
                }),
            Ct);
        Assert.Equal(WorkflowOutcome.Answered, answer.Outcome);
        return answer.Instance;
    }

    /// <summary>End, connections at the start, connections cut.</summary>
    private async Task<string> EndAsync(InstanceId id)
    {
        await UntilAsync("the drain is over", () => _runtime!.Instance(id)!.Status == InstanceStatus.Finished);
        var output = JsonNode.Parse(_runtime!.Instance(id)!.Output!)!;
        return $"{output["End"]} {output["ConnectionsAtStart"]} {output["Cut"]}";
    }

    private string Changes() => string.Join("; ", _kernel.Changes);

    private async Task UntilMirrorAsync(Func<MirrorState, bool> condition)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        bound.CancelAfter(Patience);
        await _mirror.WhenAsync(condition, bound.Token);
    }

    private static async Task UntilAsync(string what, Func<bool> condition)
    {
        for (var began = TimeProvider.System.GetTimestamp(); !condition();)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Patience, $"not within {Patience}: {what}");
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, Ct);
        }
    }
}
