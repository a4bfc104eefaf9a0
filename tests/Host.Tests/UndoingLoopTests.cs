using FlannelFlow.Host.Reconcile;
using FlannelFlow.Workflows;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace FlannelFlow.Host.Tests;

/// <summary>On a real journal, with the engine's own time; the loop's is the test's.</summary>
public sealed class UndoingLoopTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("fft-undoing-").FullName;
    private readonly Claim _claim = new();
    private readonly FakeTimeProvider _time = new(TimeProvider.System.GetUtcNow());
    private WorkflowRuntime? _runtime;
    private UndoingLoop? _loop;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var catalog = new ActivityCatalog().Add(_claim);
        _runtime = await WorkflowRuntime.OpenAsync(
            new WorkflowRuntimeOptions { JournalPath = Path.Combine(_folder, "journal.db"), FailStop = (_, _) => { } },
            catalog, DefinitionLoader.Load([new DefinitionFile("join.json", Definition)], catalog), TimeProvider.System, NullLoggerFactory.Instance, Token);
        _runtime.Resume();
        _loop = new UndoingLoop(_runtime, _time, NullLogger<UndoingLoop>.Instance);
        await _loop.StartAsync(Token);
    }

    public async ValueTask DisposeAsync()
    {
        if (_loop is { } loop) await loop.StopAsync(CancellationToken.None);
        _loop?.Dispose();
        if (_runtime is { } runtime) await runtime.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task AnUndoingThatFailed_IsTriedAgainUntilItSucceeds_AndTheLaneIsFree()
    {
        _claim.IsAway = true;
        var failed = await _runtime!.RunAsync(new StartWorkflow("join", "1", []), Token).WaitAsync(Patience, Token);
        Assert.Equal(WorkflowOutcome.Faulted, failed.Outcome);
        var next = await _runtime.StartAsync(new StartWorkflow("join", "2", []), Token);

        // In vain, as long as it is away.
        var tried = _claim.Undoings;
        await AdvanceUntilAsync(() => _claim.Undoings > tried + 1);
        Assert.Contains(_runtime.Incidents(new IncidentFilter(OpenOnly: false, failed.Instance)), incident => incident.ClosedAt is not null);
        Assert.Equal(InstanceStatus.Waiting, _runtime.Instance(next)!.Status);

        _claim.IsAway = false;
        await AdvanceUntilAsync(() => _runtime.Instance(failed.Instance)!.Status == InstanceStatus.Compensated);
        Assert.Equal(WorkflowOutcome.Finished, (await _runtime.AnswerAsync(next, Token).WaitAsync(Patience, Token)).Outcome);
        Assert.Empty(_runtime.Incidents(new IncidentFilter(OpenOnly: true)));
        Assert.All(_runtime.Audit(failed.Instance), row => Assert.Equal(UndoingLoop.Who, row.Who));
    }

    [Theory]
    [InlineData(6, 15)]
    [InlineData(60, 30)]
    [InlineData(86_400, 300)]
    public void PauseAfter_GrowsWithWhatItHasTaken(int age, int pause) =>
        Assert.Equal(TimeSpan.FromSeconds(pause), UndoingLoop.PauseAfter(TimeSpan.FromSeconds(age)));

    private async Task AdvanceUntilAsync(Func<bool> isSo)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(Patience);
        while (!isSo())
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, limit.Token);
        }
    }

    private const string Definition = """
        {
          "definitionId": "join", "version": 1,
          "customProperties": { "lanes": [ { "key": "net/one", "mode": "Exclusive" } ], "onFault": "Compensate" },
          "root": { "id": "all", "type": "Elsa.Sequence", "activities": [
            { "id": "claim", "type": "Test.Claim", "customProperties": { "retry": { "initialInterval": "00:00:00.001", "attempts": 1 }, "compensate": true } }
          ] }
        }
        """;

    private sealed record Nothing;

    private sealed class Claim : Activity<Nothing, Nothing>
    {
        private volatile bool _isAway;
        private int _undoings;

        public bool IsAway { set => _isAway = value; }

        public int Undoings => Volatile.Read(ref _undoings);

        public override string Type => "Test.Claim";

        public override bool CanCompensate => true;

        public override Task<Nothing> ExecuteAsync(Nothing input, ActivityExecution execution, CancellationToken ct) =>
            _isAway ? throw new IOException("etcd does not answer") : Task.FromResult(new Nothing());

        public override Task CompensateAsync(Nothing input, Nothing? output, ActivityExecution execution, CancellationToken ct)
        {
            Interlocked.Increment(ref _undoings);
            return _isAway ? throw new IOException("etcd does not answer") : Task.CompletedTask;
        }
    }
}
