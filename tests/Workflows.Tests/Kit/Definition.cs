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
}
