using System.Diagnostics;
using System.Threading.Channels;
using Microsoft.Data.Sqlite;

namespace FlannelFlow.EngineBench;

/// <summary>The peer: what the disk and SQLite give to one who has nothing else to do.</summary>
internal static class BareSqlite
{
    private const int Row = 300, GroupLimit = 256;

    /// <summary>Transactions per second, one row each, one after the other.</summary>
    public static double Serial(string folder, TimeSpan time)
    {
        using Table table = new(folder, "serial");
        long began = Stopwatch.GetTimestamp(), rows = 0;
        for (; Stopwatch.GetElapsedTime(began) < time; rows++)
        {
            table.Begin();
            table.Insert();
            table.Commit();
        }
        return rows / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    /// <summary>Rows per second: so many callers, each waits for its row's commit before it asks for the next.</summary>
    public static async Task<double> GroupedAsync(string folder, int callers, TimeSpan time)
    {
        var queue = Channel.CreateBounded<TaskCompletionSource>(new BoundedChannelOptions(4096) { SingleReader = true });
        using var wake = new AutoResetEvent(false);
        long rows = 0, began = Stopwatch.GetTimestamp();
        var writer = new Thread(() => rows = Write(folder, queue.Reader, wake));
        writer.Start();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(async _ =>
        {
            while (Stopwatch.GetElapsedTime(began) < time)
            {
                var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                await queue.Writer.WriteAsync(done);
                wake.Set();
                await done.Task;
            }
        }));
        TimeSpan took = Stopwatch.GetElapsedTime(began);
        queue.Writer.Complete();
        wake.Set();
        writer.Join();
        return rows / took.TotalSeconds;
    }

    private static long Write(string folder, ChannelReader<TaskCompletionSource> queue, AutoResetEvent wake)
    {
        using Table table = new(folder, "grouped");
        var group = new List<TaskCompletionSource>(GroupLimit);
        long rows = 0;
        while (!queue.Completion.IsCompleted)
        {
            while (group.Count < GroupLimit && queue.TryRead(out TaskCompletionSource? done)) group.Add(done);
            if (group.Count == 0)
            {
                wake.WaitOne(100);
                continue;
            }
            table.Begin();
            foreach (TaskCompletionSource _ in group) table.Insert();
            table.Commit();
            foreach (TaskCompletionSource done in group) done.SetResult();
            rows += group.Count;
            group.Clear();
        }
        return rows;
    }

    private sealed class Table : IDisposable
    {
        private readonly SqliteConnection _connection;
        private readonly SqliteCommand _begin;
        private readonly SqliteCommand _insert;
        private readonly SqliteCommand _commit;

        public Table(string folder, string name)
        {
            string path = Path.Combine(folder, name + ".db");
            foreach (string suffix in (string[])["", "-wal", "-shm"]) File.Delete(path + suffix);
            _connection = new SqliteConnection($"Data Source={path};Pooling=False");
            _connection.Open();
            using (SqliteCommand create = Command("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE steps (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)")) create.ExecuteNonQuery();
            _begin = Command("BEGIN IMMEDIATE");
            _commit = Command("COMMIT");
            _insert = Command("INSERT INTO steps (data) VALUES (?1)");
            _insert.Parameters.AddWithValue("?1", new byte[Row]);
        }

        public void Begin() => _begin.ExecuteNonQuery();

        public void Insert() => _insert.ExecuteNonQuery();

        public void Commit() => _commit.ExecuteNonQuery();

        private SqliteCommand Command(string sql)
        {
            SqliteCommand command = _connection.CreateCommand();
#pragma warning disable CA2100 // Texts of this file.
            command.CommandText = sql;
#pragma warning restore CA2100
            return command;
        }

        public void Dispose()
        {
            _begin.Dispose();
            _insert.Dispose();
            _commit.Dispose();
            _connection.Dispose();
        }
    }
}
