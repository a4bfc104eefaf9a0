using System.Runtime.CompilerServices;
using Microsoft.Data.Sqlite;

namespace FlannelFlow.Workflows;

/// <summary>Reads of committed rows, paged by key, each on its own short read transaction.</summary>
internal sealed class JournalReader(Journal journal, JournalWriter writer)
{
    public const string InstanceColumns =
        "row, id, definition_id, definition_hash, key, status, input, variables, answer, output, error, accepted_at, updated_at, finished_at, parent_id, parent_seq, deadline, fault_kind";

    public const string ExecutionColumns =
        "seq, activity_id, activity_type, status, attempt, failures, input, output, error, due_at, boot_id, started_at, ended_at, scope, progress, ended, awaits_operator";

    private const string EventColumns = "seq, at, instance, definition_id, kind, activity_id, activity_type, attempt, detail";

    private const int EventPage = 500;

    /// <summary>Instances that are sorted in a few milliseconds.</summary>
    private const int Many = 1000;

    public InstanceRow? Instance(InstanceId id) =>
        Select($"SELECT {InstanceColumns} FROM instances WHERE id=?", ReadInstance, id.Value).SingleOrDefault();

    public InstanceRow? InstanceByKey(string definitionId, string key) => Select(
        $"SELECT {InstanceColumns} FROM instances WHERE definition_id=? AND key=? ORDER BY row DESC LIMIT 1",
        ReadInstance,
        definitionId, key).SingleOrDefault();

    /// <remarks>Only the conditions that are asked for stand in the statement, so that the database can choose its index by them.</remarks>
    public IReadOnlyList<InstanceRow> Instances(InstanceFilter filter)
    {
        (string where, List<object?> values) = Where(filter);
        return Select(
            $"SELECT {InstanceColumns} FROM instances WHERE {where} ORDER BY row DESC LIMIT ? OFFSET ?", ReadInstance, [.. values, filter.Limit, filter.Skip]);
    }

    /// <summary>All that it does not leave out, whatever its page.</summary>
    public long Count(InstanceFilter filter)
    {
        (string where, List<object?> values) = Where(filter with { BeforeRow = long.MaxValue });
        return Select($"SELECT count(*) FROM instances WHERE {where}", reader => reader.GetInt64(0), [.. values])[0];
    }

    private (string Where, List<object?> Values) Where(InstanceFilter filter)
    {
        var where = new List<string>();
        var values = new List<object?>();
        If(true, "row < ?", filter.BeforeRow);
        // By its index all of a definition are sorted for one page. Where they are many, all instances are gone through instead, until the page is full: with the
        // plus (sqlite.org/optoverview.html, 8.1.2) the index is not used.
        If(filter.DefinitionId is not null, filter is { Key: null, DefinitionId: { } definition } && HasMany(definition) ? "+definition_id = ?" : "definition_id = ?", filter.DefinitionId);
        If(filter.Status is not null, "status = ?", filter.Status?.ToString());
        If(filter.Statuses is not null, $"status IN ({string.Join(", ", (filter.Statuses ?? []).Select(_ => "?"))})", [.. (filter.Statuses ?? []).Select(s => s.ToString())]);
        If(filter.Key is not null, "key = ?", filter.Key);
        If(filter.Since > DateTimeOffset.MinValue, "accepted_at >= ?", filter.Since);
        If(filter.Until < DateTimeOffset.MaxValue, "accepted_at < ?", filter.Until);
        If(filter.Parent is not null, "parent_id = ?", filter.Parent?.Value);
        // Each column for itself: to join them for each row took more than half of the time.
        string? text = filter.Text;
        If(text is not null, "(instr(input, ?) OR instr(key, ?) OR instr(error, ?) OR instr(id, ?) OR instr(definition_id, ?))", text, text, text, text, text);
        If(filter.WithOpenIncident, "row IN (SELECT instance FROM incidents WHERE closed_at IS NULL)");
        return (string.Join(" AND ", where), values);

        void If(bool asked, string condition, params ReadOnlySpan<object?> given)
        {
            if (!asked) return;
            where.Add(condition);
            values.AddRange(given);
        }
    }

