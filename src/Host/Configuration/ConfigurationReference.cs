using System.Text;

namespace FlannelFlow.Host;

/// <summary>docs/configuration.md. Pure.</summary>
internal static class ConfigurationReference
{
    private const string Head =
        """
        # Configuration

        Every option is an environment variable of the daemon, or a key of the same name in `appsettings.json` beside its program; the environment
        wins. Names with a colon are written with two underscores in the environment (`Flannel:Binary` → `Flannel__Binary`). The daemon checks all
        of them before it does anything, names everything that is wrong at once, and ends with exit code 78.

        This page is what `flannelflow configuration` prints.
        """;

    public static string Text() => string.Join("\n\n", Options.Sections.Select(TextOf).Prepend(Head)) + "\n";

    private static string TextOf(OptionSection section)
    {
        string[] parts = [$"## {section.Title}", section.Before, TableOf(section.Options), section.After];
        return string.Join("\n\n", parts.Where(part => part.Length > 0));
    }

    private static string TableOf(IReadOnlyList<DaemonOption> options)
    {
        if (options.Count == 0) return "";
        var hasLabels = options.Any(option => option.Label is not null);
        var text = new StringBuilder(hasLabels ? "| option | default | label of a service | effect |\n| --- | --- | --- | --- |" : "| option | default | effect |\n| --- | --- | --- |");
        for (var first = 0; first < options.Count;)
        {
            var count = 1 + options.Skip(first + 1).TakeWhile(option => option.Effect.Length == 0).Count();
            var option = options[first];
            string[] cells =
            [
                string.Join(", ", options.Skip(first).Take(count).Where(one => one.Name.Length > 0).Select(one => $"`{one.Name}`")),
                option.DefaultText ?? (option.Name.Length == 0 ? "" : option.DefaultValue.Length == 0 ? "empty" : $"`{option.DefaultValue}`"),
                .. hasLabels ? [option.Label is null ? "" : $"`{option.Label}`"] : Array.Empty<string>(),
                option.Effect.Replace("{range}", option.Range, StringComparison.Ordinal),
            ];
            text.Append("\n|").AppendJoin("|", cells.Select(cell => cell.Length == 0 ? " " : $" {cell} ")).Append('|');
            first += count;
        }

        return text.ToString();
    }
}
