using System.Globalization;
using System.Text;
using Microsoft.Data.Sqlite;

namespace FlannelFlow.Durability.Tests.Journals;

/// <summary>A database as SQL text, for a repository to keep; what sqlite3's .dump writes, and the two numbers that it leaves out.</summary>
internal static class SqlText
{
    public static string Dump(string path)
    {
        using var connection = new SqliteConnection($"Data Source={path};Mode=ReadOnly;Pooling=False");
        connection.Open();
        var text = new StringBuilder();
        foreach (string pragma in (string[])["application_id", "user_version"])
            text.Append(CultureInfo.InvariantCulture, $"PRAGMA {pragma}={Rows(connection, $"PRAGMA {pragma}").Single()[0]};\n");
        text.Append("BEGIN;\n");
        var schema = Rows(connection, "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC, rowid").ToList();
        foreach (object[] made in schema) text.Append(CultureInfo.InvariantCulture, $"{made[2]};\n");
        foreach (string table in schema.Where(made => (string)made[0] == "table").Select(made => (string)made[1]).Append("sqlite_sequence"))
        {
            if (table == "sqlite_sequence") text.Append("DELETE FROM sqlite_sequence;\n");
            foreach (object[] row in Rows(connection, $"SELECT * FROM {table}"))
                text.Append(CultureInfo.InvariantCulture, $"INSERT INTO {table} VALUES ({string.Join(", ", row.Select(Literal))});\n");
        }
        return text.Append("COMMIT;\n").ToString();
    }

    public static void Execute(string sql, string path)
    {
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private static IEnumerable<object[]> Rows(SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        using SqliteDataReader reader = command.ExecuteReader();
        while (reader.Read())
        {
            object[] row = new object[reader.FieldCount];
            reader.GetValues(row);
            yield return row;
        }
    }

    private static string Literal(object value) => value switch
    {
        DBNull => "NULL",
        string text => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };
}
