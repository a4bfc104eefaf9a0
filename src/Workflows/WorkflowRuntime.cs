using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Workflows;

/// <summary>Whether a start with a key that is known joins the instance that has it. Keys are per definition.</summary>
public enum JoinPolicy
{
    /// <summary>Ever, as long as the instance is kept.</summary>
    Always,

    /// <summary>Only one that is not yet terminal.</summary>
    WhileOpen,
}

/// <param name="Input">By the names of the definition's inputs.</param>
/// <param name="Deadline">From now to its end, instead of the definition's.</param>
public sealed record StartWorkflow(
    string DefinitionId, string IdempotencyKey, JsonObject Input, JoinPolicy Join = JoinPolicy.Always, TimeSpan? Deadline = null);

public enum WorkflowOutcome
{
    /// <summary>By Respond; the instance may still go on.</summary>
    Answered,
    Finished,

    /// <summary>Failed, undone.</summary>
    Compensated,

    /// <summary>Failed, waits for an operator.</summary>
    Faulted,
    Cancelled,
}

/// <param name="Error">The message of the fault, for Docker's Err.</param>
public sealed record WorkflowAnswer(InstanceId Instance, WorkflowOutcome Outcome, JsonObject? Output, string? Error)
{
    /// <summary>From what is journalled; null while nothing is decided. A response stays the answer, whatever follows it.</summary>
    internal static WorkflowAnswer? Of(InstanceId id, InstanceStatus status, string? answer, string? output, string? error)
    {
        if (answer is not null) return new WorkflowAnswer(id, WorkflowOutcome.Answered, Parse(answer), null);
        return status switch
        {
            InstanceStatus.Waiting or InstanceStatus.Running or InstanceStatus.Compensating => null,
            InstanceStatus.Suspended => new WorkflowAnswer(id, WorkflowOutcome.Faulted, null, error),
            InstanceStatus.Finished => new WorkflowAnswer(id, WorkflowOutcome.Finished, Parse(output ?? "{}"), null),
            InstanceStatus.Compensated => new WorkflowAnswer(id, WorkflowOutcome.Compensated, null, error),
            InstanceStatus.Cancelled => new WorkflowAnswer(id, WorkflowOutcome.Cancelled, null, error),
        };
    }

    private static JsonObject Parse(string json) => JsonNode.Parse(json)!.AsObject();
}

/// <summary>The durable engine on one journal. See OpenAsync for its life: open, Resume, serve, dispose.</summary>
/// <remarks>
/// Nothing is answered, announced or logged as done before its commit. Instances run in parallel, each with a mailbox of its own;
/// the journal's one writer thread groups their commits. Disposing cancels what runs: it is in doubt, and goes on at the next start.
/// </remarks>
public sealed class WorkflowRuntime : IAsyncDisposable
{
    private readonly Journal _journal;
    private readonly JournalWriter _writer;
    private readonly JournalReader _reader;
    private readonly Executor _executor;
    private readonly Admission _admission;
    private readonly WorkflowRuntimeOptions _options;
    private readonly TimeProvider _time;
    private readonly ActivityCatalog _activities;
    private readonly Dictionary<string, WorkflowDefinition> _definitions;
    private IReadOnlyList<RecoveredInstance> _recovered;
    private readonly TaskCompletionSource _resumed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _retention = Task.CompletedTask;
    private int _resumes;
    private int _disposals;

    private WorkflowRuntime(
        WorkflowRuntimeOptions options, Journal journal, ActivityCatalog activities, IReadOnlyList<WorkflowDefinition> definitions,
        TimeProvider time, ILogger log, long started)
    {
        _options = options;
        _journal = journal;
        _time = time;
        _activities = activities;
        _definitions = definitions.ToDictionary(d => d.Id, StringComparer.Ordinal);
        ICrashPoints? crashes = options.CrashPoints ?? ProcessCrash.From(options);
        _writer = new JournalWriter(journal.Connection, options.QueuedCommits, crashes, cause => _executor!.Died("writing the journal", cause), cause => _executor!.Full(cause));
        _reader = new JournalReader(journal, _writer);
        _executor = new Executor(options, _writer, crashes, time, log);
        _admission = new Admission(options, _executor, _writer, _reader, _definitions, time);
        _executor.Admission = _admission;
        foreach (DefinitionVersion reused in _reader.Versions().Where(v => v.IsReused && definitions.Any(d => d.Hash == v.Hash)))
        {
            log.LogWarning(
                "{Definition} has changed, but is version {Version} still: it is revision {Revision} ({Hash}); open instances go on with the one they began with",
                reused.DefinitionId, reused.Version, reused.Revision, reused.Hash[..12]);
        }
        _recovered = new Recoverer(journal, activities, definitions, log).Load(_executor);
        Recovery = RecoveredInstance.Report(_recovered, journal.Epoch, options.BootId, time.GetElapsedTime(started));
    }

