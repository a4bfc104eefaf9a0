using Microsoft.Data.Sqlite;

namespace FlannelFlow.Workflows;

/// <summary>The journal's tables, and the tests a file must pass before it is opened for writing.</summary>
internal static class JournalSchema
{
    /// <summary>Raised with every change of the tables; kept in PRAGMA user_version.</summary>
    public const int Version = 3;

    /// <summary>"FlFl": tells our files from other SQLite files, kept in PRAGMA application_id.</summary>
    private const int ApplicationId = 0x466C466C;

    /// <summary>Version n is made from n-1 by the nth of these, in the transaction that raises the version.</summary>
    private static readonly string[] Upgrades = [Tables1, Tables2, Tables3];

    private const string Tables1 = """
        CREATE TABLE epochs (
            epoch INTEGER PRIMARY KEY, boot_id TEXT NOT NULL, pid INTEGER NOT NULL, started_at INTEGER NOT NULL);
        CREATE TABLE definitions (
            hash TEXT PRIMARY KEY, definition_id TEXT NOT NULL, version INTEGER NOT NULL, json TEXT NOT NULL, first_seen INTEGER NOT NULL);
        CREATE TABLE instances (
            row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, definition_id TEXT NOT NULL, definition_hash TEXT NOT NULL,
            key TEXT NOT NULL, status TEXT NOT NULL, rev INTEGER NOT NULL, claims TEXT NOT NULL, input TEXT NOT NULL,
            variables TEXT NOT NULL, answer TEXT, output TEXT, error TEXT, accepted_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
            finished_at INTEGER);
        CREATE INDEX instances_key ON instances (definition_id, key, row);
        CREATE INDEX instances_open ON instances (row) WHERE finished_at IS NULL;
        CREATE INDEX instances_finished ON instances (finished_at) WHERE finished_at IS NOT NULL;
        CREATE TABLE executions (
            instance INTEGER NOT NULL, seq INTEGER NOT NULL, activity_id TEXT NOT NULL, activity_type TEXT NOT NULL, status TEXT NOT NULL,
            attempt INTEGER NOT NULL, failures INTEGER NOT NULL, input TEXT NOT NULL, output TEXT, error TEXT, due_at INTEGER,
            boot_id TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER, PRIMARY KEY (instance, seq)) WITHOUT ROWID;
        CREATE TABLE incidents (
            id INTEGER PRIMARY KEY AUTOINCREMENT, instance INTEGER NOT NULL, execution_seq INTEGER, activity_id TEXT, message TEXT NOT NULL,
            opened_at INTEGER NOT NULL, closed_at INTEGER);
        CREATE INDEX incidents_instance ON incidents (instance);
        CREATE TABLE journal (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, instance TEXT NOT NULL, definition_id TEXT NOT NULL,
            kind TEXT NOT NULL, activity_id TEXT, activity_type TEXT, attempt INTEGER NOT NULL, detail TEXT);
        """;

    /// <summary>Alterations; recoveries is a JSON array of UTC ticks.</summary>
    private const string Tables2 = """
        ALTER TABLE instances ADD COLUMN is_cancelled INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE instances ADD COLUMN recoveries TEXT NOT NULL DEFAULT '[]';
        CREATE TABLE audit (
            id INTEGER PRIMARY KEY AUTOINCREMENT, instance INTEGER NOT NULL, at INTEGER NOT NULL, alteration TEXT NOT NULL,
            activity_id TEXT, detail TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL);
        CREATE INDEX audit_instance ON audit (instance);
        CREATE INDEX instances_status ON instances (status, row);
        """;

