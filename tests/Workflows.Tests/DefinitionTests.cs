using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Workflows.Tests;

public sealed class DefinitionTests
{
    private static readonly ActivityCatalog Catalog = new ActivityCatalog().Add(new EnsureActivity(new FakeKernel())).Add(new GateActivity()).Add(new ProbedActivity());

    [Fact]
    public void EveryError_IsReportedAtOnce_WithFileAndPath()
    {
        const string text = """
            {
              "definitionId": "bad", "version": 0, "naem": "Bad",
              "inputs": [ {"name": "Net", "type": "String"}, {"name": "Nets", "type": "String[]"}, {"name": "Net", "type": "Strin"} ],
              "variables": [ {"name": "Count", "typeName": "Int32", "value": "three"}, {"name": "Handle", "typeName": "String"} ],
              "outputs": [ {"name": "Handel", "type": "String"}, {"name": "Count", "type": "Boolean"} ],
              "customProperties": {
                "onFault": "Explode",
                "lanes": [ {"key": "net/{Net}", "mode": "Excl"}, {"key": "net/{Nat}", "mode": "Shared"}, {"key": "net/{", "mode": "Shared"},
                           {"key": "net/{Nets}", "mode": "Shared"} ]
              },
              "root": { "id": "all", "type": "Elsa.Sequence", "activities": [
                { "id": "a", "type": "Test.Ensur" },
                { "id": "b", "type": "Test.Ensure" },
                { "id": "b", "type": "Test.Ensure",
                  "thing": {"typeName": "String", "expression": {"type": "Literal", "value": 7}},
                  "size": {"typeName": "String", "expression": {"type": "Variable", "value": "Handle"}},
                  "colour": {"typeName": "String", "expression": {"type": "Literal", "value": "red"}},
                  "note": {"typeName": "String", "expression": {"type": "JavaScript", "value": "1+1"}},
                  "handle": {"typeName": "String", "memoryReference": {"id": "Count"}},
                  "width": {"typeName": "Int32", "memoryReference": {"id": "Count"}} },
                { "id": "c", "type": "Test.Ensure",
                  "thing": {"typeName": "String", "expression": {"type": "Input", "value": {"name": "Nit"}}},
                  "size": {"typeName": "Int32", "expression": {"type": "Variable", "value": {"id": "Cuont"}}},
                  "customProperties": { "retry": {"initialInterval": "soon", "attempts": 0, "jitter": 2, "tries": 3}, "timeout": "00:00:00", "retires": 1 } },
                { "id": "inner", "type": "Elsa.Sequence", "activities": [
                  { "id": "d", "type": "Test.Gate",
                    "gate": {"typeName": "String", "expression": {"type": "Literal", "value": null}},
                    "customProperties": { "compensate": true, "recovery": "Transactional" } },
                  { "id": "e", "type": "Test.Probed" } ] },
                { "id": "f", "type": "FlannelFlow.Respond", "customProperties": { "timeout": "00:00:10" },
                  "answer": {"typeName": "Text", "expression": {"type": "Literal", "value": "x"}} }
              ] }
            }
            """;

        var e = Assert.Throws<DefinitionException>(() => DefinitionLoader.Load([new DefinitionFile("bad.json", text)], Catalog));

        Assert.Equal(
            """
            bad.json: $.naem: unknown property
            bad.json: $.version: must be an integer of at least 1
            bad.json: $.inputs[2].type: unknown type 'Strin'
            bad.json: $.variables[0]: "three" is no Int32
            bad.json: $.customProperties.onFault: must be one of Compensate, Suspend, Continue
            bad.json: $.root.activities[0].type: unknown activity type 'Test.Ensur' (known: Elsa.Delay, Elsa.DispatchWorkflow, Elsa.Event, Elsa.Fault, Elsa.Flowchart, Elsa.ForEach, Elsa.Fork, Elsa.If, Elsa.Parallel, Elsa.Sequence, FlannelFlow.Respond, Test.Ensure, Test.Gate, Test.Probed)
            bad.json: $.root.activities[1]: input 'thing' (String) of Test.Ensure is missing
            bad.json: $.root.activities[2].id: duplicate activity id 'b'
            bad.json: $.root.activities[2].thing.expression.value: 7 is no String
            bad.json: $.root.activities[2].size.typeName: 'size' of Test.Ensure is Int32, not String
            bad.json: $.root.activities[2].colour: Test.Ensure has no input 'colour' (known: note, size, thing)
            bad.json: $.root.activities[2].note.expression: unknown expression type 'JavaScript' (known: Input, Literal, Variable)
            bad.json: $.root.activities[2].handle.memoryReference.id: variable 'Count' is Int32, the output is String
            bad.json: $.root.activities[2].width: Test.Ensure has no output 'width' (known: handle, size)
            bad.json: $.root.activities[3].thing.expression: unknown input 'Nit' (known: Net, Nets)
            bad.json: $.root.activities[3].size.expression: unknown variable 'Cuont' (known: Count, Handle)
            bad.json: $.root.activities[3].customProperties.retires: unknown custom property
            bad.json: $.root.activities[3].customProperties.retry.tries: unknown property of retry
            bad.json: $.root.activities[3].customProperties.retry.initialInterval: must be a time above zero, such as "00:00:20"
            bad.json: $.root.activities[3].customProperties.retry.attempts: must be an integer of at least 1
            bad.json: $.root.activities[3].customProperties.retry.jitter: must be a number from 0 to 1
            bad.json: $.root.activities[3].customProperties.timeout: must be a time above zero, such as "00:00:20"
            bad.json: $.root.activities[4].activities[0].gate.expression: 'gate' must not be null
            bad.json: $.root.activities[4].activities[0].customProperties.recovery: recovery mode Transactional: Test.Gate is not transactional
            bad.json: $.root.activities[4].activities[0].customProperties.compensate: Test.Gate cannot compensate
            bad.json: $.root.activities[4].activities[1]: recovery mode Probe: Test.Probed cannot probe
            bad.json: $.root.activities[5].answer.typeName: unknown type 'Text'
            bad.json: $.root.activities[5].customProperties.timeout: this means nothing on FlannelFlow.Respond
            bad.json: $.root.activities[2].size.expression: variable 'Handle' is used before a step sets it
            bad.json: $.customProperties.lanes[0].mode: must be one of Shared, Exclusive
            bad.json: $.customProperties.lanes[1].key: placeholder {Nat} is no input (known: Net, Nets)
            bad.json: $.customProperties.lanes[2].key: 'net/{' has a brace that is no placeholder {Input}
            bad.json: $.customProperties.lanes[3].key: placeholder {Nets} is String[], which makes no lane key
            bad.json: $.outputs[0].name: output 'Handel' is no variable (known: Count, Handle)
            bad.json: $.outputs[1]: output 'Count' is Boolean, but the variable is Int32
            """,
            string.Join('\n', e.Errors));
    }