    /// <summary>Locks and opens the journal, begins a new epoch, loads and classifies what is open. Runs nothing yet.</summary>
    /// <remarks>Throws <see cref="JournalUnusableException"/>, having changed nothing, for a file that is in use, damaged or newer.</remarks>
    public static Task<WorkflowRuntime> OpenAsync(
        WorkflowRuntimeOptions options,
        ActivityCatalog activities,
        IReadOnlyList<WorkflowDefinition> definitions,
        TimeProvider time,
        ILoggerFactory loggers,
        CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        ct.ThrowIfCancellationRequested();
        long started = time.GetTimestamp();
        Journal journal = Journal.Open(options, activities, definitions, time.GetUtcNow());
        try
        {
            return Task.FromResult(
                new WorkflowRuntime(options, journal, activities, definitions, time, loggers.CreateLogger<WorkflowRuntime>(), started));
        }
        catch
        {
            journal.Dispose();
            throw;
        }
    }

    public RecoveryReport Recovery { get; }

    public IReadOnlyCollection<WorkflowDefinition> Definitions => _definitions.Values;

    /// <summary>Begins executing, recovered instances and new ones. Starts wait until then.</summary>
    public void Resume()
    {
        if (Interlocked.Exchange(ref _resumes, 1) != 0) throw new InvalidOperationException("the workflow runtime was resumed before");
        foreach (RecoveredInstance instance in _recovered) instance.Resume();
        _recovered = [];
        _retention = new Retention(_options, _writer, _time, _executor.Log).RunAsync(_executor.Stopping);
        _resumed.TrySetResult();
    }

    /// <summary>
    /// Completes when the instance is durable. Throws <see cref="InvalidStartException"/> if the start does not fit a definition,
    /// <see cref="JournalFullException"/> while there is no space for it.
    /// </summary>
    public async Task<InstanceId> StartAsync(StartWorkflow start, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(start);
        await _resumed.Task.WaitAsync(ct);
        return await _admission.AdmitAsync(start, null, 0, ct);
    }

    /// <summary>Completes when the instance responded, is terminal or is suspended, and that is durable.</summary>
    /// <remarks>Throws <see cref="RuntimeStoppedException"/> if the runtime stops before, KeyNotFoundException for an unknown instance.</remarks>
    public async Task<WorkflowAnswer> AnswerAsync(InstanceId id, CancellationToken ct)
    {
        if (_executor.Find(id) is { } runner) return await runner.Answer.WaitAsync(ct);
        return Instance(id) is { } row
            ? row.ToAnswer() ?? throw new RuntimeStoppedException($"the workflow runtime stopped before {row.DefinitionId} {id} answered")
            : throw new KeyNotFoundException($"no workflow instance {id}");
    }

    /// <summary>Starts, or joins, and waits for the answer.</summary>
    public async Task<WorkflowAnswer> RunAsync(StartWorkflow start, CancellationToken ct) => await AnswerAsync(await StartAsync(start, ct), ct);

    /// <summary>
    /// Changes the course of an open instance, in turn with its own steps; completes when that is durable, with its audit row.
    /// </summary>
    /// <param name="who">Who does it, for the audit.</param>
    /// <param name="why">The reason, for the audit.</param>
    /// <remarks>Throws <see cref="AlterationRefusedException"/> where it makes no sense in the state the instance is in,
    /// <see cref="InvalidAlterationException"/> for what never does, KeyNotFoundException for an unknown instance.</remarks>
    public async Task AlterAsync(InstanceId id, Alteration alteration, string who, string why, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(alteration);
        if (string.IsNullOrWhiteSpace(who)) throw new InvalidAlterationException($"{alteration.Name} of {id}: it is not said who does it");
        if (string.IsNullOrWhiteSpace(why)) throw new InvalidAlterationException($"{alteration.Name} of {id}: no reason is given");
        await _resumed.Task.WaitAsync(ct);
        if (_executor.Find(id) is { } runner)
        {
            await runner.AlterAsync(new InstanceEvent.Altered(alteration, who, why, _definitions.GetValueOrDefault(runner.DefinitionId))).WaitAsync(ct);
            return;
        }
        InstanceRow row = Instance(id) ?? throw new KeyNotFoundException($"no workflow instance {id}");
        throw new AlterationRefusedException($"{alteration.Name} of {row.DefinitionId} {id}: it is {row.Status}");
    }