    private bool HasMany(string definitionId) =>
        Select("SELECT count(*) FROM (SELECT 1 FROM instances WHERE definition_id = ? LIMIT ?)", reader => reader.GetInt32(0), definitionId, Many)[0] == Many;

    /// <summary>The newest first.</summary>
    public IReadOnlyList<InstanceRow> InstancesEndingIn(string end, int limit) => Select(
        $"SELECT {InstanceColumns} FROM instances WHERE substr(id, -length(?)) = ? ORDER BY row DESC LIMIT ?", ReadInstance, end, end, limit);

    public IReadOnlyList<ExecutionRow> Executions(InstanceId id) => Select(
        $"SELECT {ExecutionColumns} FROM executions WHERE instance = (SELECT row FROM instances WHERE id=?) ORDER BY seq",
        reader => ReadExecution(reader, id),
        id.Value);

    public IReadOnlyList<IncidentRow> Incidents(IncidentFilter filter) => Select(
        """
        SELECT incidents.id, instances.id, execution_seq, activity_id, kind, failures, message, opened_at, closed_at
        FROM incidents JOIN instances ON instances.row = incidents.instance
        WHERE incidents.id < ? AND (closed_at IS NULL OR NOT ?) AND instances.id = coalesce(?, instances.id) ORDER BY incidents.id DESC LIMIT ?
        """,
        ReadIncident,
        filter.BeforeId, filter.OpenOnly, filter.Instance?.Value, filter.Limit);

    public IReadOnlyList<DefinitionVersion> Versions() => Select(
        """
        SELECT definition_id, version, row_number() OVER (PARTITION BY definition_id ORDER BY first_seen, rowid), hash, first_seen,
            (SELECT count(*) FROM instances WHERE definition_hash = hash AND finished_at IS NULL),
            row_number() OVER (PARTITION BY definition_id, version ORDER BY first_seen, rowid) > 1
        FROM definitions ORDER BY definition_id, first_seen, rowid
        """,
        reader => new DefinitionVersion(
            reader.GetString(0), reader.GetInt32(1), reader.GetInt32(2), reader.GetString(3), Time(reader, 4), reader.GetInt32(5), reader.GetBoolean(6)));

    /// <summary>The oldest first.</summary>
    public IReadOnlyList<AuditRow> Audit(InstanceId id) => Select(
        "SELECT id, at, alteration, activity_id, detail, who, why FROM audit WHERE instance = (SELECT row FROM instances WHERE id=?) ORDER BY id",
        reader => new AuditRow(
            reader.GetInt64(0), id, Time(reader, 1), reader.GetString(2), Text(reader, 3), reader.GetString(4), reader.GetString(5), reader.GetString(6)),
        id.Value);

    public IReadOnlyList<SignalRow> UnmatchedSignals(int limit) => Select(
        "SELECT id, name, correlation, payload, sent_at FROM signals WHERE instance IS NULL ORDER BY row LIMIT ?",
        reader => new SignalRow(reader.GetString(0), reader.GetString(1), reader.GetString(2), Text(reader, 3), Time(reader, 4)),
        limit);

    /// <remarks>Backwards from there: what was begun lately is found at once, and nothing has to be indexed for it.</remarks>
    public JournalEvent? StepEventBefore(long seq, InstanceId instance, string activityId) => Select(
        $"SELECT {EventColumns} FROM journal WHERE seq < ? AND instance = ? AND (activity_id = ? OR kind = 'Accepted') ORDER BY seq DESC LIMIT 1",
        ReadEvent,
        seq, instance.Value, activityId).SingleOrDefault();

    /// <summary>In order. All that are kept are gone through.</summary>
    public IReadOnlyList<JournalEvent> Events(InstanceId instance) =>
        Select($"SELECT {EventColumns} FROM journal WHERE instance = ? ORDER BY seq", ReadEvent, instance.Value);