    /// <summary>
    /// Containers, signals, children, deadlines. In older journals every execution is at the top, and ended in the order it began in. What stood
    /// in a suspended instance was its last execution, or its undoing, or, in doubt, the one still marked as running.
    /// </summary>
    private const string Tables3 = """
        ALTER TABLE executions ADD COLUMN scope INTEGER;
        ALTER TABLE executions ADD COLUMN progress TEXT;
        ALTER TABLE executions ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE executions ADD COLUMN awaits_operator INTEGER NOT NULL DEFAULT 0;
        UPDATE executions SET ended = seq WHERE status NOT IN ('Running', 'RetryScheduled');
        UPDATE executions SET awaits_operator = 1, ended = seq, ended_at = coalesce(ended_at, started_at),
            status = CASE status WHEN 'Running' THEN 'Faulted' WHEN 'Compensating' THEN 'CompensationFaulted' ELSE status END
            WHERE instance IN (SELECT row FROM instances WHERE status = 'Suspended' AND finished_at IS NULL)
                AND (status IN ('Running', 'Compensating', 'CompensationFaulted')
                    OR (status = 'Faulted' AND seq = (SELECT max(seq) FROM executions later WHERE later.instance = executions.instance)
                        AND NOT EXISTS (SELECT 1 FROM executions other WHERE other.instance = executions.instance
                            AND other.status IN ('Compensating', 'CompensationScheduled', 'CompensationFaulted'))));
        ALTER TABLE incidents ADD COLUMN kind TEXT NOT NULL DEFAULT 'Fault';
        ALTER TABLE incidents ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE instances ADD COLUMN parent_id TEXT;
        ALTER TABLE instances ADD COLUMN parent_seq INTEGER;
        ALTER TABLE instances ADD COLUMN deadline INTEGER;
        ALTER TABLE instances ADD COLUMN fault_kind TEXT;
        CREATE INDEX instances_parent ON instances (parent_id) WHERE parent_id IS NOT NULL;
        CREATE TABLE bookmarks (
            instance INTEGER NOT NULL, execution_seq INTEGER NOT NULL, attempt INTEGER NOT NULL, instance_id TEXT NOT NULL,
            name TEXT NOT NULL, correlation TEXT NOT NULL,
            PRIMARY KEY (instance, execution_seq)) WITHOUT ROWID;
        CREATE INDEX bookmarks_name ON bookmarks (name, correlation);
        CREATE TABLE signals (
            row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, correlation TEXT NOT NULL, payload TEXT,
            sent_at INTEGER NOT NULL, instance INTEGER, execution_seq INTEGER, consumed_at INTEGER);
        CREATE INDEX signals_free ON signals (name, correlation, row) WHERE instance IS NULL;
        CREATE INDEX signals_matched ON signals (instance, execution_seq) WHERE instance IS NOT NULL AND consumed_at IS NULL;
        """;

    /// <summary>Refuses, without writing to it, a file that is not ours, is from a newer version or is damaged.</summary>
    public static void Check(string path)
    {
        if (!File.Exists(path))
        {
            if (File.Exists(path + "-wal"))
                throw new JournalUnusableException($"journal {path} is missing, but its write-ahead log {path}-wal is there: restore the one or move the other away");
            return;
        }
        if (new FileInfo(path).Length == 0) return;
        try
        {
            using var connection = new SqliteConnection(Journal.ConnectionString(path, SqliteOpenMode.ReadOnly, pooling: false));
            connection.Open();
            long version = Scalar(connection, "PRAGMA user_version");
            long application = Scalar(connection, "PRAGMA application_id");
            bool empty = Scalar(connection, "SELECT count(*) FROM sqlite_schema") == 0;
            if (empty && version == 0) return;
            if (application != ApplicationId) throw new JournalUnusableException($"{path} is an SQLite file, but no FlannelFlow journal");
            if (version > Version)
            {
                throw new JournalUnusableException(
                    $"journal {path} has version {version}, this program knows up to {Version}: it was written by a newer FlannelFlow");
            }
            using SqliteCommand check = connection.CreateCommand();
            check.CommandText = "PRAGMA quick_check(1)";
            if (check.ExecuteScalar() is string result && result != "ok") throw new JournalUnusableException($"journal {path} is damaged: {result}");
        }
        catch (SqliteException e)
        {
            throw new JournalUnusableException($"journal {path} is damaged or no journal: {e.Message}", e);
        }
    }

    /// <summary>Makes the tables in a new file, or brings those of an older version up to this one: all or nothing.</summary>
    public static void Ensure(SqliteConnection connection)
    {
        int version = (int)Scalar(connection, "PRAGMA user_version");
        if (version == Version) return;
        string upgrades = string.Concat(Upgrades.Skip(version));
        Execute(connection, $"BEGIN IMMEDIATE; {upgrades} PRAGMA application_id={ApplicationId}; PRAGMA user_version={Version}; COMMIT");
    }

    public static void Execute(SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public static long Scalar(SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar() is long number ? number : 0;
    }
}

/// <summary>The journal's file is not used, and not touched: in use, damaged, or from a newer version. The message says which.</summary>
public sealed class JournalUnusableException(string message, Exception? inner = null) : Exception(message, inner);