    [Fact]
    public void SeveralFiles_AllAreReported_AndIdsMustDiffer()
    {
        var e = Assert.Throws<DefinitionException>(() => DefinitionLoader.Load(
            [
                new DefinitionFile("1.json", Definition.Of("same", "", Definition.Ensure("a"))),
                new DefinitionFile("2.json", Definition.Of("same", "", Definition.Ensure("a"))),
                new DefinitionFile("3.json", """{ "definitionId": "x", "definitionId": "y" }"""),
                new DefinitionFile("4.json", "{ not json"),
                new DefinitionFile("5.json", """{ "definitionId": "rootless", "version": 1, "root": {"id": "r", "type": "Test.Probed"} }"""),
            ],
            Catalog));

        Assert.Equal(["2.json", "3.json", "4.json", "5.json", "5.json"], e.Errors.Select(x => x.File));
        Assert.StartsWith("not JSON: Duplicate property 'definitionId'", e.Errors[1].Message, StringComparison.Ordinal);
        Assert.StartsWith(
            "5 errors in workflow definitions:\n2.json: $.definitionId: 'same' is defined in 1.json too\n3.json: $: not JSON", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Hash_IsOfTheContent_NotOfItsLayout()
    {
        string text = Definition.Of("one", "", Definition.Ensure("a"));
        string shuffled = """
            {"$schema":"./workflow.schema.json","root":{"activities":[{"thing":{"expression":{"value":"a","type":"Literal"},"typeName":"String"},
            "type":"Test.Ensure","handle":{"memoryReference":{"id":"Handle"},"typeName":"String"},"customProperties":{"compensate":true},"id":"a"}],
            "type":"Elsa.Sequence","id":"all"},"customProperties":{},"outputs":[{"type":"String","name":"Handle"}],
            "variables":[{"typeName":"String","name":"Handle","id":"Handle"}],"inputs":[{"isRequired":false,"type":"String","name":"Net"}],
            "name":"one","version":1,"definitionId":"one"}
            """;

        WorkflowDefinition a = Load(text), b = Load(shuffled), c = Load(text.Replace("\"value\": \"a\"", "\"value\": \"b\"", StringComparison.Ordinal));

        Assert.Equal(a.Hash, b.Hash);
        Assert.Equal(a.Json, b.Json);
        Assert.NotEqual(a.Hash, c.Hash);
    }

    [Fact]
    public void NestedSequences_RunInDocumentOrder_AndPoliciesAreRead()
    {
        string inner = $$"""{ "id": "inner", "type": "Elsa.Sequence", "activities": [ {{Definition.Ensure("b")}}, {{Definition.Ensure("c", """
            "retry": {"initialInterval": "00:00:01"}, "timeout": "00:00:20", "onFault": "Continue"
            """)}} ] }""";
        WorkflowDefinition definition = Load(Definition.Of("nested", "\"onFault\": \"Suspend\"", Definition.Ensure("a"), inner, Definition.Ensure("d")));

        Assert.Equal(["a", "b", "c", "d"], definition.Steps.Select(s => s.Id));
        StepDefinition c = definition.Step("c")!;
        Assert.Equal(new RetryPolicy(TimeSpan.FromSeconds(1), 2, TimeSpan.FromMinutes(1), null, 0), c.Retry);
        Assert.Equal((TimeSpan.FromSeconds(20), false, FaultPolicy.Continue), (c.Timeout, c.Compensate, c.OnFault));
        Assert.Equal((RetryPolicy.Never, true, FaultPolicy.Suspend), (definition.Steps[0].Retry, definition.Steps[0].Compensate, definition.Steps[0].OnFault));
    }

    private static WorkflowDefinition Load(string text) => Assert.Single(DefinitionLoader.Load([new DefinitionFile("test.json", text)], Catalog));

    /// <summary>Of a recovery mode that it does not support.</summary>
    private sealed class ProbedActivity : Activity<Nothing, Nothing>
    {
        public override string Type => "Test.Probed";
        public override RecoveryMode Recovery => RecoveryMode.Probe;

        public override Task<Nothing> ExecuteAsync(Nothing input, ActivityExecution execution, CancellationToken ct) => Task.FromResult(input);
    }
}
