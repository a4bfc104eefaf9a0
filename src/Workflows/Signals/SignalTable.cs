using Microsoft.Data.Sqlite;

namespace FlannelFlow.Workflows;

/// <summary>Signals and bookmarks, inside the writer's transaction; used on the writer thread only.</summary>
/// <remarks>
/// A signal and a bookmark meet in the transaction that brings the later of the two: there is no moment between "wait" and "arrived".
/// A matched signal belongs to its bookmark until that is consumed (with the completion of the step, in its commit) or taken away (the
/// step was given up): then the next bookmark gets the signal, in the same transaction.
/// </remarks>
internal sealed class SignalTable : IDisposable
{
    private readonly Statement _insert;
    private readonly Statement _findBookmark;
    private readonly Statement _findSignal;
    private readonly Statement _match;
    private readonly Statement _insertBookmark;
    private readonly Statement _deleteBookmark;
    private readonly Statement _deleteBookmarks;
    private readonly Statement _consume;
    private readonly Statement _held;
    private readonly Statement _release;
    private readonly Statement _purge;

    public SignalTable(SqliteConnection connection)
    {
        _insert = new Statement(connection, "INSERT OR IGNORE INTO signals (id, name, correlation, payload, sent_at) VALUES (?, ?, ?, ?, ?) RETURNING row");
        _findBookmark = new Statement(connection, """
            SELECT instance, execution_seq, attempt, instance_id FROM bookmarks
            WHERE name = ? AND (correlation = ? OR instance_id = ?) AND NOT EXISTS (SELECT 1 FROM signals
                WHERE signals.instance = bookmarks.instance AND signals.execution_seq = bookmarks.execution_seq AND consumed_at IS NULL)
            ORDER BY instance, execution_seq LIMIT 1
            """);
        _findSignal = new Statement(connection, """
            SELECT row, payload FROM signals WHERE name = ? AND (correlation = ? OR correlation = ?) AND instance IS NULL ORDER BY row LIMIT 1
            """);
        _match = new Statement(connection, "UPDATE signals SET instance = ?, execution_seq = ? WHERE row = ?");
        _insertBookmark = new Statement(connection, """
            INSERT OR REPLACE INTO bookmarks (instance, execution_seq, attempt, instance_id, name, correlation) VALUES (?, ?, ?, ?, ?, ?)
            """);
        _deleteBookmark = new Statement(connection, "DELETE FROM bookmarks WHERE instance = ? AND execution_seq = ?");
        _deleteBookmarks = new Statement(connection, "DELETE FROM bookmarks WHERE instance = ?");
        _consume = new Statement(connection, "UPDATE signals SET consumed_at = ? WHERE instance = ? AND execution_seq = ? AND consumed_at IS NULL");
        _held = new Statement(connection, """
            SELECT row, name, correlation, payload FROM signals
            WHERE instance = ? AND execution_seq = coalesce(?, execution_seq) AND consumed_at IS NULL ORDER BY row
            """);
        _release = new Statement(connection, "UPDATE signals SET instance = NULL, execution_seq = NULL WHERE row = ?");
        _purge = new Statement(connection, """
            DELETE FROM signals WHERE row IN (SELECT row FROM signals WHERE sent_at < ? AND (instance IS NULL OR consumed_at IS NOT NULL) ORDER BY row LIMIT ?)
            """);
    }

    public SignalResult Send(Signal signal, DateTimeOffset now)
    {
        string? payload = signal.Payload is { } json ? json.GetRawText() : null;
        if (_insert.Scalar(signal.Id, signal.Name, signal.Correlation, payload, now) is not long row) return new SignalResult(null, IsKnown: true);
        return new SignalResult(Offer(row, signal.Name, signal.Correlation, payload), IsKnown: false);
    }

    /// <summary>Brings the bookmarks up to the commit's; the matches that come of it, with this instance and with others.</summary>
    public List<SignalMatch> Match(long instance, InstanceCommit commit)
    {
        var matches = new List<SignalMatch>();
        foreach (BookmarkDraft draft in commit.Bookmarks)
        {
            _deleteBookmark.Run(instance, draft.Seq);
            if (draft.Consumes) _consume.Run(commit.At, instance, draft.Seq);
            else Release(instance, draft.Seq, matches);
            if (draft.Waits && !commit.State.IsTerminal) Wait(instance, commit.State.Id, draft, matches);
        }
        if (commit.State.IsTerminal && commit.State.Executions.Any(e => e is { Status: ExecutionStatus.Waiting, ActivityType: ElsaTypes.Event }))
        {
            // Terminated: its executions stay as they were.
            _deleteBookmarks.Run(instance);
            Release(instance, null, matches);
        }
        return matches;
    }

    private void Wait(long instance, InstanceId id, BookmarkDraft draft, List<SignalMatch> matches)
    {
        _insertBookmark.Run(instance, draft.Seq, draft.Attempt, id.Value, draft.Name, draft.Correlation);
        (long Row, string? Payload)? found = null;
        using (SqliteDataReader signal = _findSignal.Read(draft.Name, draft.Correlation, id.Value))
        {
            if (signal.Read()) found = (signal.GetInt64(0), signal.IsDBNull(1) ? null : signal.GetString(1));
        }
        if (found is not { } kept) return;
        _match.Run(instance, draft.Seq, kept.Row);
        matches.Add(new SignalMatch(id, draft.Seq, draft.Attempt, kept.Payload));
    }

    /// <summary>What was matched and not taken goes to the next that waits.</summary>
    private void Release(long instance, int? seq, List<SignalMatch> matches)
    {
        var held = new List<(long Row, string Name, string Correlation, string? Payload)>();
        using (SqliteDataReader found = _held.Read(instance, seq))
        {
            while (found.Read()) held.Add((found.GetInt64(0), found.GetString(1), found.GetString(2), found.IsDBNull(3) ? null : found.GetString(3)));
        }
        foreach (var signal in held)
        {
            _release.Run(signal.Row);
            if (Offer(signal.Row, signal.Name, signal.Correlation, signal.Payload) is { } match) matches.Add(match);
        }
    }

    private SignalMatch? Offer(long signal, string name, string correlation, string? payload)
    {
        long instance;
        SignalMatch match;
        using (SqliteDataReader found = _findBookmark.Read(name, correlation, correlation))
        {
            if (!found.Read()) return null;
            instance = found.GetInt64(0);
            match = new SignalMatch(new InstanceId(found.GetString(3)), found.GetInt32(1), found.GetInt32(2), payload);
        }
        _match.Run(instance, match.Seq, signal);
        return match;
    }

    public int Purge(DateTimeOffset before, int limit) => _purge.Run(before, limit);

    public void Dispose()
    {
        foreach (Statement statement in (Statement[])[_insert, _findBookmark, _findSignal, _match, _insertBookmark, _deleteBookmark, _deleteBookmarks, _consume, _held, _release, _purge])
            statement.Dispose();
    }
}
