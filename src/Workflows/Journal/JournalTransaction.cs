using System.Text.Json;
using Microsoft.Data.Sqlite;

namespace FlannelFlow.Workflows;

/// <summary>The writes, inside the writer's transaction; used on the writer thread only.</summary>
internal sealed class JournalTransaction : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly Statement _findKey;
    private readonly Statement _insertInstance;
    private readonly Statement _updateInstance;
    private readonly Statement _upsertExecution;
    private readonly Statement _insertIncident;
    private readonly Statement _closeIncidents;
    private readonly Statement _mendIncidents;
    private readonly Statement _insertAudit;
    private readonly Statement _insertEvent;
    private readonly Statement _oldestEvents;
    private readonly Statement _deleteEvents;
    private readonly Statement[] _purge;
    private readonly SignalTable _signals;

    /// <summary>Instances finished before ?, at most ?. A child is kept while its parent is open, which may yet join it, or undo it.</summary>
    private const string Purgeable = """
        SELECT row FROM instances WHERE finished_at < ?
            AND (parent_id IS NULL OR NOT EXISTS (SELECT 1 FROM instances parent WHERE parent.id = instances.parent_id AND parent.finished_at IS NULL))
        ORDER BY finished_at, row LIMIT ?
        """;

    /// <summary>Instances last, because the others look there.</summary>
    private static readonly string[] PurgeSql =
    [
        $"DELETE FROM executions WHERE instance IN ({Purgeable})",
        $"DELETE FROM audit WHERE instance IN ({Purgeable})",
        $"DELETE FROM incidents WHERE instance IN ({Purgeable})",
        $"DELETE FROM instances WHERE row IN ({Purgeable})",
    ];

    public JournalTransaction(SqliteConnection connection, long lastSeq)
    {
        _connection = connection;
        LastSeq = lastSeq;
        _findKey = new Statement(connection, "SELECT id, finished_at IS NULL FROM instances WHERE definition_id=? AND key=? ORDER BY row DESC LIMIT 1");
        _insertInstance = new Statement(connection, """
            INSERT INTO instances (id, definition_id, definition_hash, key, status, rev, claims, input, variables, answer, output, error,
                accepted_at, updated_at, finished_at, parent_id, parent_seq, deadline)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING row
            """);
        _updateInstance = new Statement(connection, """
            UPDATE instances SET definition_hash=?, status=?, rev=?, variables=?, answer=?, output=?, error=?, is_cancelled=?, recoveries=?, deadline=?, fault_kind=?, updated_at=?, finished_at=?
            WHERE row=? AND rev=?
            """);
        _upsertExecution = new Statement(connection, """
            INSERT INTO executions (instance, seq, activity_id, activity_type, status, attempt, failures, input, output, error, due_at,
                boot_id, started_at, ended_at, scope, progress, ended, awaits_operator)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET status=excluded.status, attempt=excluded.attempt, failures=excluded.failures, output=excluded.output,
                error=excluded.error, due_at=excluded.due_at, boot_id=excluded.boot_id, ended_at=excluded.ended_at,
                progress=excluded.progress, ended=excluded.ended, awaits_operator=excluded.awaits_operator
            """);
        _insertIncident = new Statement(
            connection, "INSERT INTO incidents (instance, execution_seq, activity_id, kind, failures, message, opened_at) VALUES (?, ?, ?, ?, ?, ?, ?)");
        _closeIncidents = new Statement(connection, "UPDATE incidents SET closed_at=? WHERE instance=? AND closed_at IS NULL");
        _mendIncidents = new Statement(connection, "UPDATE incidents SET closed_at=? WHERE instance=? AND execution_seq=? AND closed_at IS NULL");
        _insertAudit = new Statement(
            connection, "INSERT INTO audit (instance, at, alteration, activity_id, detail, who, why) VALUES (?, ?, ?, ?, ?, ?, ?)");
        _insertEvent = new Statement(connection, """
            INSERT INTO journal (seq, at, instance, definition_id, kind, activity_id, activity_type, attempt, detail)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """);
        _oldestEvents = new Statement(connection, "SELECT seq, at FROM journal ORDER BY seq LIMIT ?");
        _deleteEvents = new Statement(connection, "DELETE FROM journal WHERE seq <= ?");
        _signals = new SignalTable(connection);
        _purge = [.. PurgeSql.Select(sql => new Statement(connection, sql))];
    }

    /// <summary>Number of the last event written, committed or not.</summary>
    public long LastSeq { get; set; }

    /// <summary>Inserts the instance, or finds the one to join.</summary>
    public AcceptResult Accept(InstanceCommit commit, JoinPolicy join)
    {
        InstanceState state = commit.State;
        using (SqliteDataReader known = _findKey.Read(state.DefinitionId, state.IdempotencyKey))
        {
            if (known.Read() && (join == JoinPolicy.Always || known.GetBoolean(1))) return new AcceptResult(new InstanceId(known.GetString(0)), null, []);
        }
        long row = (long)_insertInstance.Scalar(
            state.Id.Value, state.DefinitionId, state.DefinitionHash, state.IdempotencyKey, state.Status.ToString(), state.Rev,
            JsonSerializer.Serialize(state.Claims, WorkflowJson.Options), Values.Write(state.Inputs), Values.Write(state.Variables),
            state.AnswerJson, state.OutputJson, state.Error, state.AcceptedAt, commit.At, state.IsTerminal ? commit.At : null,
            state.Parent?.Instance.Value, state.Parent?.Seq, state.Deadline)!;
        return new AcceptResult(state.Id, row, WriteParts(row, commit));
    }

    /// <summary>Throws <see cref="StaleRevisionException"/>, having written nothing, if the journal is at another revision.</summary>
    public IReadOnlyList<SignalMatch> Apply(InstanceCommit commit)
    {
        InstanceState state = commit.State;
        int updated = _updateInstance.Run(
            state.DefinitionHash, state.Status.ToString(), state.Rev, Values.Write(state.Variables), state.AnswerJson, state.OutputJson, state.Error,
            state.IsCancelled, JsonSerializer.Serialize(state.Recoveries.Select(at => at.UtcTicks)), state.Deadline,
            state.FaultKind?.ToString(), commit.At, state.IsTerminal ? commit.At : null, state.Row, state.Rev - 1);
        if (updated != 1) throw new StaleRevisionException(state.Id, state.Rev - 1);
        return WriteParts(state.Row, commit);
    }

    /// <summary>An effect in this database, and what is decided of its output, together.</summary>
    public (Decision Decision, IReadOnlyList<SignalMatch> Matches) Transact(Func<JournalDatabase, Decision> effect)
    {
        var database = new JournalDatabase(_connection);
        Decision decision;
        try
        {
            decision = effect(database);
        }
        // The statement's fault, not the journal's.
        catch (SqliteException e) when (e.SqliteErrorCode is SQLitePCL.raw.SQLITE_CONSTRAINT or SQLitePCL.raw.SQLITE_ERROR or SQLitePCL.raw.SQLITE_MISMATCH or SQLitePCL.raw.SQLITE_RANGE)
        {
            throw new JournalStatementException(e.Message, e);
        }
        finally
        {
            database.End();
        }
        return (decision, decision.Commit is { } commit ? Apply(commit) : []);
    }

    /// <summary>Stores a signal, and matches it to the bookmark that waits longest for it.</summary>
    public SignalResult Send(Signal signal, DateTimeOffset now) => _signals.Send(signal, now);

    /// <summary>Purges at most <paramref name="limit"/> instances and events; how many of both went.</summary>
    public int Purge(DateTimeOffset before, int limit)
    {
        int instances = 0;
        foreach (Statement delete in _purge) instances = delete.Run(before, limit);
        return instances + PurgeEvents(before, limit) + _signals.Purge(before, limit);
    }

    /// <summary>Events go from the oldest on only, so that what is kept has no gap.</summary>
    private int PurgeEvents(DateTimeOffset before, int limit)
    {
        long last = 0;
        using (SqliteDataReader oldest = _oldestEvents.Read(limit))
        {
            while (oldest.Read() && oldest.GetInt64(1) < before.UtcTicks) last = oldest.GetInt64(0);
        }
        return last == 0 ? 0 : _deleteEvents.Run(last);
    }

    private List<SignalMatch> WriteParts(long row, InstanceCommit commit)
    {
        foreach (ExecutionState e in commit.Executions)
        {
            _upsertExecution.Run(
                row, e.Seq, e.ActivityId, e.ActivityType, e.Status.ToString(), e.Attempt, e.Failures, e.Input, e.Output, e.Error, e.DueAt,
                e.BootId, e.StartedAt, e.EndedAt, e.Scope, e.Progress is null ? null : JsonSerializer.Serialize(e.Progress, WorkflowJson.Options), e.Ended, e.AwaitsOperator);
        }
        if (commit.ClosesIncidents) _closeIncidents.Run(commit.At, row);
        foreach (int seq in commit.Mended) _mendIncidents.Run(commit.At, row, seq);
        if (commit.Audit is { } audit) _insertAudit.Run(row, commit.At, audit.Alteration, audit.ActivityId, audit.Detail, audit.Who, audit.Why);
        foreach (IncidentDraft incident in commit.Incidents)
            _insertIncident.Run(row, incident.ExecutionSeq, incident.ActivityId, incident.Kind.ToString(), incident.Failures, incident.Message, commit.At);
        foreach (EventDraft draft in commit.Events)
        {
            _insertEvent.Run(
                ++LastSeq, commit.At, commit.State.Id.Value, commit.State.DefinitionId, draft.Kind.ToString(), draft.ActivityId,
                draft.ActivityType, draft.Attempt, draft.Detail);
        }
        return _signals.Match(row, commit);
    }

    public void Dispose()
    {
        _signals.Dispose();
        foreach (Statement statement in (Statement[])[_findKey, _insertInstance, _updateInstance, _upsertExecution, _insertIncident, _closeIncidents, _mendIncidents, _insertAudit, _insertEvent, _oldestEvents, _deleteEvents, .. _purge])
        {
            statement.Dispose();
        }
    }
}

/// <param name="Row">Null if an instance with the key was there: <paramref name="Instance"/> is that one.</param>
/// <param name="Matches">Signals that were stored already for what it waits for.</param>
internal readonly record struct AcceptResult(InstanceId Instance, long? Row, IReadOnlyList<SignalMatch> Matches);

/// <summary>Somebody else wrote this instance: must never happen.</summary>
internal sealed class StaleRevisionException(InstanceId instance, long rev) : Exception($"instance {instance} is not at revision {rev} in the journal");
