namespace FlannelFlow.Workflows;

/// <summary>The activity types that the engine itself understands.</summary>
internal static class ElsaTypes
{
    public const string Sequence = "Elsa.Sequence";
    public const string Parallel = "Elsa.Parallel";
    public const string Fork = "Elsa.Fork";
    public const string If = "Elsa.If";
    public const string ForEach = "Elsa.ForEach";
    public const string Flowchart = "Elsa.Flowchart";
    public const string Start = "Elsa.Start";
    public const string End = "Elsa.End";
    public const string FlowJoin = "Elsa.FlowJoin";
    public const string FlowDecision = "Elsa.FlowDecision";
    public const string Delay = "Elsa.Delay";
    public const string Fault = "Elsa.Fault";
    public const string Event = "Elsa.Event";
    public const string Dispatch = "Elsa.DispatchWorkflow";
    public const string Respond = "FlannelFlow.Respond";

    public static readonly IReadOnlyList<string> Containers = [Sequence, Parallel, Fork, If, ForEach, Flowchart];
    public static readonly IReadOnlyList<string> Gateways = [Start, End, FlowJoin, FlowDecision];
}

/// <summary>Names and types of a step's inputs and outputs.</summary>
/// <param name="Inputs">Null takes any.</param>
/// <param name="Activity">Null for built-ins.</param>
/// <param name="Takes">The custom properties of ours that mean something on it.</param>
internal sealed record StepShape(
    IReadOnlyDictionary<string, PropertyShape>? Inputs, IReadOnlyDictionary<string, PropertyShape> Outputs, ActivityType? Activity, IReadOnlyList<string> Takes)
{
    public static readonly StepShape Respond = new(null, Of(), null, []);
    public static readonly StepShape Delay = new(Of(new PropertyShape("timeSpan", "TimeSpan", typeof(TimeSpan), true, false)), Of(), null, []);

    public static readonly StepShape Fault = new(
        Of(Text("message", true), Text("faultType", false), Text("code", false), Text("category", false)), Of(), null, ["onFault"]);

    public static readonly StepShape Event = new(
        Of(Text("eventName", true), Text("correlationId", false)),
        Of(new PropertyShape("result", TypeNames.Object, typeof(System.Text.Json.JsonElement), false, true)), null, ["timeout", "retry", "onFault"]);

    public static readonly StepShape Dispatch = new(
        Of(
            Text("workflowDefinitionId", true),
            new PropertyShape("input", TypeNames.Object, typeof(System.Text.Json.JsonElement), false, true),
            new PropertyShape("waitForCompletion", "Boolean", typeof(bool), false, true)),
        Of(new PropertyShape("result", TypeNames.Object, typeof(System.Text.Json.JsonElement), false, true)), null,
        ["retry", "onFault", "compensate", "inputs", "outputs", "undoWith"]);

    public static readonly IReadOnlyDictionary<string, StepShape> BuiltIn = new Dictionary<string, StepShape>(StringComparer.Ordinal)
    {
        [ElsaTypes.Respond] = Respond,
        [ElsaTypes.Delay] = Delay,
        [ElsaTypes.Fault] = Fault,
        [ElsaTypes.Event] = Event,
        [ElsaTypes.Dispatch] = Dispatch,
    };

    public static StepShape Of(ActivityType activity) =>
        new(activity.Inputs, activity.Outputs, activity, ["retry", "timeout", "compensate", "recovery", "onFault"]);

    private static Dictionary<string, PropertyShape> Of(params PropertyShape[] shapes) => shapes.ToDictionary(s => s.Name, StringComparer.Ordinal);

    private static PropertyShape Text(string name, bool required) => new(name, TypeNames.String, typeof(string), required, !required);
}