    /// <summary>
    /// Sends a signal; completes when it is durable. Matched at once to the Elsa.Event that waits longest for its name and correlation, or
    /// else kept for the first that comes to wait (as long as finished instances are kept). One signal wakes one Elsa.Event.
    /// </summary>
    /// <remarks>Throws <see cref="InvalidSignalException"/> for one without a name or correlation, <see cref="JournalFullException"/>.</remarks>
    public async Task<SignalReceipt> SignalAsync(Signal signal, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(signal);
        if (string.IsNullOrWhiteSpace(signal.Name)) throw new InvalidSignalException("a signal without a name");
        if (string.IsNullOrWhiteSpace(signal.Correlation)) throw new InvalidSignalException($"signal '{signal.Name}': it is not said whom it is for (a correlation, an idempotency key, or an instance's id)");
        await _resumed.Task.WaitAsync(ct);
        Signal identified = signal with { Id = signal.Id ?? Guid.CreateVersion7(_time.GetUtcNow()).ToString("N") };
        SignalResult result = await _writer.SendAsync(identified, _time.GetUtcNow(), ct);
        if (result.Match is { } match) _executor.Deliver([match]);
        return new SignalReceipt(identified.Id!, result.Match?.Instance, result.IsKnown);
    }

    /// <summary>Signals that nobody has waited for yet, the oldest first.</summary>
    public IReadOnlyList<SignalRow> UnmatchedSignals(int limit) => _reader.UnmatchedSignals(limit);

    /// <summary>
    /// Committed events after a sequence number, in order, until the runtime stops. Begins at the oldest kept if that is later.
    /// </summary>
    public IAsyncEnumerable<JournalEvent> FollowAsync(long afterSeq, CancellationToken ct) => _reader.FollowAsync(afterSeq, ct);

    /// <summary>The latest event of this step of an instance before a sequence number, or that of the instance's acceptance; null if neither is kept.</summary>
    public JournalEvent? StepEventBefore(long seq, InstanceId id, string activityId) => _reader.StepEventBefore(seq, id, activityId);

    /// <summary>Of the latest committed event; 0 for a fresh journal.</summary>
    public long CommittedSeq => _writer.CommittedSeq;

    public InstanceRow? Instance(InstanceId id) => _reader.Instance(id);

    /// <summary>The latest instance that a start with this key began, or null.</summary>
    public InstanceRow? InstanceByKey(string definitionId, string key) => _reader.InstanceByKey(definitionId, key);

    public IReadOnlyList<InstanceRow> Instances(InstanceFilter filter) => _reader.Instances(filter);

    /// <summary>How many the filter has on all its pages.</summary>
    public long Count(InstanceFilter filter) => _reader.Count(filter);

    /// <summary>Those whose id ends in these digits, the newest first.</summary>
    public IReadOnlyList<InstanceRow> InstancesEndingIn(string end, int limit) => _reader.InstancesEndingIn(end, limit);

    /// <summary>What would keep this definition from loading, with the activities of this runtime; empty if nothing.</summary>
    public IReadOnlyList<DefinitionError> Check(DefinitionFile file)
    {
        var errors = new List<DefinitionError>();
        if (DefinitionLoader.Read(file, _activities, errors) is { } definition)
            ChildCheck.Check(definition, new Dictionary<string, WorkflowDefinition>(_definitions, StringComparer.Ordinal) { [definition.Id] = definition });
        return errors;
    }

    /// <summary>The definitions that instances of this journal have begun with, or could have, by id and in the order in which they appeared.</summary>
    public IReadOnlyList<DefinitionVersion> Versions() => _reader.Versions();

    /// <summary>The canonical text of a definition of <see cref="Versions"/>; null if there is none of this hash.</summary>
    public string? DefinitionJson(string hash) => _journal.DefinitionJson(hash);

    public IReadOnlyList<ExecutionRow> Executions(InstanceId id) => _reader.Executions(id);

    /// <summary>What the journal keeps of an instance, in order. It has no index for this: not for what asks often.</summary>
    public IReadOnlyList<JournalEvent> Events(InstanceId id) => _reader.Events(id);

    /// <summary>The alterations of an instance, the oldest first.</summary>
    public IReadOnlyList<AuditRow> Audit(InstanceId id) => _reader.Audit(id);

    /// <summary>The lanes that an open instance claims: who holds them now, and who waits.</summary>
    public IReadOnlyList<LaneView> Lanes(InstanceId id) => _executor.Find(id)?.LaneTable.Of(id) ?? [];

    /// <summary>All lanes that are claimed now.</summary>
    public IReadOnlyList<LaneView> Lanes() => _executor.Lanes.All();

    public IReadOnlyList<IncidentRow> Incidents(IncidentFilter filter) => _reader.Incidents(filter);

    /// <summary>Transactions committed since the start, each one fsync.</summary>
    internal long Commits => _writer.Commits;

    /// <summary>1 nothing new runs, 2 what runs is cancelled and awaited, 3 the writer commits what is queued, 4 the file is closed.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposals, 1) != 0) return;
        if (_resumed.TrySetException(new RuntimeStoppedException("the workflow runtime is stopped"))) _ = _resumed.Task.Exception;
        _writer.Stopping();
        await _executor.StopAsync();
        await Task.WhenAll(_executor.Runners.Select(r => r.Loop));
        // Those that never began, because there was no Resume.
        foreach (InstanceRunner runner in _executor.Runners) runner.Abandon();
        await _retention;
        _journal.CloseReaders();
        _writer.Dispose();
        _journal.Dispose();
    }
}
