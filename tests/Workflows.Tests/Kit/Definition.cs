namespace FlannelFlow.Workflows.Tests.Kit;

/// <summary>Texts of definitions, short.</summary>
public static class Definition
{
    public static string Of(string id, string custom, params string[] activities) => $$"""
        { "definitionId": "{{id}}", "version": 1, "name": "{{id}}",
          "inputs": [ {"name": "Net", "type": "String", "isRequired": false} ],
          "variables": [ {"id": "Handle", "name": "Handle", "typeName": "String"} ],
          "outputs": [ {"name": "Handle", "type": "String"} ],
          "customProperties": { {{custom}} },
          "root": { "id": "all", "type": "Elsa.Sequence", "activities": [ {{string.Join(",\n", activities)}} ] } }
        """;

    /// <summary>A definition whose lane needs its input.</summary>
    public static string InLane(string id, string mode, params string[] activities) =>
        Of(id, $$""" "lanes": [ {"key": "net/{Net}", "mode": "{{mode}}"} ] """, activities).Replace(", \"isRequired\": false", "", StringComparison.Ordinal);

    public static string Ensure(string thing, string custom = "\"compensate\": true", string more = "") => $$$"""
        { "id": "{{{thing}}}", "type": "Test.Ensure", "customProperties": { {{{custom}}} }, {{{more}}}
          "thing": {"typeName": "String", "expression": {"type": "Literal", "value": "{{{thing}}}"}},
          "handle": {"typeName": "String", "memoryReference": {"id": "Handle"}} }
        """;

    public static string Gate(string gate) => $$$"""
        { "id": "gate-{{{gate}}}", "type": "Test.Gate", "gate": {"typeName": "String", "expression": {"type": "Literal", "value": "{{{gate}}}"}} }
        """;

    public const string Respond = """
        { "id": "respond", "type": "FlannelFlow.Respond",
          "handle": {"typeName": "String", "expression": {"type": "Variable", "value": {"id": "Handle", "name": "Handle"}}} }
        """;

    /// <summary>With a root of any kind, the input Items (String[]), and the variables Handle, Item, Yes (Boolean, true) and No (false).</summary>
    public static string Tree(string id, string root, string custom = "") => $$"""
        { "definitionId": "{{id}}", "version": 1, "name": "{{id}}",
          "inputs": [ {"name": "Net", "type": "String", "isRequired": false}, {"name": "Items", "type": "String[]", "isRequired": false} ],
          "variables": [ {"id": "Handle", "name": "Handle", "typeName": "String"}, {"id": "Item", "name": "Item", "typeName": "String"},
                         {"id": "Yes", "name": "Yes", "typeName": "Boolean", "value": true}, {"id": "No", "name": "No", "typeName": "Boolean", "value": false},
                         {"id": "Payload", "name": "Payload", "typeName": "Object"} ],
          "outputs": [ {"name": "Handle", "type": "String"} ],
          "customProperties": { {{custom}} },
          "root": {{root}} }
        """;

    public static string Sequence(string id, params string[] activities) => $$"""{ "id": "{{id}}", "type": "Elsa.Sequence", "activities": [ {{string.Join(", ", activities)}} ] }""";

    public static string Parallel(string id, params string[] activities) => $$"""{ "id": "{{id}}", "type": "Elsa.Parallel", "activities": [ {{string.Join(", ", activities)}} ] }""";

    public static string Fork(string id, string mode, params string[] branches) => $$"""
        { "id": "{{id}}", "type": "Elsa.Fork", "joinMode": "{{mode}}", "branches": [ {{string.Join(", ", branches)}} ] }
        """;

    public static string If(string id, string variable, string? then, string? otherwise = null) => $$$"""
        { "id": "{{{id}}}", "type": "Elsa.If", "condition": {"typeName": "Boolean", "expression": {"type": "Variable", "value": "{{{variable}}}"}},
          "then": {{{then ?? "null"}}}, "else": {{{otherwise ?? "null"}}} }
        """;

