using System.Text;
using System.Text.RegularExpressions;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>
/// The table of names (tests/Dns.Tests/Names/names.md) in Docker's own world: our server says what it says, and Docker's resolver the same, but where its
/// last section lists a difference.
/// </summary>
[Collection(OneHostCollection.Name)]
[Trait("Needs", "docker")]
[Trait("Share", "second")]
public sealed partial class NameTableTests(OneHost lab) : IAsyncLifetime
{
    private NameWorld? _world;

    public async ValueTask InitializeAsync() => await lab.ClearAsync();

    public async ValueTask DisposeAsync()
    {
        if (_world is not null) await _world.EndAsync();
    }

    [Fact]
    public async Task Table_HoldsForOurServer_AndForDockersButForWhatIsListed()
    {
        var lines = await File.ReadAllLinesAsync(Path.Combine(AppContext.BaseDirectory, "names.md"), Run.Ct);
        var world = _world = new NameWorld(lab[1], lines);
        await world.MakeAsync(lab);
        var differences = RowsOf("## Docker's resolver").ToDictionary(row => (row[0], row[1]), row => row[2]);
        var rows = RowsOf("## Cases").Where(row => world.Sandboxes.ContainsKey(row[0]) && !IsOfDottedService(row[1])).ToList();
        Assert.InRange(rows.Count, 50, 1000);
        Assert.Empty(differences.Keys.Except(rows.Select(row => (row[0], row[1]))));

        await HoldsAsync("our server", "53", row => row[2]);
        await HoldsAsync("Docker's resolver", "docker", row => differences.GetValueOrDefault((row[0], row[1]), row[2]));
        Run.Say($"{rows.Count} rows hold, {differences.Count} of them as listed differences");

        IEnumerable<string[]> RowsOf(string heading) => lines
            .SkipWhile(line => line != heading).Skip(1).TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal))
            .Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Skip(2)
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries)[1..^1]);

        async Task HoldsAsync(string who, string port, Func<string[], string> expected) => await Wait.UntilAsync($"the table holds for {who}", 120, async () =>
        {
            var wrong = new StringBuilder();
            foreach (var ofSandbox in rows.GroupBy(row => row[0]))
            {
                var asked = ofSandbox.ToList();
                if (await AskAsync(world.Asker(ofSandbox.Key), port, asked.ConvertAll(row => world.Name(row[1]))) is not { } told)
                {
                    wrong.AppendLine($"{ofSandbox.Key}: not every question was answered");
                    continue;
                }

                foreach (var (row, answer) in asked.Zip(told))
                {
                    if (answer != world.Addresses(expected(row))) wrong.AppendLine($"{row[0]} {row[1]}: {answer}, not {expected(row)} ({world.Addresses(expected(row))})");
                }
            }

            return wrong.Length == 0 ? null : wrong.ToString();
        });
    }

    /// <summary>Swarm has no such services; there are containers of that name, which have no tasks.</summary>
    private static bool IsOfDottedService(string name) => name.StartsWith("tasks.dotted.", StringComparison.Ordinal);

    /// <summary>By UDP; the addresses of each name, sorted; "-": the name is known, without one; "?": the upstream was asked, which denies it. Null: not all was answered.</summary>
    private static async Task<IReadOnlyList<string>?> AskAsync(Container asker, string port, List<string> names)
    {
        var pid = await asker.PidAsync();
        if (port == "docker") port = await NameWatcher.DockersPortAsync(asker);
        var said = await asker.Host.TryShAsync(
            $"printf '%s\\n' {string.Join(' ', names.Select(name => $"'{name} A'"))} >/run/asked; nsenter -t {pid} -n dig -p {port} @127.0.0.11 +tries=2 +time=5 +noall +comments +answer -f /run/asked");
        var answers = Status().Split(said.Out)[1..];
        return answers.Length != names.Count * 2 ? null : [.. answers.Chunk(2).Select(pair => Text(pair[0], pair[1]))];
    }

    private static string Text(string status, string rest)
    {
        var addresses = Address().Matches(rest).Select(match => match.Groups[1].Value).Order(StringComparer.Ordinal).ToList();
        return status != "NOERROR" ? "?" : addresses.Count == 0 ? "-" : string.Join(' ', addresses);
    }

    [GeneratedRegex(@"status: (\w+)")]
    private static partial Regex Status();

    [GeneratedRegex(@"\sIN\s+A\s+([0-9.]+)")]
    private static partial Regex Address();
}
