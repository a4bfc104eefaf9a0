namespace FlannelFlow.Host.Installation;

/// <summary>flannelflow.env: a line NAME=VALUE per option, as systemd.exec(5) EnvironmentFile= reads it. Pure.</summary>
public static class EnvironmentText
{
    private const string Head =
        """
        # Options of FlannelFlow's daemon, a line NAME=VALUE each: docs/configuration.md has all of them.
        # After a change: systemctl restart flannelflow. It cuts no connection.

        """;

    /// <summary>Lines of others stay; a line that sets one of these is replaced, what is not set yet is added at the end.</summary>
    public static string With(string? text, IReadOnlyDictionary<string, string> options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var lines = (text ?? Head).TrimEnd('\n').Split('\n').ToList();
        foreach (var (name, value) in options)
        {
            var line = $"{name}={Quoted(value)}";
            var index = lines.FindLastIndex(set => NameOf(set) == name);
            if (index >= 0) lines[index] = line;
            else lines.Add(line);
        }

        return string.Join('\n', lines) + "\n";
    }

    /// <summary>What it sets.</summary>
    public static IReadOnlyDictionary<string, string> Parse(string? text)
    {
        var options = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in (text ?? "").Split('\n'))
        {
            if (NameOf(line) is { } name) options[name] = Unquoted(line[(line.IndexOf('=', StringComparison.Ordinal) + 1)..].Trim());
        }

        return options;
    }

    private static string? NameOf(string line)
    {
        var trimmed = line.TrimStart();
        var end = trimmed.IndexOf('=', StringComparison.Ordinal);
        return end <= 0 || trimmed[0] is '#' or ';' ? null : trimmed[..end].TrimEnd();
    }

    private static string Quoted(string value) =>
        value.AsSpan().IndexOfAny(" \t\"'\\") < 0 ? value : "\"" + value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + "\"";

    private static string Unquoted(string value)
    {
        if (value.Length < 2 || value[0] is not ('"' or '\'') || value[^1] != value[0]) return value;
        if (value[0] == '\'') return value[1..^1];
        var text = new System.Text.StringBuilder();
        for (var i = 1; i < value.Length - 1; i++)
        {
            if (value[i] == '\\' && i + 1 < value.Length - 1) i++;
            text.Append(value[i]);
        }

        return text.ToString();
    }
}