    public async IAsyncEnumerable<JournalEvent> FollowAsync(long afterSeq, [EnumeratorCancellation] CancellationToken ct)
    {
        while (true)
        {
            if (!await writer.ProgressAfter(afterSeq).WaitAsync(ct)) yield break;
            long committed = writer.CommittedSeq;
            List<JournalEvent> page = Select(
                $"SELECT {EventColumns} FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                ReadEvent,
                afterSeq, committed, EventPage);
            foreach (JournalEvent row in page)
            {
                yield return row;
                afterSeq = row.Seq;
            }
            // What was asked for may all have been purged: go on behind it.
            if (page.Count == 0) afterSeq = Math.Max(afterSeq, committed);
        }
    }

    public static InstanceRow ReadInstance(SqliteDataReader reader) => new(
        reader.GetInt64(0),
        new InstanceId(reader.GetString(1)),
        reader.GetString(2),
        reader.GetString(3),
        reader.GetString(4),
        Enum.Parse<InstanceStatus>(reader.GetString(5)),
        reader.GetString(6),
        reader.GetString(7),
        Text(reader, 8),
        Text(reader, 9),
        Text(reader, 10),
        Time(reader, 11),
        Time(reader, 12),
        TimeOrNull(reader, 13),
        Text(reader, 14) is { } parent ? new InstanceId(parent) : null,
        reader.IsDBNull(15) ? null : reader.GetInt32(15),
        TimeOrNull(reader, 16),
        Text(reader, 17) is { } kind ? Enum.Parse<FaultKind>(kind) : null);

    public static ExecutionRow ReadExecution(SqliteDataReader reader, InstanceId instance) => new(
        instance,
        reader.GetInt32(0),
        reader.GetString(1),
        reader.GetString(2),
        Enum.Parse<ExecutionStatus>(reader.GetString(3)),
        reader.GetInt32(4),
        reader.GetInt32(5),
        reader.GetString(6),
        Text(reader, 7),
        Text(reader, 8),
        TimeOrNull(reader, 9),
        reader.GetString(10),
        Time(reader, 11),
        TimeOrNull(reader, 12),
        reader.IsDBNull(13) ? null : reader.GetInt32(13),
        Text(reader, 14),
        reader.GetInt32(15),
        reader.GetBoolean(16));

    private static IncidentRow ReadIncident(SqliteDataReader reader) => new(
        reader.GetInt64(0),
        new InstanceId(reader.GetString(1)),
        reader.IsDBNull(2) ? null : reader.GetInt32(2),
        Text(reader, 3),
        Enum.Parse<IncidentKind>(reader.GetString(4)),
        reader.GetInt32(5),
        reader.GetString(6),
        Time(reader, 7),
        TimeOrNull(reader, 8));

    private static JournalEvent ReadEvent(SqliteDataReader reader) => new(
        reader.GetInt64(0),
        Time(reader, 1),
        new InstanceId(reader.GetString(2)),
        reader.GetString(3),
        Enum.Parse<JournalEventKind>(reader.GetString(4)),
        Text(reader, 5),
        Text(reader, 6),
        reader.GetInt32(7),
        Text(reader, 8));

    private List<T> Select<T>(string sql, Func<SqliteDataReader, T> read, params ReadOnlySpan<object?> values)
    {
        using SqliteConnection connection = journal.OpenToRead();
        using var select = new Statement(connection, sql);
        using SqliteDataReader reader = select.Read(values);
        var rows = new List<T>();
        while (reader.Read()) rows.Add(read(reader));
        return rows;
    }

    private static string? Text(SqliteDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    /// <summary>Stored as UTC ticks (100 ns since year 1).</summary>
    private static DateTimeOffset Time(SqliteDataReader reader, int column) => new(reader.GetInt64(column), TimeSpan.Zero);

    private static DateTimeOffset? TimeOrNull(SqliteDataReader reader, int column) => reader.IsDBNull(column) ? null : Time(reader, column);
}
