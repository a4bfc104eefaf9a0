using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Operations.Reconcile;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Tests;

/// <summary>Whatever can stand on a host and wait is in docs/runbook.md, and what it says of the definitions is so.</summary>
public sealed class RunbookTests
{
    private static readonly string Runbook = Repository.Read("docs/runbook.md");

    private static readonly IReadOnlyDictionary<string, JsonNode> Definitions = Directory.EnumerateFiles(Path.Combine(Repository.Root, "workflows"), "*.json")
        .Where(file => !file.EndsWith(".schema.json", StringComparison.Ordinal))
        .Select(file => JsonNode.Parse(File.ReadAllText(file))!)
        .ToDictionary(definition => definition["definitionId"]!.GetValue<string>());

    [Fact]
    public void EveryIncidentKind_HasItsSection_AndNoOther() =>
        Assert.Equal(
            Enum.GetNames<IncidentKind>().Select(JsonNamingPolicy.CamelCase.ConvertName).Order(StringComparer.Ordinal),
            Runbook.Split('\n').Where(line => line.StartsWith("### `", StringComparison.Ordinal)).Select(line => line[5..^1]).Order(StringComparer.Ordinal));

    [Fact]
    public void EveryDriftKind_HasItsRow_AndNoOther() =>
        Assert.Equal(Enum.GetNames<DriftKind>().Order(StringComparer.Ordinal), Rows("Drift, by kind").SelectMany(row => Words(row[0])).Order(StringComparer.Ordinal));

    [Fact]
    public void EveryDefinition_HasItsRow_WhichSaysWhatItsFaultPolicyDoes()
    {
        var rows = Rows("What stands still meanwhile, by workflow").SelectMany(row => Words(row[0]).Select(id => (Id: id, Text: row[1]))).ToList();
        Assert.Equal(Definitions.Keys.Order(StringComparer.Ordinal), rows.Select(row => row.Id).Order(StringComparer.Ordinal));
        Assert.All(rows, row => Assert.StartsWith(
            Definitions[row.Id]["customProperties"]?["onFault"]?.GetValue<string>() switch { "Suspend" => "stands", "Continue" => "goes on", _ => "undo" }, row.Text, StringComparison.Ordinal));
    }

    [Fact]
    public void WhatItSaysIsInNoDefinition_IsInNone()
    {
        Assert.Contains("None of FlannelFlow's own steps is of that kind", Runbook, StringComparison.Ordinal);
        Assert.All(Definitions.Values, definition => Assert.DoesNotContain("AtMostOnce", definition.ToJsonString(), StringComparison.Ordinal));
        Assert.Contains("None of the definitions that are shipped has a deadline", Runbook, StringComparison.Ordinal);
        Assert.All(Definitions.Values, definition => Assert.Null(definition["customProperties"]?["deadline"]));
    }

    private static IEnumerable<string[]> Rows(string section) => Runbook.Split($"## {section}\n")[1].Split("\n## ")[0].Split('\n')
        .Where(line => line.StartsWith("| `", StringComparison.Ordinal))
        .Select(line => line.Split('|').Skip(1).Select(cell => cell.Trim()).ToArray());

    private static IEnumerable<string> Words(string cell) => cell.Split(',').Select(word => word.Trim(' ', '`'));
}
