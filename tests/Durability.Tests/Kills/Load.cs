using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json.Nodes;
using FlannelFlow.Workflows;

namespace FlannelFlow.Durability.Tests.Kills;

/// <summary>The seeded load: what the nth instance is depends on seed and n only.</summary>
internal sealed class Load(int seed)
{
    /// <summary>
    /// plain: three steps, its answer after the first. refused: at its last step, so all is undone. flaky: faults are tried again. shared:
    /// beside others in its lane. once: a step that must never run twice by itself. probed: a step that asks first.
    /// </summary>
    public static readonly FrozenDictionary<string, string> Kinds = new Dictionary<string, string>
    {
        ["plain"] = Of("plain", "Exclusive", Step("a"), Respond, Step("b"), Step("c")),
        ["refused"] = Of("refused", "Exclusive", Step("a"), Step("b"), Step("c")),
        ["flaky"] = Of("flaky", "Exclusive", Step("a"), Step("b"), Step("c")),
        ["shared"] = Of("shared", "Shared", Step("a"), Step("b")),
        ["once"] = Of("once", "Shared", Step("a"), Step("b", "AtMostOnce"), Step("c")),
        ["probed"] = Of("probed", "Shared", Step("a"), Step("b", "Probe"), Step("c")),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private static readonly string[] Names = [.. Kinds.Keys.Order(StringComparer.Ordinal)];

    private const string Respond = """{ "id": "respond", "type": "FlannelFlow.Respond" }""";

    public static IReadOnlyList<DefinitionFile> Definitions { get; } = [.. Kinds.Select(kind => new DefinitionFile(kind.Key + ".json", kind.Value))];

    public StartWorkflow Start(int n)
    {
        string kind = Names[Draw(n, 0, Names.Length)];
        string key = string.Create(CultureInfo.InvariantCulture, $"k{n}");
        // Exclusive and shared claims meet in the same lanes.
        string lane = string.Create(CultureInfo.InvariantCulture, $"{Draw(n, 1, 9)}");
        return new StartWorkflow(kind, key, new JsonObject { ["Key"] = key, ["Lane"] = lane });
    }

    /// <summary>Whether the nth instance's attempt at a step fails; the fifth never does.</summary>
    public bool Fails(int n, string step, int attempt) => attempt < 5 && Draw(n, step[0] + (256 * attempt), 3) == 0;

    private int Draw(int n, int what, int below) => new Random(HashOf(seed, n, what)).Next(below);

    /// <summary>The same in every process, unlike HashCode.</summary>
    private static int HashOf(int a, int b, int c) => unchecked((int)((((uint)a * 2654435761) + (uint)b) * 2246822519) ^ (c * 374761393));

    private static string Of(string id, string mode, params string[] steps) => $$"""
        { "definitionId": "{{id}}", "version": 1,
          "inputs": [ {"name": "Key", "type": "String"}, {"name": "Lane", "type": "String"} ],
          "customProperties": { "lanes": [ {"key": "lane/{Lane}", "mode": "{{mode}}"} ] },
          "root": { "id": "all", "type": "Elsa.Sequence", "activities": [ {{string.Join(", ", steps)}} ] } }
        """;

    private static string Step(string id, string recovery = "Reexecute") => $$$$"""
        { "id": "{{{{id}}}}", "type": "Test.Ledger",
          "customProperties": { "compensate": true, "recovery": "{{{{recovery}}}}", "retry": {"initialInterval": "00:00:00.002", "attempts": 20} },
          "step": {"typeName": "String", "expression": {"type": "Literal", "value": "{{{{id}}}}"}},
          "key": {"typeName": "String", "expression": {"type": "Input", "value": {"name": "Key"}}},
          "lane": {"typeName": "String", "expression": {"type": "Input", "value": {"name": "Lane"}}} }
        """;
}
