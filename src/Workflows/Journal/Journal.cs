using System.Text.Json;
using Microsoft.Data.Sqlite;

namespace FlannelFlow.Workflows;

/// <summary>The journal file, opened: locked, checked, at the present schema, in a new epoch.</summary>
/// <remarks>Order of opening: 1 lock, 2 check read-only, 3 open for writing, 4 tables, 5 epoch and definitions in one transaction.</remarks>
internal sealed class Journal : IDisposable
{
    private readonly JournalLock _lock;
    private readonly string _readString;

    private Journal(JournalLock locked, string path, SqliteConnection connection, long epoch)
    {
        _lock = locked;
        _readString = ConnectionString(path, SqliteOpenMode.ReadOnly, pooling: true);
        Connection = connection;
        Epoch = epoch;
    }

    /// <summary>The only one that writes; it goes to the <see cref="JournalWriter"/>.</summary>
    public SqliteConnection Connection { get; }

    /// <summary>Counts the openings.</summary>
    public long Epoch { get; }

    public static Journal Open(WorkflowRuntimeOptions options, ActivityCatalog activities, IReadOnlyList<WorkflowDefinition> definitions, DateTimeOffset now)
    {
        string path = options.JournalPath;
        JournalLock locked = JournalLock.Take(path);
        SqliteConnection? connection = null;
        try
        {
            JournalSchema.Check(path);
            connection = new SqliteConnection(ConnectionString(path, SqliteOpenMode.ReadWriteCreate, pooling: false));
            connection.Open();
            JournalSchema.Execute(connection, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000");
            JournalSchema.Ensure(connection);
            foreach (string tables in activities.Tables) JournalSchema.Execute(connection, tables);
            long epoch = Begin(connection, options.BootId, definitions, now);
            return new Journal(locked, path, connection, epoch);
        }
        catch (SqliteException e)
        {
            connection?.Dispose();
            locked.Dispose();
            throw new JournalUnusableException($"opening journal {path}: {e.Message}", e);
        }
        catch
        {
            connection?.Dispose();
            locked.Dispose();
            throw;
        }
    }

    private static long Begin(SqliteConnection connection, string bootId, IReadOnlyList<WorkflowDefinition> definitions, DateTimeOffset now)
    {
        using SqliteTransaction transaction = connection.BeginTransaction(deferred: false);
        long epoch = JournalSchema.Scalar(connection, "SELECT coalesce(max(epoch), 0) + 1 FROM epochs");
        using (var insert = new Statement(connection, "INSERT INTO epochs (epoch, boot_id, pid, started_at) VALUES (?, ?, ?, ?)"))
            insert.Run(epoch, bootId, Environment.ProcessId, now);
        using var remember = new Statement(
            connection, "INSERT OR IGNORE INTO definitions (hash, definition_id, version, json, first_seen) VALUES (?, ?, ?, ?, ?)");
        foreach (WorkflowDefinition definition in definitions)
            remember.Run(definition.Hash, definition.Id, definition.Version, definition.Json, now);
        transaction.Commit();
        return epoch;
    }

    /// <summary>The open instances, in the order of their acceptance.</summary>
    public IReadOnlyList<InstanceState> LoadOpen()
    {
        using SqliteConnection connection = OpenToRead();
        var executions = new Dictionary<long, List<ExecutionState>>();
        using (var select = new Statement(connection, $"""
            SELECT {JournalReader.ExecutionColumns}, instance FROM executions
            WHERE instance IN (SELECT row FROM instances WHERE finished_at IS NULL) ORDER BY instance, seq
            """))
        using (SqliteDataReader reader = select.Read())
        {
            while (reader.Read())
            {
                long row = reader.GetInt64(17);
                if (!executions.TryGetValue(row, out List<ExecutionState>? list)) executions.Add(row, list = []);
                list.Add(ReadState(JournalReader.ReadExecution(reader, default)));
            }
        }

        var open = new List<InstanceState>();
        using var instances = new Statement(
            connection, $"SELECT {JournalReader.InstanceColumns}, rev, claims, is_cancelled, recoveries FROM instances WHERE finished_at IS NULL ORDER BY row");
        using SqliteDataReader found = instances.Read();
        while (found.Read())
        {
            InstanceRow row = JournalReader.ReadInstance(found);
            open.Add(new InstanceState
            {
                Id = row.Id,
                DefinitionId = row.DefinitionId,
                DefinitionHash = row.DefinitionHash,
                IdempotencyKey = row.IdempotencyKey,
                Inputs = Values.Read(row.Input),
                Claims = [.. JsonSerializer.Deserialize<LaneClaim[]>(found.GetString(19), WorkflowJson.Options)!],
                AcceptedAt = row.AcceptedAt,
                Parent = row.Parent is { } parent ? new ParentLink(parent, row.ParentSeq!.Value) : null,
                Deadline = row.Deadline,
                FaultKind = row.FaultKind,
                Row = row.Row,
                Rev = found.GetInt64(18),
                Status = row.Status,
                IsCancelled = found.GetBoolean(20),
                Recoveries = [.. JsonSerializer.Deserialize<long[]>(found.GetString(21))!.Select(ticks => new DateTimeOffset(ticks, TimeSpan.Zero))],
                Variables = Values.Read(row.Variables),
                Executions = executions.TryGetValue(row.Row, out List<ExecutionState>? list) ? [.. list] : [],
                LastEnded = list?.Max(e => e.Ended) ?? 0,
                AnswerJson = row.Answer,
                OutputJson = row.Output,
                Error = row.Error,
            });
        }
        return open;
    }

    /// <summary>Signals that are matched to bookmarks, and not consumed yet.</summary>
    public IReadOnlyList<SignalMatch> LoadMatches()
    {
        using SqliteConnection connection = OpenToRead();
        using var select = new Statement(connection, """
            SELECT bookmarks.instance_id, bookmarks.execution_seq, bookmarks.attempt, payload FROM signals
            JOIN bookmarks ON bookmarks.instance = signals.instance AND bookmarks.execution_seq = signals.execution_seq
            WHERE signals.instance IS NOT NULL AND consumed_at IS NULL
            """);
        using SqliteDataReader found = select.Read();
        var matches = new List<SignalMatch>();
        while (found.Read())
            matches.Add(new SignalMatch(new InstanceId(found.GetString(0)), found.GetInt32(1), found.GetInt32(2), found.IsDBNull(3) ? null : found.GetString(3)));
        return matches;
    }

    /// <summary>The text of a definition that some instance began with.</summary>
    public string? DefinitionJson(string hash)
    {
        using SqliteConnection connection = OpenToRead();
        using var select = new Statement(connection, "SELECT json FROM definitions WHERE hash=?");
        return select.Scalar(hash) as string;
    }

    /// <summary>A pooled connection that cannot write. Keep it short: a long read keeps the write-ahead log from being reused.</summary>
    public SqliteConnection OpenToRead()
    {
        var connection = new SqliteConnection(_readString);
        connection.Open();
        return connection;
    }

    public static string ConnectionString(string path, SqliteOpenMode mode, bool pooling) =>
        new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = pooling, Cache = SqliteCacheMode.Private }.ToString();

    /// <summary>Closes the readers; the write connection, closed as the last, then folds the write-ahead log into the file.</summary>
    public void CloseReaders()
    {
        using var connection = new SqliteConnection(_readString);
        SqliteConnection.ClearPool(connection);
    }

    /// <summary>Gives up the lock; the writer has closed its connection by then, if there was a writer.</summary>
    public void Dispose()
    {
        CloseReaders();
        Connection.Dispose();
        _lock.Dispose();
    }

    private static ExecutionState ReadState(ExecutionRow row) => new()
    {
        Seq = row.Seq,
        ActivityId = row.ActivityId,
        ActivityType = row.ActivityType,
        Status = row.Status,
        Attempt = row.Attempt,
        Failures = row.Failures,
        Input = row.Input,
        Output = row.Output,
        Error = row.Error,
        DueAt = row.DueAt,
        BootId = row.BootId,
        StartedAt = row.StartedAt,
        EndedAt = row.EndedAt,
        Scope = row.Scope,
        Progress = row.Progress is null ? null : JsonSerializer.Deserialize<Progress>(row.Progress, WorkflowJson.Options),
        Ended = row.Ended,
        AwaitsOperator = row.AwaitsOperator,
    };
}
