using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Workflows.Tests.Kit;

/// <summary>A journal in a folder of its own, the kernel of its effects, and runtimes opened on them one after the other.</summary>
public sealed class Engine : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _folder = CreateFolder();

    public Engine()
    {
        Options = new WorkflowRuntimeOptions
        {
            JournalPath = Path.Combine(_folder, "journal.db"),
            FailStop = (message, e) => Stops.Add(message),
            BootId = "boot-1",
        };
        Catalog = new ActivityCatalog().Add(new EnsureActivity(Kernel)).Add(Gate);
    }

    public FakeKernel Kernel { get; } = new();
    public GateActivity Gate { get; } = new();
    public ActivityCatalog Catalog { get; set; }
    public WorkflowRuntimeOptions Options { get; set; }
    public TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>A test's own.</summary>
    public object? Tag { get; set; }
    public List<string> Stops { get; } = [];
    public List<string> Definitions { get; } = [];
    public WorkflowRuntime Runtime { get; private set; } = null!;

    public async Task<WorkflowRuntime> OpenAsync()
    {
        var definitions = DefinitionLoader.Load(Definitions.Select((text, i) => new DefinitionFile($"{i}.json", text)), Catalog);
        return Runtime = await WorkflowRuntime.OpenAsync(Options, Catalog, definitions, Time, NullLoggerFactory.Instance, Token);
    }

    public async Task<WorkflowRuntime> RunAsync()
    {
        await OpenAsync();
        Runtime.Resume();
        return Runtime;
    }

    public async Task<WorkflowRuntime> RestartAsync()
    {
        await Runtime.DisposeAsync();
        return await RunAsync();
    }

    public Task<WorkflowAnswer> RunAsync(string definition, string key, string input = "{}", JoinPolicy join = JoinPolicy.Always) =>
        Runtime.RunAsync(Start(definition, key, input, join), Token).WaitAsync(Patience, Token);

    public static StartWorkflow Start(string definition, string key, string input = "{}", JoinPolicy join = JoinPolicy.Always) =>
        new(definition, key, JsonNode.Parse(input)!.AsObject(), join);

    /// <summary>Events from the first on, up to and with the first that fits.</summary>
    public async Task<List<JournalEvent>> EventsUntil(Func<JournalEvent, bool> last, long afterSeq = 0)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(Patience);
        var events = new List<JournalEvent>();
        await foreach (JournalEvent row in Runtime.FollowAsync(afterSeq, patience.Token))
        {
            events.Add(row);
            if (last(row)) break;
        }
        return events;
    }

    public static string Print(IEnumerable<JournalEvent> events) =>
        string.Join('\n', events.Select(e => e.ActivityId is null ? $"{e.Kind}" : $"{e.Kind} {e.ActivityId}#{e.Attempt}"));

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>In memory where there is a memory file system: these tests simulate crashes of the process, not of the disk.</summary>
    private static string CreateFolder() => Directory.Exists("/dev/shm")
        ? Directory.CreateDirectory($"/dev/shm/fft-engine-{Guid.NewGuid():N}").FullName
        : Directory.CreateTempSubdirectory("fft-engine-").FullName;

    public async ValueTask DisposeAsync()
    {
        if (Runtime is not null) await Runtime.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
