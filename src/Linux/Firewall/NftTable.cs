using System.Text.Json.Nodes;

namespace FlannelFlow.Linux.Firewall;

/// <summary>
/// One nftables table of our own, by nft(8). What is given to it can touch no other table: bodies are put between its braces, commands
/// must name it. Each call is one transaction of the kernel: all or nothing.
/// </summary>
public sealed class NftTable
{
    private static readonly string[] Families = ["ip", "ip6", "inet", "arp", "bridge", "netdev"];
    private static readonly string[] Verbs = ["add", "create", "insert", "replace", "delete", "destroy", "flush", "reset"];
    private static readonly string[] Objects = ["table", "chain", "rule", "element", "set", "map", "flowtable", "counter", "quota", "limit"];

    private readonly CommandRunner _runner;

    public NftTable(CommandRunner runner, string family, string name)
    {
        ArgumentNullException.ThrowIfNull(runner);
        if (!Families.Contains(family)) throw new ArgumentException($"'{family}' is no nftables family", nameof(family));
        if (name is not { Length: > 0 } || !char.IsAsciiLetter(name[0]) || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.'))
            throw new ArgumentException($"'{name}' is no name for a table", nameof(name));
        _runner = runner;
        Family = family;
        Name = name;
    }

    public string Family { get; }

    public string Name { get; }

    /// <summary>Makes the table's contents exactly <paramref name="body"/> (chains, sets, maps), whatever it held. Counters and learnt elements are lost.</summary>
    public Task ReplaceAsync(string body, CancellationToken ct) =>
        // "table" first, so that there is one to be deleted: "destroy table" came with nft 1.0.7 and Linux 6.3 only.
        RunAsync($"table {Family} {Name}\ndelete table {Family} {Name}\ntable {Family} {Name} {{\n{Balanced(body)}\n}}\n", ct);

    /// <summary>Adds to the table what <paramref name="body"/> holds; it is made if there is none. Rules are appended each time.</summary>
    public Task AddAsync(string body, CancellationToken ct) => RunAsync($"table {Family} {Name} {{\n{Balanced(body)}\n}}\n", ct);

    /// <summary>Commands, one a line, each naming this table: <c>add element inet flannelflow vips { 10.1.0.2 }</c>.</summary>
    public Task ApplyAsync(IReadOnlyList<string> commands, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(commands);
        foreach (var command in commands)
        {
            var words = command.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 4 || !Verbs.Contains(words[0]) || !Objects.Contains(words[1]) || words[2] != Family || words[3] != Name)
                throw new ArgumentException($"not a command about table {Family} {Name}: {command}", nameof(commands));
            var depth = 0;
            foreach (var c in Unquoted(command))
            {
                depth += c switch { '{' => 1, '}' => -1, _ => 0 };
                if (c == '\n' || (c == ';' && depth == 0)) throw new ArgumentException($"more than one command: {command}", nameof(commands));
            }
        }
        return RunAsync(string.Concat(commands.Select(c => c + "\n")), ct);
    }

    /// <summary>nft's text; null if there is no such table.</summary>
    public Task<string?> ListAsync(CancellationToken ct) => ListAsync([], ct);

    /// <summary>The objects of the table as libnftables-json(5) describes them; null if there is no such table.</summary>
    public async Task<JsonArray?> ListJsonAsync(CancellationToken ct) =>
        await ListAsync(["-j"], ct) is { } text ? JsonNode.Parse(text)?["nftables"]?.AsArray() : null;

    /// <returns>False if there was none.</returns>
    public async Task<bool> DeleteAsync(CancellationToken ct) => await RunUnlessAbsentAsync(["delete", "table", Family, Name], ct) is not null;

    private Task<string?> ListAsync(IReadOnlyList<string> options, CancellationToken ct) =>
        RunUnlessAbsentAsync([.. options, "list", "table", Family, Name], ct);

    private async Task<string?> RunUnlessAbsentAsync(IReadOnlyList<string> arguments, CancellationToken ct)
    {
        var result = await _runner.RunAsync("nft", arguments, null, ct);
        if (result.ExitCode == 0) return result.Output;
        return result.Error.Contains("No such file or directory", StringComparison.Ordinal) ? null : throw CommandRunner.Failed("nft", arguments, result);
    }

    private Task<string> RunAsync(string script, CancellationToken ct) => _runner.RunCheckedAsync("nft", ["-f", "-"], script, ct);

    private static string Balanced(string body)
    {
        ArgumentNullException.ThrowIfNull(body);
        var depth = 0;
        foreach (var c in Unquoted(body))
        {
            depth += c switch { '{' => 1, '}' => -1, _ => 0 };
            if (depth < 0) throw new ArgumentException("a closing brace would end the table", nameof(body));
        }
        return depth == 0 ? body : throw new ArgumentException("a brace is not closed", nameof(body));
    }

    /// <summary>Without what stands between quotes and after # (which would hide a brace or a semicolon, or pretend one).</summary>
    private static string Unquoted(string text)
    {
        var kept = new System.Text.StringBuilder(text.Length);
        bool quoted = false, comment = false;
        foreach (var c in text)
        {
            if (c == '\n') (quoted, comment) = (false, false);
            if (c == '"' && !comment) quoted = !quoted;
            else if (c == '#' && !quoted) comment = true;
            else if (!quoted && !comment) kept.Append(c);
        }
        return kept.ToString();
    }
}
