using FlannelFlow.Host.LoadBalancing;
using FlannelFlow.Workflows;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Host.Tests;

/// <summary>A kernel that does not tell what it holds becomes one incident, which ends when it does.</summary>
public sealed class UnreadableTablesTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("fft-unreadable-").FullName;
    private readonly Reading _reading = new();
    private WorkflowRuntime _runtime = null!;
    private UnreadableTables _tables = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var catalog = new ActivityCatalog().Add(_reading);
        // As it is, but with two attempts, so that the test need not wait for eight.
        var definition = (await File.ReadAllTextAsync(Path.Combine(WorkflowsFolder(), "balancing-read.json"), Token)).Replace("\"attempts\": 8", "\"attempts\": 2", StringComparison.Ordinal);
        _runtime = await WorkflowRuntime.OpenAsync(
            new WorkflowRuntimeOptions { JournalPath = Path.Combine(_folder, "journal.db"), FailStop = (_, _) => { } },
            catalog, DefinitionLoader.Load([new DefinitionFile("balancing-read.json", definition)], catalog), TimeProvider.System, NullLoggerFactory.Instance, Token);
        _runtime.Resume();
        _tables = new UnreadableTables(_runtime);
    }

    public async ValueTask DisposeAsync()
    {
        await _runtime.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Reported_AgainAndAgain_IsOneIncident_WhichEndsWhenTheKernelCanBeRead()
    {
        _reading.Fails = true;
        _tables.Report(Token);
        var id = await UntilAsync(InstanceStatus.Suspended);
        _tables.Report(Token);
        var incident = Assert.Single(_runtime.Incidents(new IncidentFilter(OpenOnly: true)));
        Assert.Contains("injected", incident.ToString(), StringComparison.Ordinal);

        _reading.Fails = false;
        await _tables.ResolveAsync(Token);
        Assert.Equal(id, await UntilAsync(InstanceStatus.Finished));
        Assert.Contains(_runtime.Audit(id), row => row.ToString().Contains("can be read again", StringComparison.Ordinal));

        // The next one is another.
        _reading.Fails = true;
        _tables.Report(Token);
        Assert.NotEqual(id, await UntilAsync(InstanceStatus.Suspended));
    }

    [Fact]
    public async Task Resolved_WithoutAReport_IsNothing()
    {
        await _tables.ResolveAsync(Token);
        Assert.Null(_runtime.InstanceByKey(UnreadableTables.Definition, UnreadableTables.Definition));
    }

    private async Task<InstanceId> UntilAsync(InstanceStatus status)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        while (true)
        {
            if (_runtime.InstanceByKey(UnreadableTables.Definition, UnreadableTables.Definition) is { } row && row.Status == status) return row.Id;
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, patience.Token);
        }
    }

    private static string WorkflowsFolder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "FlannelFlow.sln"))) folder = folder.Parent!;
        return Path.Combine(folder.FullName, "workflows");
    }

    private sealed class Reading : Activity<Reading.In, Reading.Out>
    {
        public sealed record In;

        public sealed record Out(int Networks);

        public override string Type => "FlannelFlow.ReadLoadBalancers";

        public bool Fails { get; set; }

        public override Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct) =>
            Fails ? throw new IOException("injected") : Task.FromResult(new Out(0));
    }
}