    /// <summary>Over the input Items; the item is in the variable Item.</summary>
    public static string ForEach(string id, string body) => $$$"""
        { "id": "{{{id}}}", "type": "Elsa.ForEach", "items": {"typeName": "String[]", "expression": {"type": "Input", "value": "Items"}},
          "currentValue": {"typeName": "String", "memoryReference": {"id": "Item"}}, "body": {{{body}}} }
        """;

    /// <summary>Ensures the thing named by a variable.</summary>
    public static string EnsureOf(string id, string variable, string custom = "\"compensate\": true") => $$$$"""
        { "id": "{{{{id}}}}", "type": "Test.Ensure", "customProperties": { {{{{custom}}}} },
          "thing": {"typeName": "String", "expression": {"type": "Variable", "value": {"id": "{{{{variable}}}}"}}} }
        """;

    public static string Delay(string id, string time) => $$$"""
        { "id": "{{{id}}}", "type": "Elsa.Delay", "timeSpan": {"typeName": "TimeSpan", "expression": {"type": "Literal", "value": "{{{time}}}"}} }
        """;

    /// <summary>The signal's payload is in the variable Payload.</summary>
    public static string Event(string id, string name, string? correlation = null, string custom = "") => $$$"""
        { "id": "{{{id}}}", "type": "Elsa.Event", "customProperties": { {{{custom}}} },
          "eventName": {"typeName": "String", "expression": {"type": "Literal", "value": "{{{name}}}"}},
          "correlationId": {"typeName": "String", "expression": {"type": "Literal", "value": {{{(correlation is null ? "null" : $"\"{correlation}\"")}}}} },
          "result": {"typeName": "Object", "memoryReference": {"id": "Payload"}} }
        """;

    /// <summary>Waits for a child of the same Net; its Handle is the parent's.</summary>
    public static string Dispatch(string id, string definition, string custom = "") => $$$"""
        { "id": "{{{id}}}", "type": "Elsa.DispatchWorkflow",
          "workflowDefinitionId": {"typeName": "String", "expression": {"type": "Literal", "value": "{{{definition}}}"}},
          "waitForCompletion": {"typeName": "Boolean", "expression": {"type": "Literal", "value": true}},
          "customProperties": { {{{(custom.Length > 0 ? custom + "," : "")}}}
            "inputs": { "Net": {"typeName": "String", "expression": {"type": "Input", "value": "Net"}} }
            {{{(definition == "inner" ? ", \"outputs\": { \"Handle\": {\"typeName\": \"String\", \"memoryReference\": {\"id\": \"Handle\"}} }" : "")}}} } }
        """;

    public static string RespondWith(string variable) => $$$"""
        { "id": "respond", "type": "FlannelFlow.Respond",
          "answer": {"typeName": "Object", "expression": {"type": "Variable", "value": "{{{variable}}}"}} }
        """;

    public static string Fault(string id, string message, string more = "") => $$$"""
        { "id": "{{{id}}}", "type": "Elsa.Fault", {{{more}}} "message": {"typeName": "String", "expression": {"type": "Literal", "value": "{{{message}}}"}} }
        """;

    /// <param name="connections">"a b" (port Done) or "a:True b".</param>
    public static string Flowchart(string id, string[] activities, params string[] connections) => $$"""
        { "id": "{{id}}", "type": "Elsa.Flowchart", "activities": [ {{string.Join(", ", activities)}} ],
          "connections": [ {{string.Join(", ", connections.Select(Connection))}} ] }
        """;

    private static string Connection(string text)
    {
        string[] ends = text.Split(' ');
        string[] source = ends[0].Split(':');
        return $$"""{ "source": {"activity": "{{source[0]}}", "port": "{{(source.Length > 1 ? source[1] : "Done")}}"}, "target": {"activity": "{{ends[1]}}", "port": "In"} }""";
    }

    public static string Decision(string id, string variable) => $$$"""
        { "id": "{{{id}}}", "type": "Elsa.FlowDecision", "condition": {"typeName": "Boolean", "expression": {"type": "Variable", "value": "{{{variable}}}"}} }
        """;

    public static string Node(string id, string type, string more = "") => $$"""{ "id": "{{id}}", "type": "{{type}}" {{more}} }""";
}
