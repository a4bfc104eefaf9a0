using Microsoft.Data.Sqlite;

namespace FlannelFlow.Workflows;

/// <summary>The journal's database as a <see cref="TransactionalActivity{TInput, TOutput}"/> sees it, during its call only.</summary>
/// <remarks>Parameters are ? in the order given: null, text, numbers, bool, times (as UTC ticks). Its own tables only; the journal's are not to be written.</remarks>
public sealed class JournalDatabase
{
    private readonly SqliteConnection _connection;
    private bool _isOver;

    internal JournalDatabase(SqliteConnection connection) => _connection = connection;

    internal void End() => _isOver = true;

    /// <summary>Rows changed.</summary>
    public int Execute(string sql, params ReadOnlySpan<object?> values)
    {
        using Statement statement = Prepare(sql);
        return statement.Run(values);
    }

    /// <summary>The first column of the first row: long, double, text or null.</summary>
    public object? Scalar(string sql, params ReadOnlySpan<object?> values)
    {
        using Statement statement = Prepare(sql);
        return statement.Scalar(values) is var found and not DBNull ? found : null;
    }

    private Statement Prepare(string sql) => _isOver ? throw new InvalidOperationException("the transaction is over") : new Statement(_connection, sql);
}

/// <summary>A statement of a transactional activity that the database refuses: a constraint, a mistake in it.</summary>
public sealed class JournalStatementException(string message, Exception inner) : Exception(message, inner);
