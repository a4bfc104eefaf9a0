using Microsoft.Data.Sqlite;

namespace FlannelFlow.Workflows;

/// <summary>A prepared SQL statement of the write connection, used again and again.</summary>
internal sealed class Statement : IDisposable
{
    private readonly SqliteCommand _command;

    public Statement(SqliteConnection connection, string sql)
    {
        _command = connection.CreateCommand();
        // Each ? of the texts here becomes a numbered parameter: SQLite's own ?NNN.
        string[] parts = sql.Split('?');
        _command.CommandText = string.Concat(parts.Select((part, i) => i == 0 ? part : $"?{i}{part}"));
        for (int i = 1; i < parts.Length; i++) _command.Parameters.Add(new SqliteParameter { ParameterName = $"?{i}" });
        _command.Prepare();
    }

    /// <summary>Rows changed.</summary>
    public int Run(params ReadOnlySpan<object?> values)
    {
        Bind(values);
        return _command.ExecuteNonQuery();
    }

    public object? Scalar(params ReadOnlySpan<object?> values)
    {
        Bind(values);
        return _command.ExecuteScalar();
    }

    public SqliteDataReader Read(params ReadOnlySpan<object?> values)
    {
        Bind(values);
        return _command.ExecuteReader();
    }

    private void Bind(ReadOnlySpan<object?> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            _command.Parameters[i].Value = values[i] switch
            {
                null => DBNull.Value,
                DateTimeOffset at => at.UtcTicks,
                object value => value,
            };
        }
    }

    public void Dispose() => _command.Dispose();
}
