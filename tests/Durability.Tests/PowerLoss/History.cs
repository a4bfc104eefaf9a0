using FlannelFlow.Workflows;
using Microsoft.Data.Sqlite;

namespace FlannelFlow.Durability.Tests.PowerLoss;

/// <summary>What a journal's file says, in the order of its commits.</summary>
internal sealed class History
{
    private readonly List<string> _events = [];
    private readonly Dictionary<string, string> _last = new(StringComparer.Ordinal);

    /// <summary>Reads a file as it lies there; SQLite brings in the write-ahead log beside it. Throws SqliteException where it cannot.</summary>
    public static History Read(string journal)
    {
        var history = new History();
        using var connection = new SqliteConnection($"Data Source={journal};Pooling=False");
        connection.Open();
        if (Scalar(connection, "SELECT count(*) FROM sqlite_schema WHERE name='journal'") == 0) return history;
        if (Scalar(connection, "SELECT count(*) FROM pragma_quick_check WHERE quick_check <> 'ok'") > 0) throw new BrokenHistoryException("quick_check finds damage");
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT seq, instance, kind, activity_id, attempt, detail FROM journal ORDER BY seq";
        using (SqliteDataReader row = command.ExecuteReader())
        {
            while (row.Read())
            {
                history._events.Add($"{row.GetInt64(0)} {row.GetString(1)} {row.GetString(2)} {row.GetValue(3)} {row.GetInt64(4)} {row.GetValue(5)}");
                history._last[row.GetString(1)] = row.GetString(2);
            }
        }
        history.CheckRows(connection);
        return history;
    }

    public int Length => _events.Count;

    /// <summary>Throws <see cref="BrokenHistoryException"/> unless it is how the whole began, at least as far as was told.</summary>
    public void CheckPrefixOf(History whole, long told)
    {
        if (Length < told) throw new BrokenHistoryException($"{told} events were acknowledged, {Length} are there");
        for (int i = 0; i < Length; i++)
        {
            if (i >= whole.Length || _events[i] != whole._events[i]) throw new BrokenHistoryException($"event {i + 1} is '{_events[i]}', it was '{(i < whole.Length ? whole._events[i] : "")}'");
        }
    }

    /// <summary>A commit is whole: instances and executions stand where their last event says.</summary>
    private void CheckRows(SqliteConnection connection)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = """
            SELECT id, status, (SELECT count(*) FROM executions WHERE instance=row AND status='Running') FROM instances
            """;
        using SqliteDataReader row = command.ExecuteReader();
        int instances = 0;
        while (row.Read())
        {
            instances++;
            if (!_last.TryGetValue(row.GetString(0), out string? last)) throw new BrokenHistoryException($"instance {row.GetString(0)} has no event");
            string status = row.GetString(1);
            bool fits = last switch
            {
                nameof(JournalEventKind.Finished) => status == nameof(InstanceStatus.Finished),
                nameof(JournalEventKind.Compensated) => status == nameof(InstanceStatus.Compensated),
                nameof(JournalEventKind.StepStarted) => status == nameof(InstanceStatus.Running) && row.GetInt64(2) == 1,
                nameof(JournalEventKind.Accepted) => status == nameof(InstanceStatus.Waiting),
                _ => status is nameof(InstanceStatus.Running) or nameof(InstanceStatus.Compensating),
            };
            if (!fits) throw new BrokenHistoryException($"instance {row.GetString(0)} is {status} with {row.GetInt64(2)} steps running, its last event {last}");
        }
        if (instances != _last.Count) throw new BrokenHistoryException($"{instances} instances, events of {_last.Count}");
    }

    private static long Scalar(SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        return (long)command.ExecuteScalar()!;
    }
}

/// <summary>A journal is not how it must be after a power loss.</summary>
internal sealed class BrokenHistoryException(string message) : Exception(message);
