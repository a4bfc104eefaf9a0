using System.Text.Json;
using System.Text.RegularExpressions;
using FlannelFlow.Durability.Tests.Crashes;
using FlannelFlow.Durability.Tests.Kit;
using FlannelFlow.Workflows;

namespace FlannelFlow.Durability.Tests.Journals;

/// <summary>A journal of the past, with the kernel as it was then: a process died in the middle of a scenario.</summary>
/// <remarks>
/// The files of Journals/ are SQL; comments at their head say the scenario, what the kernel has, and what it has in the end. They are
/// written once, by tests/campaigns/record, and never changed: later code must go on with them. Fields of inputs stand in the order of the definition's
/// file, or, where the journal's definition is not the file's any more, in the canonical one: things are compared in the latter.
/// </remarks>
internal sealed record RecordedJournal(string Scenario, IReadOnlyList<string> Has, string Ends, string Sql)
{
    private const string ScenarioLine = "-- scenario: ", HasLine = "-- has: ", EndsLine = "-- ends with: ";

    /// <summary>Dies at the middle one of the scenario's points, right after an effect if there is one near.</summary>
    public static async Task<RecordedJournal> RecordAsync(Scenario scenario)
    {
        using World calm = World.Fresh(scenario.Kernel());
        var crashes = (await Life.LiveAsync(scenario, calm, crash: null)).Crashes;
        Crash middle = crashes.Skip(crashes.Count / 2).FirstOrDefault(c => c.Point.EndsWith("after-effect", StringComparison.Ordinal)) ?? crashes[crashes.Count / 2];
        using World world = World.Fresh(scenario.Kernel());
        await Life.LiveAsync(scenario, world, middle);
        SqlText.Execute("DELETE FROM definitions WHERE hash NOT IN (SELECT definition_hash FROM instances)", world.JournalPath);
        return new RecordedJournal(scenario.Name, world.Kernel.Things, calm.Kernel.Text, SqlText.Dump(world.JournalPath));
    }

    public static RecordedJournal Parse(string text)
    {
        string[] lines = text.Split('\n');
        string Line(string prefix) => lines.First(line => line.StartsWith(prefix, StringComparison.Ordinal))[prefix.Length..];
        return new RecordedJournal(
            Line(ScenarioLine),
            [.. lines.Where(line => line.StartsWith(HasLine, StringComparison.Ordinal)).Select(line => InOrder(line[HasLine.Length..]))],
            InOrder(Line(EndsLine)),
            text);

        static string InOrder(string things) => Regex.Replace(things, @"\{[^{}]*\}", input => CanonicalJson.Write(JsonElement.Parse(input.Value)));
    }

    public override string ToString() => $"{ScenarioLine}{Scenario}\n{string.Concat(Has.Select(thing => $"{HasLine}{thing}\n"))}{EndsLine}{Ends}\n{Sql}";
}
