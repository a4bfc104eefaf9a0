using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Workflows;
using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Durability.Tests.Kit;

/// <summary>An activity type of the product (its name, shape and recovery), played in a fake kernel instead of the world.</summary>
/// <remarks>
/// What it plays follows from the verb of its name: Delete, Release, Remove, Stop, Free, Leave and Withdraw make a thing absent, Find and
/// the like only look, all others ensure one. The thing is named by the rest of the name and the whole input, so that the kernel's text also
/// tells a wrong input. Its outputs depend on nothing but the step: a step run again gives the same.
/// </remarks>
internal sealed class StagedActivity(ActivityType real, FakeKernel kernel) : ActivityType
{
    private static readonly string[] Removers = ["Delete", "Release", "Remove", "Stop", "Free", "Leave", "Withdraw"];
    private static readonly string[] Lookers = ["Find", "Await", "Wait", "Read", "List", "Compare"];

    public override string Name => real.Name;
    public override RecoveryMode Recovery => real.Recovery;
    public override bool CanCompensate => real.CanCompensate;
    public override bool CanProbe => real.CanProbe;
    public override IReadOnlyDictionary<string, PropertyShape> Inputs => real.Inputs;
    public override IReadOnlyDictionary<string, PropertyShape> Outputs => real.Outputs;

    /// <summary>All types of a catalog, on one stage.</summary>
    public static ActivityCatalog Stage(ActivityCatalog catalog, FakeKernel kernel)
    {
        var staged = new ActivityCatalog();
        foreach (string type in catalog.Types)
        {
            if (catalog.TryGet(type, out ActivityType? real)) staged.Add(new StagedActivity(real, kernel));
        }
        return staged;
    }

    public override string? Misfit(string property, JsonElement value) => real.Misfit(property, value);

    public override Task<string> ExecuteAsync(string input, ActivityExecution execution, CancellationToken ct)
    {
        if (Verb(Lookers) is { } looks) kernel.Look(Thing(looks, input), execution);
        else if (Verb(Removers) is { } removes) kernel.EnsureNot(Thing(removes, input), execution);
        else kernel.Ensure(Thing("", input), execution);
        return Task.FromResult(Output(execution.ActivityId));
    }

    public override Task<ProbeResult<string>> ProbeAsync(string input, ActivityExecution execution, CancellationToken ct) =>
        Task.FromResult(kernel.Has(Thing("", input))
            ? new ProbeResult<string>(ProbeOutcome.Done, Output(execution.ActivityId))
            : new ProbeResult<string>(ProbeOutcome.NotDone));

    public override Task CompensateAsync(string input, string? output, ActivityExecution execution, CancellationToken ct)
    {
        if (Verb(Removers) is { } removes) kernel.Ensure(Thing(removes, input), execution);
        else kernel.EnsureNot(Thing("", input), execution);
        return Task.CompletedTask;
    }

    private string Short => Name[(Name.LastIndexOf('.') + 1)..];

    private string? Verb(string[] verbs) => verbs.FirstOrDefault(verb => Short.StartsWith(verb, StringComparison.Ordinal));

    private string Thing(string verb, string input) => Short[verb.Length..] + CanonicalJson.Write(JsonElement.Parse(input));

    private string Output(string activityId)
    {
        var output = new JsonObject();
        foreach (PropertyShape shape in Outputs.Values) output[shape.Name] = Value(shape.TypeName, $"{shape.Name} of {activityId}");
        return output.ToJsonString(WorkflowJson.Options);
    }

    /// <summary>A value of a type that the definition format names.</summary>
    public static JsonNode Value(string typeName, string text)
    {
        if (typeName.EndsWith("[]", StringComparison.Ordinal))
            return new JsonArray(Value(typeName[..^2], text + " 1"), Value(typeName[..^2], text + " 2"));
        return typeName switch
        {
            "String" => JsonValue.Create(text),
            "TimeSpan" => JsonValue.Create("00:00:01"),
            "DateTimeOffset" => JsonValue.Create("2026-01-01T00:00:00+00:00"),
            "Guid" => JsonValue.Create("6f9619ff-8b86-d011-b42d-00c04fc964ff"),
            "Boolean" => JsonValue.Create(true),
            "Object" => new JsonObject { ["text"] = text },
            _ => JsonValue.Create(7),
        };
    }
}
