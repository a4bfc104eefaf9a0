using System.Text.Json.Nodes;
using FlannelFlow.Workflows.Tests.Kit;
using Json.Schema;
using static FlannelFlow.Workflows.Tests.Kit.Definition;

namespace FlannelFlow.Workflows.Tests;

/// <summary>workflows/workflow.schema.json says the same as the loader, as far as a schema can.</summary>
public sealed class SchemaTests
{
    private static readonly string Folder = FindFolder();
    private static readonly JsonSchema Schema = JsonSchema.FromText(File.ReadAllText(Path.Combine(Folder, "workflow.schema.json")));

    private static readonly string Everything = Tree(
        "everything",
        Flowchart(
            "chart",
            [
                Node("start", "Elsa.Start"), Decision("?", "Yes"), Parallel("both", Ensure("a"), Sequence("s", Delay("d", "00:00:01"), Gate("g"))),
                Fork("race", "WaitAny", If("if", "Yes", Ensure("b"), ForEach("each", EnsureOf("one", "Item"))), Event("wait", "go", "k", """ "timeout": "00:01:00" """)),
                Node("join", "Elsa.FlowJoin", """, "mode": "WaitAny" """), Fault("f", "no", """ "customProperties": {"onFault": "Suspend"},"""),
                Ensure("c", """ "retry": {"initialInterval": "00:00:00.5", "attempts": 3}, "recovery": "AtMostOnce" """), RespondWith("Handle"), Node("end", "Elsa.End"),
            ],
            "start ?", "?:True both", "?:False race", "both join", "race join", "join f", "f c", "c respond", "respond end"),
        """ "onFault": "Suspend", "deadline": "01:00:00", "lanes": [ {"key": "all", "mode": "Shared"} ] """);

    private static readonly string Parent = Of("parent", "", Dispatch("child", "inner", """ "compensate": true, "undoWith": "everything" """));

    public static TheoryData<string> Files => [.. Directory.GetFiles(Folder, "*.json").Select(f => Path.GetFileName(f)).Where(f => !f.EndsWith(".schema.json", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Files))]
    public void EveryDefinitionOfTheRepository_IsValid(string file) => Assert.Equal("", Problems(File.ReadAllText(Path.Combine(Folder, file))));

    [Fact]
    public void EveryConstruct_IsValid_AndLoads()
    {
        string inner = Of("inner", "", Ensure("a")).Replace("\"isRequired\": false", "\"isRequired\": true", StringComparison.Ordinal);
        Assert.Equal("", Problems(Everything));
        Assert.Equal("", Problems(Parent));
        Assert.Equal(3, DefinitionLoader.Load([new DefinitionFile("e", Everything), new DefinitionFile("p", Parent), new DefinitionFile("i", inner)], Catalog()).Count);
    }

    /// <summary>What the engine does not understand is refused by the loader, with the place, and by the schema.</summary>
    [Theory]
    [InlineData("Elsa.FlowDecision", "Elsa.FlowSwitch", "$.root.activities[1].type: unknown activity type 'Elsa.FlowSwitch'")]
    [InlineData("Elsa.Delay", "Elsa.WriteLine", "$.root.activities[2].activities[1].activities[0].type: unknown activity type 'Elsa.WriteLine'")]
    [InlineData("\"branches\"", "\"twigs\"", "$.root.activities[3].twigs: unknown property of Elsa.Fork (known: branches, joinMode)")]
    [InlineData("\"then\":", "\"than\":", "$.root.activities[3].branches[0].than: unknown property of Elsa.If (known: condition, else, then)")]
    [InlineData("\"type\": \"Variable\", \"value\": \"Yes\"", "\"type\": \"JavaScript\", \"value\": \"1\"", "$.root.activities[1].condition.expression: unknown expression type 'JavaScript' (known: Input, Literal, Variable)")]
    [InlineData("\"WaitAny\"", "\"WaitSome\"", "$.root.activities[3].joinMode: must be one of WaitAll, WaitAny")]
    [InlineData("\"deadline\"", "\"dedline\"", "$.customProperties.dedline: unknown custom property of a workflow")]
    [InlineData("\"recovery\": \"AtMostOnce\"", "\"recovery\": \"Always\"", "$.root.activities[6].customProperties.recovery: must be one of Reexecute, Probe, AtMostOnce, Transactional")]
    [InlineData("\"inputs\": [", "\"imports\": [], \"inputs\": [", "$.imports: unknown property")]
    [InlineData("\"target\":", "\"targetPort\": \"In\", \"target\":", "$.root.connections[0].targetPort: unknown property of a connection (Elsa 3: source, target, vertices)")]
    public void WhatIsNotUnderstood_IsRefused_ByBoth(string good, string bad, string error)
    {
        string text = Everything.Replace(good, bad, StringComparison.Ordinal);
        Assert.NotEqual(Everything, text);

        var e = Assert.Throws<DefinitionException>(() => DefinitionLoader.Load([new DefinitionFile("f", text)], Catalog()));
        Assert.Contains(e.Errors, x => x.ToString().StartsWith("f: " + error, StringComparison.Ordinal));
        Assert.NotEqual("", Problems(text));
    }

    private static ActivityCatalog Catalog() => new ActivityCatalog().Add(new EnsureActivity(new FakeKernel())).Add(new GateActivity());

    private static string Problems(string text)
    {
        EvaluationResults results = Schema.Evaluate(JsonNode.Parse(text), new EvaluationOptions { OutputFormat = OutputFormat.List });
        return results.IsValid
            ? ""
            : string.Join('\n', results.Details.Where(d => d.HasErrors).Select(d => $"{d.InstanceLocation}: {string.Join(", ", d.Errors!.Values)} ({d.EvaluationPath})").DefaultIfEmpty("invalid"));
    }

    private static string FindFolder()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "workflows", "workflow.schema.json"))) at = at.Parent;
        return Path.Combine(at?.FullName ?? throw new DirectoryNotFoundException("workflows/ above the test's folder"), "workflows");
    }
}
