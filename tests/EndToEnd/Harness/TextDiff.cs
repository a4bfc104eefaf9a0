using System.Text;

namespace FlannelFlow.EndToEnd.Tests.Harness;

/// <summary>Two dumps compared line by line; the lines of a dump are sorted and named by section.</summary>
public static class TextDiff
{
    /// <summary>Null if the same lines are in both; otherwise those that are in one only, each with its section.</summary>
    public static string? Of(string before, string after)
    {
        var had = Lines(before);
        var has = Lines(after);
        var text = new StringBuilder();
        foreach (var line in Without(had, has)) text.Append("- ").AppendLine(line);
        foreach (var line in Without(has, had)) text.Append("+ ").AppendLine(line);
        return text.Length == 0 ? null : text.ToString();
    }

    private static IEnumerable<string> Without(List<string> lines, List<string> others)
    {
        var left = others.GroupBy(line => line, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Count(), StringComparer.Ordinal);
        foreach (var line in lines)
        {
            if (left.TryGetValue(line, out var count) && count > 0) left[line] = count - 1;
            else yield return line;
        }
    }

    private static List<string> Lines(string text)
    {
        var section = "";
        var lines = new List<string>();
        foreach (var line in text.Split('\n'))
        {
            if (line.StartsWith("== ", StringComparison.Ordinal)) section = line[3..];
            else if (line.Length > 0) lines.Add(section.Length > 0 ? $"[{section}] {line}" : line);
        }

        return lines;
    }
}
